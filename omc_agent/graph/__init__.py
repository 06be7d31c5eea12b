"""The order of work: the state, the nodes that are not agents, and the one place of wiring."""

"""``make bench-trust``: whether what the agent claims holds, beside systems that people use."""

"""Who does it: one LangChain agent a stage, each with its prompt and its tools."""

"""Who thinks: any chat model that LangChain knows, and the embedded offline one."""

"""A chat provider on loopback: real client packages talk to it, and a script decides what it answers.

It speaks the wire formats of OpenAI (chat completions), Anthropic (messages) and Ollama (chat), whole and as a
stream, reports usage, and fails where it is told to. No test reaches a provider beyond loopback.
"""

from tests.providers.scripts import Fault, Reply, Script, Turn, as_offline, in_turn, said
from tests.providers.server import ProviderServer

__all__ = ["Fault", "ProviderServer", "Reply", "Script", "Turn", "as_offline", "in_turn", "said"]

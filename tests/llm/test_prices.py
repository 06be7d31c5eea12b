"""Prices by the table inside the package: what is counted, what is not known, and that no network is asked."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from omc_agent.llm.names import PROVIDERS
from omc_agent.llm.prices import details_of, is_priced, name_of, price_of, price_table, tier_of

AT = datetime(2026, 11, 1, tzinfo=UTC)  # prices change, and the table keeps the old ones
M = 1e6


def usage(read=0, wrote=0, **details):
    return {"input_tokens": read, "output_tokens": wrote, "input_token_details": details}


@pytest.mark.parametrize(
    ("name", "told", "usd"),
    [
        ("openai:gpt-5", usage(10_000, 1_000), (10_000 * 1.25 + 1_000 * 10) / M),
        ("openai:gpt-5", usage(10_000, 1_000, cache_read=8_000), (2_000 * 1.25 + 8_000 * 0.125 + 1_000 * 10) / M),
        ("openai:gpt-5", usage(10_000, 0, flex=2_000, flex_cache_read=8_000), (2_000 * 1.25 + 1_000) / 2 / M),
        ("openai:gpt-5", usage(10_000, 0, priority=10_000), 10_000 * 2.5 / M),
        ("anthropic:claude-sonnet-4-5", usage(10_000, 0, cache_creation=4_000), (6_000 * 3 + 4_000 * 3.75) / M),
        (
            "anthropic:claude-sonnet-4-5",
            usage(10_000, 100, cache_read=1_000, cache_creation=0, ephemeral_5m_input_tokens=2_000,
                  ephemeral_1h_input_tokens=3_000),
            (4_000 * 3 + 1_000 * 0.3 + 2_000 * 3.75 + 3_000 * 6 + 100 * 15) / M,
        ),
        ("anthropic:claude-sonnet-4-5", usage(300_000, 1_000), (300_000 * 6 + 1_000 * 22.5) / M),
        ("offline", usage(10**9, 10**9), 0.0),
        ("ollama:qwen3:8b", usage(10**9, 10**9), 0.0),
        ("openai:no-such-model", usage(1, 1), None),
        ("Mine", usage(1, 1), None),
    ],
    ids=["plain", "read from the cache", "flex", "priority", "written to the cache", "written for minutes and hours",
         "a long request", "offline", "ollama", "no such model", "a model that was handed in"],
)  # fmt: skip
def test_what_a_call_costs(name, told, usd):
    assert price_of(name, told, AT) == pytest.approx(usd)


def test_thinking_is_part_of_what_is_written_and_not_billed_twice():
    told = {**usage(1_000, 500), "output_token_details": {"reasoning": 400}}
    assert details_of(told)["reasoning"] == 400
    assert price_of("openai:gpt-5", told, AT) == price_of("openai:gpt-5", usage(1_000, 500), AT)


def test_figures_that_contradict_each_other_still_have_a_price():
    """A cache that was read more than all that was read: some servers count it apart."""
    assert price_of("openai:gpt-5", usage(10, 0, cache_read=50), AT) == pytest.approx(10 * 0.125 / M)


@pytest.mark.parametrize("tier", ["priority", "flex"])
def test_the_tier_is_read_from_the_names_of_the_details(tier):
    assert tier_of(usage(5, 0, **{tier: 5})) == tier
    assert tier_of(usage(5, 0, cache_read=1)) == ""


@pytest.mark.parametrize(
    "name",
    [
        "google_genai:gemini-2.5-pro",
        "google_vertexai:gemini-2.5-pro",
        "azure_openai:gpt-5",
        "mistralai:mistral-large-latest",
        "bedrock:anthropic.claude-sonnet-4-5-20250929-v1:0",
        "xai:grok-4",
        "groq:llama-3.3-70b-versatile",
        "deepseek:deepseek-chat",
        "cohere:command-r-plus",
        "perplexity:sonar",
        "openrouter:openai/gpt-5",
    ],
)
def test_a_model_of_each_provider_is_found_under_the_name_that_the_table_has(name):
    assert name.split(":")[0] in PROVIDERS
    assert is_priced(name)


def test_a_chat_model_that_was_handed_in_is_priced_by_what_its_client_says():
    from langchain_openai import ChatOpenAI

    assert name_of(ChatOpenAI(model="gpt-5", api_key="sk-loopback"), "ChatOpenAI") == "openai:gpt-5"
    assert name_of(object(), "Mine") == "Mine"


def test_the_table_says_its_version_and_its_newest_day():
    assert price_table().startswith("genai-prices ")
    day = datetime.strptime(price_table()[-10:], "%Y-%m-%d").replace(tzinfo=UTC)
    assert AT < day <= datetime.now(UTC)


ALONE = """
import socket, threading
def refuse(*args, **values): raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from genai_prices import data_snapshot
from omc_agent.llm.prices import price_of, price_table
data_snapshot.set_custom_snapshot(data_snapshot.DataSnapshot(providers=[], from_auto_update=True))
assert price_of("openai:gpt-5", {"input_tokens": 9}) > 0  # a table that was downloaded by others is not ours
price_table()
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
"""


def test_no_network_is_asked_no_thread_begun_and_no_downloaded_table_used():
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

"""The doctor says which model would answer, with what key, what is missing; it shows no secret and never fails."""

from __future__ import annotations

import time

import pytest

from omc_agent import cli, doctor
from omc_agent.config import settings_with
from omc_agent.doctor import examination_text, examine
from omc_agent.llm import checkup
from tests.providers import ProviderServer

KEY = "sk-A1b2C3d4E5f6G7h8"


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    """No variable of a provider, no probe of the sandbox (tests/sandbox does that), an empty working folder."""
    import os

    monkeypatch.setattr(doctor, "_isolation", lambda settings: [("isolation", "not probed")])
    starts = ("OPENAI_", "ANTHROPIC_", "OLLAMA_", "LANGSMITH_", "LANGCHAIN_", "OTEL_", "GROQ_")
    for name in [name for name in os.environ if name.startswith(starts)]:
        monkeypatch.delenv(name)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)


def found(**settings):
    return dict(examine(settings_with(None, **settings)))


def test_offline_is_ready_and_tracing_is_off():
    told = found()
    assert told["model"].startswith("offline: embedded")
    assert told["tracing"] == "off"
    assert told["prices"].startswith("genai-prices ")
    assert told[".env"] == "none"
    assert "redis" not in told


def test_each_model_has_its_line_in_the_order_in_which_it_is_asked(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    told = found(model="best,anthropic:claude-sonnet-4-5,groq:llama,offline", models={"best": "openai:gpt-4o"})
    first = told["model 1"]
    assert first.startswith(
        "openai:gpt-4o: key from the variable OPENAI_API_KEY, price known, calls tools, context of "
    )
    assert "ANTHROPIC_API_KEY" in told["model 2"]
    assert told["model 2"].startswith("anthropic:claude-sonnet-4-5: not ready. model.no_key: ")
    assert "pip install langchain-groq" in told["model 3"]
    assert told["model 4"].startswith("offline")
    assert told["alias best"] == "openai:gpt-4o"
    assert "stands in" in told["order"]


def test_a_key_of_a_file_is_told_by_its_file_and_never_shown(tmp_path):
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    text = examination_text(settings_with(None, model="openai:some-model-of-mine"))
    assert "key from OPENAI_API_KEY in .env of " in text
    assert "price not known: limited by --max-tokens only" in text
    assert "whether it calls tools is not known" in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nobody:x", "model.unknown"),
        ("openai:text-embedding-3-small", "model.no_tools"),
        ("a", "stands for itself"),
        (f"openai:{KEY}", "usage.secret"),
    ],
)
def test_what_is_amiss_is_a_line_and_no_failure(model, said, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-of-doctor")
    told = found(model=model, models={"a": "b", "b": "a"})
    assert said in told["model"]
    assert KEY not in str(told)


def test_a_base_url_that_is_none_is_a_line_too(monkeypatch):
    assert "usage.value" in found(model="openai:qwen", base_url="localhost:1")["model"]


def test_a_server_of_ones_own_is_named_without_its_password():
    told = found(model="openai:qwen", base_url="http://me:hunter2secret@127.0.0.1:1/v1")["model"]
    assert "no key of ours" in told
    assert "server http://me:***@127.0.0.1:1/v1" in told


@pytest.mark.parametrize(
    ("pulled", "said"),
    [(["qwen3:latest"], "answers and has the model"), (["gemma:2b"], "ollama pull qwen3"), ([], "ollama pull qwen3")],
)
def test_ollama_is_asked_for_its_models(pulled, said, monkeypatch):
    with ProviderServer() as server:
        server.pulled = pulled
        monkeypatch.setenv("OLLAMA_HOST", server.url("ollama"))
        told = found(model="ollama:qwen3")["model"]
    assert said in told
    assert "costs nothing" in told
    assert server.turns == []


def test_ollama_that_does_not_run_says_how_to_start_it_and_one_elsewhere_is_not_asked(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    assert "run ollama serve" in found(model="ollama:qwen3")["model"]
    monkeypatch.setenv("OLLAMA_HOST", "http://ollama.example:11434")
    assert "was not asked" in found(model="ollama:qwen3")["model"]
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:port")
    assert "model" in found(model="ollama:qwen3")


def test_an_ollama_that_hangs_does_not_hold_up_the_doctor(monkeypatch):
    import socket

    monkeypatch.setattr(checkup, "OLLAMA_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OLLAMA_HOST", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert "does not answer" in found(model="ollama:qwen3")["model"]
        assert time.monotonic() - began < 30, "a hang, not a measure of speed"


def test_tracing_and_cache_are_told_without_their_secrets(monkeypatch):
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2secret@collector:4318")
    monkeypatch.setenv("OMC_AGENT_REDIS_URL", "redis://:hunter2secret@localhost:6379/0")
    told = found()
    assert told["tracing"].startswith("LangSmith at https://api.smith.langchain.com; OpenTelemetry at http://me:***@")
    assert "without prompts" in told["tracing"]
    assert told["redis"] == "redis://:***@localhost:6379/0, on"
    monkeypatch.setenv("OMC_AGENT_REDIS_URL", "hunter2secret")
    assert "hunter2secret" not in str(found())


def test_the_command_exits_with_0_whatever_is_missing(capsys, monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("not a line of variables\nOMC_AGENT_REDIS_URL=redis://localhost\n")
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "redis://localhost" in said
    assert ".env of " in said
    (tmp_path / ".env").unlink()
    assert cli.main(["doctor"]) == 0


def test_the_place_of_the_files_is_tried(tmp_path):
    assert "artifacts" not in found()
    place = f"memory://{tmp_path.name}"
    assert found(artifact_url=place)["artifacts"] == f"{place}, can be written and listed"
    (tmp_path / "taken").write_text("a file")
    assert found(artifact_url=str(tmp_path / "taken"))["artifacts"].startswith("run.artifact_store: ")
    assert found(artifact_url="nowhere://x")["artifacts"].startswith("usage.value: ")

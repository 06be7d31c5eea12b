"""Where keys come from: environment, .env, keyring, in this order; never from a cell; never shown."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from omc_agent.config import ChatSettings
from omc_agent.errors import ModelError
from omc_agent.llm import keys
from omc_agent.llm.chat import open_chat_models
from omc_agent.llm.env_file import PREFIXES
from omc_agent.llm.keys import KEY_NAMES, VARIABLES, find_key, read_variables

KEY = "sk-A1b2C3d4E5f6G7h8"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder of its own, without any key in the environment; what a .env set is taken back."""
    (tmp_path / ".git").mkdir()
    work = tmp_path / "notebooks"
    work.mkdir()
    monkeypatch.chdir(work)
    for name in [name for names in VARIABLES.values() for name in names]:
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    (tmp_path / ".env").unlink(missing_ok=True)
    (work / ".env").unlink(missing_ok=True)
    read_variables(work)


@pytest.fixture
def a_keyring(monkeypatch):
    """The package keyring with one key in it."""
    kept = {("omc_agent", "GROQ_API_KEY"): "gsk-1"}
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=lambda *key: kept.get(key)))


@pytest.fixture
def in_a_notebook(monkeypatch):
    """As in a kernel that began with the environment of now."""
    began = dict(os.environ)
    app = SimpleNamespace(IPKernelApp=SimpleNamespace(initialized=lambda: True))
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", app)
    monkeypatch.setattr(keys, "_started_with", lambda: began)


def test_the_environment_wins_over_the_file_and_the_file_over_the_keyring(folder, a_keyring, monkeypatch):
    assert find_key("groq").source == "GROQ_API_KEY in the keyring"
    (folder / ".env").write_text("GROQ_API_KEY=gsk-2\n")
    assert find_key("groq").source.startswith("GROQ_API_KEY in .env of ")
    monkeypatch.setenv("GROQ_API_KEY", "gsk-3")
    assert find_key("groq").source == "the variable GROQ_API_KEY"
    assert find_key("groq").value == "gsk-3"


def test_a_keyring_that_is_locked_is_no_keyring(folder, monkeypatch):
    def locked(*_):
        raise RuntimeError("locked")

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=locked))
    assert find_key("openai") is None


def test_the_file_is_read_anew_each_time(folder):
    (folder / ".env").write_text("OPENAI_API_KEY=first-key\n")
    assert find_key("openai").value == "first-key"
    (folder / ".env").write_text('# a comment\nexport OPENAI_API_KEY="second-key"\n')
    assert find_key("openai").value == "second-key"
    (folder / ".env").write_text("OPENAI_API_KEY=\n")
    assert find_key("openai") is None


def test_no_file_above_the_repository_is_read(folder):
    (folder.parent / ".env").write_text("OPENAI_API_KEY=of-somebody-else\n")
    try:
        assert find_key("openai") is None
    finally:
        (folder.parent / ".env").unlink()


def test_a_key_is_not_in_the_repr_of_what_holds_it(folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (opened,) = open_chat_models(ChatSettings(model="openai:gpt-5"))
    assert opened.key == "the variable OPENAI_API_KEY"
    for thing in (find_key("openai"), opened, opened.model, opened.model.model_dump()):
        assert KEY not in repr(thing)


def test_a_key_of_the_file_reaches_the_client_but_not_the_environment(folder):
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL=http://127.0.0.1:9/v1\n")
    read_variables()
    assert "OPENAI_API_KEY" not in os.environ
    assert os.environ["OPENAI_BASE_URL"] == "http://127.0.0.1:9/v1"
    (opened,) = open_chat_models(ChatSettings(model="openai:gpt-5"))
    assert opened.model.openai_api_key.get_secret_value() == KEY
    assert opened.key.startswith("OPENAI_API_KEY in .env of ")


def test_what_a_file_set_is_changed_and_taken_back_with_it(folder, monkeypatch):
    monkeypatch.setenv("OMC_AGENT_DB", "sqlite:///mine.db")
    (folder / ".env").write_text("OMC_AGENT_DB=sqlite:///file.db\nOTEL_SERVICE_NAME=one\nPATH=/nowhere\n")
    read_variables()
    assert os.environ["OMC_AGENT_DB"] == "sqlite:///mine.db"
    assert os.environ["OTEL_SERVICE_NAME"] == "one"
    assert os.environ["PATH"] != "/nowhere"
    (folder / ".env").write_text("OTEL_SERVICE_NAME=two\n")
    read_variables()
    assert os.environ["OTEL_SERVICE_NAME"] == "two"
    (folder / ".env").unlink()
    read_variables()
    assert "OTEL_SERVICE_NAME" not in os.environ


def test_langsmith_sees_what_a_file_changed(folder, monkeypatch):
    from langsmith.utils import tracing_is_enabled

    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING_V2"):
        monkeypatch.delenv(name, raising=False)
    assert not tracing_is_enabled()
    (folder / ".env").write_text("LANGSMITH_TRACING=true\n")
    read_variables()
    assert tracing_is_enabled()
    (folder / ".env").unlink()
    read_variables()
    assert not tracing_is_enabled()


def test_a_key_that_a_cell_set_is_not_taken_and_the_sentence_says_so(folder, in_a_notebook, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert find_key("openai") is None
    with pytest.raises(ModelError) as failed:
        open_chat_models(ChatSettings(model="openai:gpt-5"))
    assert failed.value.code == "model.no_key"
    assert "OPENAI_API_KEY was set inside this notebook" in failed.value.given
    assert KEY not in failed.value.line()


def test_in_a_notebook_the_file_is_taken_in_place_of_what_a_cell_set(folder, in_a_notebook, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-a-cell")
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    (opened,) = open_chat_models(ChatSettings(model="openai:gpt-5"))
    assert opened.model.openai_api_key.get_secret_value() == KEY


def test_a_real_kernel_refuses_a_key_that_a_cell_set(folder, monkeypatch, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    code = (
        f"import os; os.environ['OPENAI_API_KEY'] = {KEY!r}\n"
        "import omc_agent\n"
        "try:\n"
        "    omc_agent.run('Predict whether BTC rises over the next hour', model='openai:gpt-5', warm_spare=False)\n"
        "except Exception as error:\n"
        "    print(error.code)\n"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120).execute()
    assert notebook.cells[0].outputs[0].text.strip() == "model.no_key"


def test_the_example_file_names_each_variable_of_a_key_and_sets_nothing():
    from tests.conftest import ROOT

    text = (ROOT / ".env.example").read_text()
    lines = [line for line in text.splitlines() if line.strip()]
    assert all(line.startswith("#") for line in lines)
    named = {line[1:].split("=")[0].strip() for line in lines if "=" in line}
    assert named >= {names[0] for names in VARIABLES.values()}
    read = {"OMC_AGENT_HOME", "OMC_AGENT_DATABASE_URL", "OMC_AGENT_DB", "OMC_AGENT_DB_SHOP", "OMC_AGENT_REDIS_URL",
            "LANGSMITH_TRACING", "LANGSMITH_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OLLAMA_HOST",
            "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"}  # fmt: skip
    assert read <= named
    assert all(name in KEY_NAMES or name.startswith(PREFIXES) for name in named), "a .env sets no other variable"


def test_each_variable_of_ours_that_the_code_reads_stands_in_the_example_file():
    import re

    from tests.conftest import ROOT

    sources = "\n".join(path.read_text() for path in (ROOT / "omc_agent").rglob("*.py"))
    ours = set(re.findall(r"environ(?:\.get\(|\[)\"(OMC_AGENT_\w+)\"", sources))
    ours -= {"OMC_AGENT_SERVER_BASE"}  # the Jupyter server says it to its kernels, nobody else
    assert ours
    assert all(f"#{name}=" in (ROOT / ".env.example").read_text() for name in ours)

"""The plan of the house: floors, faces, one home for each framework."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from omc_agent import errors, tools

PACKAGE = Path(errors.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
WINGS = {"panels", "tools", "llm", "store", "sandbox"}
FLOOR = {
    "events": 1, "config": 1, "errors": 1, "brief": 1, "candidate": 1, "naming": 1, "request": 1, "overrides": 1,
    "fence": 1, "stages": 1,
    "panels": 2, "tools": 2, "llm": 2, "store": 2, "sandbox": 2,
    "agents": 3, "graph": 4,
    "session": 5, "engine": 5, "recorder": 5, "vault": 5, "ledger": 5, "report": 5, "result": 5, "market": 5,
    "waiting": 5, "watching": 5, "branching": 5, "turning": 5, "turns": 5, "follower": 5, "handle": 5, "purse": 5,
    "spending": 5, "billing": 5, "prompts": 5, "filling": 5, "deciding": 5,
    "steering": 5, "remaking": 5, "supplies": 5, "orchestrator": 5, "endings": 5, "sections": 5,
    "secrecy": 1, "policy": 1, "accepting": 1, "face": 5, "doctor": 5, "flags": 5, "demo": 5, "simulation": 5,
    "thinking": 5, "recipe": 5, "exporting": 5, "verifying": 5, "comparing": 5, "predicting": 5, "notebook": 5,
    "shelf": 5, "collecting": 5, "tracking": 5, "outcome": 5,
    "magics": 6, "cli": 6, "transcript": 6, "verbs": 6, "terminal": 6, "__init__": 6,
    "errands": 6, "server": 6, "ages": 1, "listing": 5, "upkeep": 5, "drafting": 5, "beginning": 6,
}  # fmt: skip
OPENERS = {
    "session",
    "waiting",
    "steering",
    "remaking",
    "supplies",
    "shelf",
    "collecting",
    "thinking",
    "orchestrator",
    "watching",
    "follower",
    "handle",
    "deciding",
    "spending",
    "billing",
    "recorder",
    "vault",
    "ledger",
    "report",
    "result",
    "outcome",
    "recipe",
    "verifying",
    "predicting",
    "face",
    "drafting",
    "market",
    "doctor",
    "demo",
    "server",
    "listing",
    "upkeep",
}


@functools.cache
def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def rooms_of(names: set[str]) -> set[str]:
    inside = {name.split(".")[1] for name in names if name.startswith("omc_agent.") and name.count(".")}
    return {name for name in inside if name in FLOOR}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_and_wings_do_not_know_each_other(path):
    here = room(path)
    assert here in FLOOR, f"{here} has no floor; give it one here and in docs/architecture.md"
    for there in rooms_of(imports(path)):
        if here == "sandbox" and there == "tools":
            pytest.fail("sandbox imports tools")
        assert FLOOR[there] <= FLOOR[here], f"{here} imports {there}, which is above it"
        if here in WINGS and there in WINGS:
            assert here == there, f"the wing {here} imports the wing {there}"
        if there in ("sandbox", "store") and FLOOR[here] in (3, 4):
            pytest.fail(f"{here} opens {there}; the session hands in what acts")


HOMES = {
    "ipywidgets": {"panels"},
    "fsspec": {"store", "tracking"}, "s3fs": {"store"}, "botocore": {"store"},
    "tornado": {"server"},
    "jupyter_server": {"server"},
    "sqlalchemy": {"store", "tools", "session", "orchestrator", "doctor", "demo"},
    "alembic": {"store"},
    "jupyter_client": {"sandbox", "server"},
    "langgraph": {"graph", "agents", "session", "store"},
    "langchain": {"agents", "llm"},
    "sklearn": {"tools"}, "xgboost": {"tools"}, "ta": {"tools"}, "seaborn": {"tools"}, "optuna": {"tools"},
    "IPython": {"magics"},
    "ipykernel": {"sandbox"},
    "mlflow": {"tracking"}, "ccxt": {"tools"},
    "langsmith": {"llm"}, "opentelemetry": {"llm"},
}  # fmt: skip


@pytest.mark.parametrize("framework", HOMES)
def test_a_framework_has_one_home(framework):
    used = {room(path) for path in FILES if any(n.split(".")[0] == framework for n in imports(path))}
    assert used <= HOMES[framework]


def test_sql_is_spoken_only_in_the_data_files_of_tools():
    speak = {p.name for p in FILES if room(p) == "tools" and any(n.startswith("sqlalchemy") for n in imports(p))}
    pure = ("analysis", "features", "modeling", "evaluation", "tuning", "leakage", "splits", "targets", "reporting",
            "verdict", "bootstrap", "cleaning", "exploring")  # fmt: skip
    assert not speak & {f"{name}.py" for name in pure}


def test_no_room_is_called_utils_and_every_file_says_what_it_is():
    for path in FILES:
        assert path.stem not in ("utils", "helpers", "misc", "common")
        if path.read_text().strip() and "versions" not in path.parts:
            assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, omc_agent; print([m for m in ('pandas', 'sklearn', 'langchain', 'IPython') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_error_code_is_known_and_used():
    text = "\n".join(path.read_text() for path in FILES if path.name != "errors.py")
    used = set(re.findall(r'"((?:goal|data|model|sandbox|run|store|usage|rest)\.[a-z_]+)"', text)) - {
        "model.skops",
        "store.db",
    }
    assert used <= set(errors.CODES)
    assert set(errors.CODES) - used == set()


def test_what_the_tools_promise_is_there():
    for name in tools.__all__:
        assert callable(getattr(tools, name)), name
    with pytest.raises(AttributeError):
        tools.nothing_of_that_name  # noqa: B018


def test_an_error_knows_its_way_back():
    error = errors.DataError("data.constant", given="a.", have="b.", try_="c.")
    again = errors.error_from_dict(error.to_dict())
    assert type(again) is errors.DataError
    assert again.line() == "data.constant: a. b. c."
    with pytest.raises(KeyError):
        errors.AgentError("no.code", given="", have="", try_="")

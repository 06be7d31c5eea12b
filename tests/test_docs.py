"""What the docs say is what the code has: nothing missing, nothing invented, no dead link, no wrong figure."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import doctest
import inspect
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from omc_agent import tools
from omc_agent.brief import Brief
from omc_agent.config import GATES, AgentSettings, Limits
from omc_agent.errors import CODES, AgentError
from omc_agent.events import KINDS
from omc_agent.graph.edges import AGENTS
from omc_agent.graph.state import STAGES
from omc_agent.llm.grammar import read_goal
from omc_agent.overrides import KEYS
from omc_agent.policy import read_policy
from omc_agent.tools.findings import NOTES, WHY
from tests.test_house import FLOOR

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
NAMES = [page.name for page in PAGES]


def read(name: str) -> str:
    return (DOCS / name).read_text()


def rows(name: str, heading: str | None = None) -> dict[str, list[str]]:
    """Table rows of a page, or of one section of it, whose first cell is `code`: name -> all cells."""
    text = read(name)
    if heading is not None:
        parts = re.split(r"^#+ ", text, flags=re.MULTILINE)
        text = next(part for part in parts[1:] if part.splitlines()[0] == heading)
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] if line.startswith("|") else []
        if cells and (match := re.fullmatch(r"`([^`]+)`", cells[0])):
            found[match.group(1)] = cells
    return found


def without_fences(text: str) -> str:
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


def anchors(text: str) -> set[str]:
    """The anchors that a heading gets on the usual hosts."""
    heads = re.findall(r"^#+ (.+)$", without_fences(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


# -- links, blocks, figures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_fences(page.read_text())):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_relative_to(ROOT), f"{target} leaves the repository"
        assert file.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{target} names no heading"


def test_every_page_is_linked_from_the_readme():
    linked = set(re.findall(r"\]\(docs/([\w.]+)", (ROOT / "README.md").read_text()))
    assert {page.name for page in DOCS.glob("*.md")} <= linked


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_page_names_a_folder_of_a_machine(page):
    # Built of parts, so that this file does not name one either.
    homes = "|".join(("home", "root", "Users", "work", "tmp"))
    assert re.findall(rf"(?<![\w.:/~])/(?:{homes})/[\w.]+", page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_examples_with_prompts_run_and_print_what_is_shown(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert text.count(">>> ") == sum(block.count(">>> ") for block in blocks), "a prompt outside a python block"
    shown = "\n".join(block for block in blocks if ">>> " in block)
    if not shown:
        return
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    said: list[str] = []
    test = doctest.DocTestParser().get_doctest(shown, {}, page.name, str(page), 0)
    doctest.DocTestRunner(optionflags=flags).run(test, out=said.append)
    assert said == [], "".join(said)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_without_prompts_can_be_parsed(page):
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE):
        if ">>> " not in block:
            ast.parse(block)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_that_are_named_exist(page):
    there = set(re.findall(r"^([\w-]+(?: [\w-]+)*):(?!=)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    targets = {name for group in there for name in group.split()}
    named = set(re.findall(r"(?:`|^    )make ([\w-]+)", page.read_text(), flags=re.MULTILINE))
    assert named <= targets


# -- the words of the code ----------------------------------------------------------------------------------------


def test_each_error_code_has_a_row_and_no_row_has_no_code():
    found = rows("errors.md")
    assert list(found) == list(CODES)
    for code, cells in found.items():
        assert cells[1] == CODES[code], code
        assert len(cells) == 3, code
        assert len(cells[2]) > 10, code


def test_each_event_kind_has_a_row_with_its_own_fields():
    found = rows("events.md", "Kinds")
    assert list(found) == list(KINDS)
    for kind, cells in found.items():
        own = [f.name for f in dataclasses.fields(KINDS[kind]) if f.name not in ("stage", "at")]
        assert re.findall(r"`(\w+)`", cells[3]) == own, kind
        assert cells[1] == KINDS[kind].role, kind


def test_each_warning_that_the_package_gives_has_a_row():
    sources = [path.read_text() for path in (ROOT / "omc_agent").rglob("*.py")]
    given = {code for text in sources for code in re.findall(r'Warned\([^)]*code="(\w+)"', text)}
    given |= {code for text in sources for code in re.findall(r'\{"code": "(\w+)", "(?:text|column)"', text)}
    given |= set(WHY) - NOTES  # `Finding.code`
    given |= {"lone_column", "one_bar_early"}  # `Screened.code`
    assert set(rows("events.md", "Warnings")) == given


def test_each_setting_has_a_row_with_its_default():
    found = rows("settings.md", "All settings")
    traits = AgentSettings.class_traits(config=True)
    assert set(found) == set(traits)
    for name, cells in found.items():
        default = traits[name].default()
        shown = cells[1].strip("`").replace(",", "").replace(" ", "")
        assert shown == ("" if default in ("", {}, []) else str(default).removesuffix(".0")), name
        assert cells[2], f"{name} has no unit"


def test_each_gate_is_explained():
    assert set(rows("magic.md", "Who is asked")) == {*GATES, "clarification"}


def test_each_key_that_may_be_changed_has_a_row_with_its_stage_and_its_values():
    found = rows("steering.md", "What may be changed")
    assert list(found) == list(KEYS)
    for name, cells in found.items():
        about = f"{KEYS[name].about}: {', '.join(KEYS[name].known)}" if KEYS[name].known else KEYS[name].about
        assert cells[1:] == [f"`{KEYS[name].stage}`", about], name


def test_the_policy_file_that_is_shown_can_be_read(tmp_path):
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", read("steering.md"), flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "policy.yaml").write_text(shown)
    assert set(GATES) <= set(read_policy(str(tmp_path / "policy.yaml")))


def test_each_gate_has_a_row_with_its_answers():
    assert list(rows("steering.md", "What is asked, and when")) == ["clarification", *GATES]


def test_each_limit_is_explained_with_its_status():
    assert set(rows("sandbox.md", "Limits")) == {field.name for field in dataclasses.fields(Limits)}


def test_the_stages_are_listed_in_their_order():
    assert list(rows("architecture.md", "The walk of a goal")) == list(STAGES)


def test_each_room_is_in_the_house_on_its_floor():
    package = ROOT / "omc_agent"
    files = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    found = rows("architecture.md", "Rooms")
    assert set(found) == files | folders
    assert {name: int(cells[1]) for name, cells in found.items()} == {
        name: FLOOR[name.removesuffix(".py").strip("/")] for name in found
    }


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}


def test_each_flag_and_verb_of_the_magic_has_an_entry():
    from omc_agent.magics import VERBS, _cell_parser

    named = {option for row in rows("magic.md", "Flags") for option in re.findall(r"(?<!\w)--?[\w-]+", row)}
    assert named == options_of(_cell_parser())
    verbs = rows("magic.md", "Verbs")
    assert {row.split()[0] for row in verbs} == set(VERBS)
    assert "{name}" in read("magic.md")


def test_each_verb_of_the_command_line_has_an_entry_with_all_its_flags():
    from omc_agent.cli import make_parser

    verbs = next(a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    text = read("cli.md")
    sections = {part.splitlines()[0]: part for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]}
    assert set(sections) == set(verbs)
    shared = options_of(verbs["run"])
    for name, parser in verbs.items():
        told = sections[name]
        below = [p for a in parser._actions if isinstance(a, argparse._SubParsersAction) for p in a.choices.values()]
        options = options_of(parser).union(*(options_of(each) for each in below))
        if options >= shared - {"--id", "--follow", "--json"}:
            told += text.split("## Flags of a run")[1].split("\n## ")[0]
        for option in options:
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", told), f"{name} {option}"
        for action in parser._actions:
            if not action.option_strings:
                assert action.dest.upper() in told, f"{name} {action.dest}"


# -- tools --------------------------------------------------------------------------------------------------------


def signature_of(function: Any) -> str:
    """Name and parameters with their defaults, without types."""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(function).parameters.values()]
    return f"{function.__name__}{inspect.Signature(plain)}"


def test_each_tool_has_a_section_with_its_signature_and_an_example():
    text = read("tools.md")
    sections = {part.splitlines()[0]: part for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]}
    assert set(sections) == set(tools._WHERE)
    for name, part in sections.items():
        assert f"`{signature_of(getattr(tools, name))}`" in " ".join(part.split()), name
        assert f"{name}(" in "".join(re.findall(r"^>>> .*$|^\.\.\. .*$", part, flags=re.MULTILINE)), name


def test_each_tool_of_an_agent_is_listed_with_its_stage():
    found = rows("tools.md", "What each stage may call")
    assert list(found) == [agent.stage for agent in AGENTS]
    for agent in AGENTS:
        offered = [tool.name for tool in agent().tools()]
        assert re.findall(r"`(\w+)`", found[agent.stage][1]) == offered, agent.stage


# -- goals --------------------------------------------------------------------------------------------------------

SIMULATED = ("BTC", "DOGE", "ETH", "LTC", "XRP")
MARKET: dict[str, Any] = {
    "table": "price_data_5min",
    "bar_minutes": 5,
    "columns": ["coin_type", "timestamp", "last", "open", "high", "low", "volume"],
    "newest": "2024-08-31T23:55:00+00:00",
    "coins": {
        coin: {"rows": 34_560, "start": "2024-05-04T00:00:00+00:00", "end": "2024-08-31T23:55:00+00:00"}
        for coin in SIMULATED
    },
}
CUSTOMERS: dict[str, Any] = {
    "table": "customers",
    "bar_minutes": None,
    "columns": ["customer_id", "age", "income", "churn"],
    "coins": {},
    "newest": None,
}


def read_as(goal: str) -> str:
    """A row of the table of goals."""
    try:
        brief = read_goal(goal, market=CUSTOMERS if "customers" in goal else MARKET).brief
    except AgentError as error:
        return f"| {goal} | refused: `{error.code}` | | | |"
    looks = brief.task == "analysis"
    span = f"{brief.start[:10]} to {brief.end[:10]}" if brief.start and brief.end else ""
    what = "analysis" if looks else f"{brief.task}, {brief.target}"
    ahead = f", {brief.horizon}" if brief.coins and not looks else ""
    return f"| {goal} | {what}{ahead} | {', '.join(brief.coins) or brief.table} | {span} | {_more(brief)} |"


def _more(brief: Brief) -> str:
    parts = [f"threshold {brief.threshold:+g}"] if brief.threshold is not None else []
    named = (("models", brief.models), ("without", brief.avoid_models), ("indicators", brief.indicators))
    parts += [f"{word} {', '.join(names)}" for word, names in named if names]
    parts += [brief.metric] if brief.task != "analysis" else []
    parts += [f"unread: {', '.join(brief.unread)}"] if brief.unread else []
    return "; ".join(parts)


def test_the_goals_in_the_table_are_read_as_it_says():
    lines = [
        line for line in read("goals.md").split("## How goals are read")[1].splitlines() if line.startswith("| ")
    ]
    shown = lines[1:]  # below the head
    assert len(shown) >= 15
    assert shown == [read_as(line.split("|")[1].strip()) for line in shown]


# -- data.md ------------------------------------------------------------------------------------------------------


def test_a_frame_of_bars_is_known_as_bars_and_a_table_with_a_time_is_put_in_order():
    from omc_agent.tools.describing import describe_frame
    from omc_agent.tools.time_column import order_in_time

    times = pd.date_range("2024-01-01", periods=3, freq="5min", tz="UTC")
    seen = describe_frame(pd.DataFrame({"symbol": "BTC/USDT", "open_time": times, "last": [1.0, 2.0, 3.0]}), "df")
    assert list(seen["coins"]) == ["BTC"]
    assert seen["bar_minutes"] == 5.0
    table = order_in_time(pd.DataFrame({"date": ["2024-01-02", "2024-01-01"], "sold": [1, 0]}), "sold")
    assert table["sold"].tolist() == [0, 1]
    assert table["timestamp"].is_monotonic_increasing

"""The flags that magic and command line share, and decisions as both write them."""

from __future__ import annotations

import pytest

from omc_agent import cli, face
from omc_agent.config import settings_with
from omc_agent.errors import UsageError
from omc_agent.flags import Parser, add_setting_flags, decision_of, given_settings, settings_from
from omc_agent.request import Decision
from omc_agent.verbs import turn_parser


def test_flags_become_settings_and_defaults_stay_where_none_is_given():
    parser = Parser()
    add_setting_flags(parser)
    parsed = parser.parse_args(["--trials", "3", "--db", "sqlite:///x.db"])
    settings = settings_from(parsed, approve="never")
    assert (settings.trials, settings.db, settings.approve, settings.seed) == (3, "sqlite:///x.db", "never", 0)


def test_a_complaint_has_three_parts():
    parser = Parser()
    add_setting_flags(parser)
    with pytest.raises(UsageError) as caught:
        parser.parse_args(["--approve", "sometimes"])
    assert "sometimes" in caught.value.given
    assert "--trials" in caught.value.have


QUESTION = {"field": "coins", "question": "Which?", "options": ["BTC", "ETH"], "default": "BTC"}


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["approve"], {"type": "approve", "value": {"coins": "BTC"}}),
        (["approve", "--rest"], {"type": "approve", "value": {"coins": "BTC"}, "rest": True}),
        (["reject", "too slow"], {"type": "reject", "why": "too slow"}),
        (["answer", "ETH"], {"type": "approve", "value": {"coins": "ETH"}}),
        (["answer", "coins=ETH"], {"type": "approve", "value": {"coins": "ETH"}}),
    ],
)
def test_a_decision_is_kept_as_it_was_typed(words, kept, tmp_path, capsys):
    store = face.orchestrator_for(settings_with(None, warm_spare=False)).store
    store.create("a goal", workspaces=tmp_path, model="offline", settings={}, session_id="mine")
    store.open_request("mine", "mine", "q1", gate="clarification", stage="clarification",
                       payload={"questions": [QUESTION]}, sha256="f" * 64)  # fmt: skip
    assert cli.main(["decide", "mine", *words]) == 0
    (row,) = store.requests("mine", status="decided")
    assert row["decision"] == {"why": "", "rest": False, "sha256": "f" * 64, **kept}
    assert row["decided_by"].endswith(", command line")
    assert "resume mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "text", "more", "made"),
    [
        ("approve", None, {}, Decision()),
        ("approve", None, {"rest": True}, Decision(rest=True)),
        ("answer", "x", {}, Decision(value="x")),
        ("reject", None, {}, Decision(type="reject")),
        ("reject", "slow", {}, Decision(type="reject", why="slow")),
        ("edit", None, {"code": "x = 1"}, Decision(type="edit", code="x = 1")),
        ("edit", "", {"code": "x = 1"}, Decision(type="edit", code="x = 1")),
        ("edit", "trials=4 models=ridge", {}, Decision(type="edit", value={"trials": 4, "models": ["ridge"]})),
    ],
)
def test_words_become_a_decision(kind, text, more, made):
    assert decision_of(kind, text, **more) == made


@pytest.mark.parametrize("words", [["answer"], ["edit"], ["edit", "nothing=1"], ["approve"]])
def test_a_decision_that_lacks_something_is_refused_in_one_line(words, capsys):
    assert cli.main(["decide", "nobody", *words]) in (1, 2)
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_only_what_was_named_is_given():
    parser = Parser()
    add_setting_flags(parser)
    named = [
        "--answer-within",
        "5",
        "--on-timeout",
        "reject",
        "--budget",
        "2.5",
        "--max-tokens",
        "9",
        "-m",
        "offline",
    ]
    assert given_settings(parser.parse_args(named)) == {
        "answer_within": 5.0, "on_timeout": "reject", "budget": 2.5, "max_tokens": 9, "model": "offline",
    }  # fmt: skip
    assert given_settings(parser.parse_args([])) == {}


@pytest.mark.parametrize(
    "words",
    [
        "r --from planning coins=ETH trials=4",
        "r coins=ETH --from planning trials=4",
        "--from planning r coins=ETH trials=4",
        "r coins=ETH trials=4 --from planning",
    ],
)
def test_changes_may_stand_before_and_behind_the_stage(words):
    magic, terminal = turn_parser("restart"), cli.make_parser()
    for parsed in (magic.parse_args(words.split()), terminal.parse_args(["restart", *words.split()])):
        assert (parsed.id, parsed.stage, parsed.changes) == ("r", "planning", ["coins=ETH", "trials=4"])


def test_a_flag_that_is_not_known_is_no_change():
    with pytest.raises(UsageError, match="--form"):
        turn_parser("restart").parse_args(["r", "--form", "planning"])

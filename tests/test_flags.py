"""The flags that magic and command line share, and decisions as both write them."""

from __future__ import annotations

import json

import pytest

from omc_agent import cli, face
from omc_agent.config import settings_with
from omc_agent.errors import UsageError
from omc_agent.flags import Parser, add_setting_flags, decision_of, settings_from


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


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["approve"], {"type": "approve", "why": ""}),
        (["reject", "too slow"], {"type": "reject", "why": "too slow"}),
        (["answer", "ETH"], {"type": "approve", "value": "ETH"}),
    ],
)
def test_a_decision_is_kept_as_it_was_typed(words, kept, tmp_path, capsys):
    store = face.orchestrator_for(settings_with(None, warm_spare=False)).store
    store.create("a goal", workspaces=tmp_path, model="offline", settings={}, session_id="mine")
    store.open_request("mine", "mine", "q1", gate="clarification", stage="clarification", payload={})
    assert cli.main(["decide", "mine", *words]) == 0
    (row,) = store.requests("mine", status="decided")
    assert row["decision"] == kept
    assert "resume mine" in capsys.readouterr().out


def test_an_answer_needs_a_value(capsys):
    assert decision_of("answer", "x")["value"] == "x"
    assert cli.main(["decide", "nobody", "answer"]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert json.dumps(decision_of("reject", None))

"""A policy file: what it may say, what it answers, and that a slip of the pen approves nothing."""

from __future__ import annotations

import pytest

from omc_agent.config import GATES, settings_with
from omc_agent.errors import UsageError
from omc_agent.policy import answer_of, read_policy, waits
from omc_agent.request import ClarificationQuestion, ClarificationRequest, Decision, Option, Request

EXAMPLE = """
gates:
  scope: approve
  features:
    indicators: [rsi, macd]
    lags: 1,3
  models: {models: ridge, ridge.alpha: 2}
  code: reject
  budget: 2.5
  selection: recommended
clarifications:
  coins: [ETH, LTC]
  horizon: PT4H
  default: default
"""


@pytest.fixture
def policy(tmp_path):
    """Reads a policy out of a text."""

    def read(text):
        path = tmp_path / "policy.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_policy(str(path))

    return read


def asked_at(gate, **more):
    return Request(gate=gate, stage="planning", question="Well?", **{"default": "ridge", **more})


def asked(*fields):
    questions = [ClarificationQuestion(field=field, question="Which?", default=f"the {field}") for field in fields]
    return ClarificationRequest(questions=questions)


@pytest.mark.parametrize(
    ("request_", "decision"),
    [
        (asked_at("scope"), Decision(value="ridge")),
        (asked_at("features"), Decision(type="edit", value={"indicators": ["rsi", "macd"], "lags": [1, 3]})),
        (asked_at("models"), Decision(type="edit", value={"models": ["ridge"], "ridge.alpha": 2})),
        (asked_at("code"), Decision(type="reject", why="the policy file says so")),
        (asked_at("budget", default="9"), Decision(value="2.5")),
        (asked_at("selection"), Decision(value="ridge")),
        (asked("coins", "horizon"), Decision(value={"coins": "ETH,LTC", "horizon": "PT4H"})),
        (asked("target"), Decision(value={"target": "the target"})),
    ],
    ids=lambda value: getattr(value, "gate", ""),
)
def test_a_file_answers_by_the_name_of_the_gate_and_of_the_field(policy, request_, decision):
    read = policy(EXAMPLE)
    assert answer_of(read, request_) == decision
    assert not waits(read, request_)


@pytest.mark.parametrize("text", ["", "gates:\n", "gates: {}\nclarifications:\n"])
@pytest.mark.parametrize("gate", GATES)
def test_an_empty_file_answers_nothing_and_holds_nothing_up(policy, text, gate):
    read = policy(text)
    assert answer_of(read, asked_at(gate)) is None
    assert not waits(read, asked_at(gate))
    assert answer_of(read, asked("coins")) is None


@pytest.mark.parametrize("gate", GATES)
def test_park_waits_for_a_person(policy, gate):
    read = policy(f"gates: {{{gate}: park}}")
    assert waits(read, asked_at(gate))
    assert answer_of(read, asked_at(gate)) is None


@pytest.mark.parametrize(
    ("text", "waiting"),
    [
        ("clarifications: {coins: park}", True),
        ("clarifications: {default: park}", True),
        ("clarifications: {coins: ETH, default: park}", False),
        ("clarifications: {horizon: park, default: default}", False),
    ],
)
def test_park_of_a_field_waits_when_that_field_is_asked(policy, text, waiting):
    assert waits(policy(text), asked("coins")) is waiting


def test_of_several_questions_all_must_be_answered(policy):
    read = policy("clarifications: {coins: ETH}")
    assert answer_of(read, asked("coins")).value == {"coins": "ETH"}
    assert answer_of(read, asked("coins", "horizon")) is None


@pytest.mark.parametrize(("word", "kind"), [("no", "reject"), ("off", "reject"), ("yes", "approve")])
def test_what_yaml_reads_as_true_or_false_means_yes_or_no(policy, word, kind):
    assert answer_of(policy(f"gates: {{code: {word}}}"), asked_at("code")).type == kind


def test_a_candidate_may_be_named(policy):
    assert answer_of(policy("gates: {selection: xgboost}"), asked_at("selection")).value == "xgboost"


@pytest.mark.parametrize(("name", "value"), [("ridge", "ridge"), ("lasso", "lasso"), ("xgboost", None)])
def test_a_candidate_that_was_not_trained_is_not_said_to_be_chosen(policy, name, value):
    request = asked_at("selection", options=[Option(value="ridge"), Option(value="lasso")])
    answer = answer_of(policy(f"gates: {{selection: {name}}}"), request)
    assert (answer.value if answer else None) == value


REFUSED = {
    "an unknown gate": ("gates: {colour: approve}", "colour, which is no gate"),
    "a stage in place of a gate": ("gates: {planning: approve}", "planning, which is no gate"),
    "an unknown part": ("gate: {scope: approve}", "gate, which is no part"),
    "not YAML": ("gates: {scope: [", "is not YAML"),
    "not text": (b"\xff\xfe\x00", "is not YAML"),
    "a list": ("- scope", "does not map"),
    "a word": ("approve", "does not map"),
    "gates as a word": ("gates: approve", "does not map"),
    "an unknown word": ("gates: {code: aprove}", "code cannot be answered 'aprove'"),
    "a word at a gate of values": ("gates: {models: ridge}", "models cannot be answered 'ridge'"),
    "a list at a gate": ("gates: {scope: [approve]}", "cannot be answered"),
    "an edit of code": ("gates: {code: {code: x}}", "cannot be answered"),
    "an edit that would train for ever": ("gates: {selection: {models: ridge}}", "cannot be answered"),
    "a budget of words": ("gates: {budget: much}", "cannot be answered 'much'"),
    "a budget of nothing": ("gates: {budget: 0}", "cannot be answered 0"),
    "a key of another stage": ("gates: {features: {horizon: 4h}}", "no horizon to change"),
    "an answer that does not fit": ("clarifications: {task: poetry}", "answers task with 'poetry'"),
    "a horizon that is none": ("clarifications: {horizon: soon}", "answers horizon with 'soon'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_cannot_be_followed_is_refused_with_the_gates_there_are(policy, what):
    text, said = REFUSED[what]
    with pytest.raises(UsageError) as refused:
        policy(text)
    assert refused.value.code == "usage.policy"
    assert said in refused.value.given
    assert all(gate in refused.value.have for gate in GATES)
    assert "\n" not in refused.value.line()


@pytest.mark.parametrize("edit", ["{colour: red}", "{indicators: aroon}", "{lags: many}"])
def test_an_edit_that_is_not_known_is_refused_with_what_is(policy, edit):
    with pytest.raises(UsageError) as refused:
        policy(f"gates: {{features: {edit}}}")
    assert refused.value.code == "usage.override"
    assert "Known:" in refused.value.have


@pytest.mark.parametrize("what", ["a missing file", "a folder"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, what):
    path = tmp_path if what == "a folder" else tmp_path / "nothing.yaml"
    with pytest.raises(UsageError, match="cannot be read"):
        read_policy(str(path))


def test_settings_hand_the_answers_on_and_refuse_a_bad_file_before_there_is_a_run(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("gates: {scope: reject}")
    assert settings_with(policy=str(path)).gates(interactive=False).answers == {"scope": "reject"}
    assert settings_with().gates(interactive=False).answers == {}
    path.write_text("gates: {nothing: reject}")
    with pytest.raises(UsageError):
        settings_with(policy=str(path)).gates(interactive=False)

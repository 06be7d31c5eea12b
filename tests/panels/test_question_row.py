"""The rows in which a person answers: real widgets, clicked and typed into."""

import pytest
from ipywidgets import Button, Checkbox, Dropdown, RadioButtons, Text, Textarea

from omc_agent.panels.controls import within
from omc_agent.panels.questions import QuestionRow
from omc_agent.request import Decision, Request

GATES = ("code", "scope", "features", "models", "selection", "clarification", "budget")


class Asked:
    """A row, and what it decided."""

    def __init__(self, event, **kwargs):
        self.sent = []
        self.row = QuestionRow(event, lambda *given: self.sent.append(given), "7f3a", **kwargs)

    def find(self, css):
        return [widget for widget in within(self.row.box) if css in widget._dom_classes]

    def press(self, css, at=0):
        self.find(css)[at].click()

    @property
    def decision(self):
        ((request_id, fields),) = self.sent
        assert request_id == self.row.opened.request_id
        decision = Decision.model_validate(fields)
        assert set(fields) == set(Decision.model_fields)
        assert decision.sha256 == Request(**self.row.opened.request).sha256()
        return decision

    def words(self):
        return " ".join(w.value for w in within(self.row.box) if type(w).__name__ == "HTML")


@pytest.fixture
def asked(requests):
    made = []

    def make(gate, clock=lambda: 0.0, **values):
        made.append(Asked(requests(gate, **values), clock=clock))
        return made[-1]

    yield make
    for each in made:
        each.row.close()


def shown(widget):
    return widget.layout.display != "none"


@pytest.mark.parametrize("gate", GATES)
def test_as_it_is_a_yes_is_an_approval(asked, gate):
    it = asked(gate)
    it.press("omc-yes")
    assert it.decision.type == "approve"
    assert not it.decision.rest


@pytest.mark.parametrize("gate", GATES)
def test_every_control_names_itself(asked, gate):
    for widget in within(asked(gate).row.box):
        if isinstance(widget, (Button, Checkbox, Dropdown, RadioButtons, Text, Textarea)):
            assert widget.tooltip or widget.description


@pytest.mark.parametrize("gate", GATES)
def test_question_context_effect_and_the_line_to_type_are_shown(asked, gate):
    it = asked(gate)
    words = it.words()
    for part in (it.row.request.question, it.row.request.context, it.row.request.effect, "%agent"):
        assert part in words


@pytest.mark.parametrize("gate", [gate for gate in GATES if gate != "clarification"])
def test_a_no_asks_for_its_reason_first(asked, gate):
    it = asked(gate)
    assert not shown(it.row._reason_row)
    it.press("omc-no")
    assert it.sent == []
    assert shown(it.row._reason_row)
    it.press("omc-back")
    assert not shown(it.row._reason_row)
    it.press("omc-no")
    it.find("omc-why")[0].value = " too slow "
    it.press("omc-sure")
    assert (it.decision.type, it.decision.why) == ("reject", "too slow")


def test_an_answer_goes_out_once_and_the_row_then_waits(asked):
    it = asked("code")
    it.press("omc-yes")
    it.press("omc-yes")
    it.press("omc-sure")
    assert len(it.sent) == 1
    yes = it.find("omc-yes")[0]
    assert yes.disabled
    assert yes.description == "…"
    assert all(w.disabled for w in within(it.row.box) if isinstance(w, Button))


def test_a_refused_answer_says_why_and_can_be_given_again(asked):
    it = asked("code")
    it.press("omc-edit")
    it.find("omc-mono")[0].value = "for <b>"
    it.press("omc-yes")
    it.row.refuse("Line 1 is <b>no</b> Python.")
    assert "Line 1 is &lt;b&gt;no&lt;/b&gt; Python." in it.words()
    assert not it.find("omc-yes")[0].disabled
    assert it.find("omc-yes")[0].description == "Run the edited code"
    it.find("omc-mono")[0].value = "x = 1"
    it.press("omc-yes")
    assert [fields["code"] for _, fields in it.sent] == ["for <b>", "x = 1"]
    assert "no&lt;" not in it.words()


def test_code_is_read_first_then_edited(asked):
    it = asked("code")
    field = it.find("omc-mono")[0]
    assert not shown(field)
    it.press("omc-edit")
    assert shown(field)
    assert it.find("omc-yes")[0].description == "Approve"
    field.value = "print(1)"
    assert it.find("omc-yes")[0].description == "Run the edited code"
    it.press("omc-edit")
    assert field.value == it.row.request.code
    assert it.find("omc-yes")[0].description == "Approve"
    it.press("omc-edit")
    field.value = "print(2)"
    it.find("omc-rest")[0].value = True
    it.press("omc-yes")
    assert (it.decision.type, it.decision.code, it.decision.rest) == ("edit", "print(2)", True)


def test_the_rest_of_the_run_is_offered_only_where_it_may_be(asked):
    assert shown(asked("code").find("omc-rest")[0])
    assert not shown(asked("features").find("omc-rest")[0])


def test_steps_are_moved_dropped_changed_and_added(asked):
    it = asked("scope")
    assert it.find("omc-up")[0].disabled
    assert it.find("omc-down")[2].disabled
    it.press("omc-down", 0)
    assert it.find("omc-yes")[0].description == "Approve the changed plan"
    it.press("omc-drop", 2)
    it.press("omc-edit")
    it.find("omc-detail")[0].value = "Lags only."
    it.find("omc-stage-of")[0].value = "data_analysis"
    it.press("omc-add")
    it.find("omc-new-step")[0].value = "Plot volume."
    it.press("omc-add")
    it.press("omc-yes")
    assert it.decision.type == "edit"
    assert [(step["stage"], step["detail"]) for step in it.decision.plan] == [
        ("feature_engineering", "Lags only."),
        ("data_analysis", "Look at the bars."),
        ("data_analysis", "Plot volume."),
    ]
    assert it.decision.plan[0]["columns"] == 26


def test_a_plan_moved_there_and_back_is_the_plan_that_was_shown(asked):
    it = asked("scope")
    it.press("omc-down", 0)
    it.press("omc-up", 1)
    it.press("omc-yes")
    assert it.decision.type == "approve"
    assert it.decision.plan is None


def test_undo_brings_dropped_steps_back(asked):
    it = asked("scope")
    it.press("omc-edit")
    it.press("omc-drop", 1)
    assert len(it.find("omc-drop")) == 2
    it.press("omc-edit")
    assert len(it.find("omc-drop")) == 3
    it.press("omc-yes")
    assert it.decision.type == "approve"


def test_buttons_that_could_not_be_pressed_stay_so_after_a_refusal(asked):
    it = asked("scope")
    it.press("omc-yes")
    it.row.refuse("no")
    assert it.find("omc-up")[0].disabled
    assert not it.find("omc-up")[1].disabled


def test_a_step_of_the_plan_is_a_step_of_the_plan(asked):
    from omc_agent.brief import PlanStep

    it = asked("scope")
    it.press("omc-edit")
    it.find("omc-new-step")[0].value = "More."
    it.press("omc-add")
    it.press("omc-yes")
    assert [PlanStep(**step).title for step in it.decision.plan] == ["Analysis", "Analysis", "Features", "Training"]


def test_only_changed_keys_are_sent_and_in_their_kind(asked):
    it = asked("features")
    it.press("omc-edit")
    boxes = {w.tooltip: w for w in within(it.find("omc-key-indicators")[0]) if isinstance(w, Checkbox)}
    boxes["indicators: macd"].value = False
    boxes["indicators: sma"].value = True
    (lags,) = [w for w in within(it.find("omc-key-lags")[0]) if isinstance(w, Text)]
    assert lags.value == "1, 3"
    lags.value = "1, 3, 12"
    it.press("omc-yes")
    assert it.decision.type == "edit"
    assert it.decision.value == {"indicators": ["sma", "rsi"], "lags": [1, 3, 12]}


def test_a_value_that_cannot_be_read_is_refused_where_it_is_typed(asked):
    it = asked("models")
    it.press("omc-edit")
    (folds,) = [w for w in within(it.find("omc-key-folds")[0]) if isinstance(w, Text)]
    folds.value = "many"
    it.press("omc-yes")
    assert it.sent == []
    assert "folds=many is not a whole number." in it.words()
    folds.value = "7"
    (depth,) = [w for w in within(it.find("omc-key-xgboost-max_depth")[0]) if isinstance(w, Text)]
    assert depth.value == "2..8"
    depth.value = "3"
    (metric,) = [w for w in within(it.find("omc-key-metric")[0]) if isinstance(w, Dropdown)]
    metric.value = "f1"
    it.press("omc-yes")
    assert it.decision.value == {"folds": 7, "xgboost.max_depth": 3, "metric": "f1"}


def test_the_same_value_in_other_words_is_no_change(asked):
    it = asked("features", request={"changes": {"horizon": "PT1H", "lags": [1, 3]}})
    it.press("omc-edit")
    for key, typed in (("horizon", "1h"), ("lags", "1,3")):
        (field,) = [w for w in within(it.find(f"omc-key-{key}")[0]) if isinstance(w, Text)]
        field.value = typed
    it.press("omc-yes")
    assert it.decision.type == "approve"


def test_a_candidate_is_chosen_with_the_recommended_one_first(asked):
    it = asked("selection")
    radio = it.find("omc-options")[0]
    assert radio.value == "logistic_regression"
    assert radio._options_labels == ("logistic regression (recommended)", "XGBoost")
    assert "can be read" in it.words()
    radio.value = "xgboost"
    it.press("omc-yes")
    assert (it.decision.type, it.decision.value) == ("approve", "xgboost")


def test_training_again_needs_a_change(asked):
    it = asked("selection")
    it.press("omc-edit")
    it.press("omc-yes")
    assert it.sent == []
    assert "Nothing was changed." in it.words()
    (trials,) = [w for w in within(it.find("omc-key-trials")[0]) if isinstance(w, Text)]
    trials.value = "32"
    it.press("omc-yes")
    assert (it.decision.type, it.decision.value) == ("edit", {"trials": 32})


def test_questions_are_answered_at_once_by_option_or_in_own_words(asked):
    it = asked("clarification")
    assert it.find("omc-options")[0]._options_labels == ("BTC (default)", "ETH")
    it.find("omc-options")[1].value = "PT4H"
    it.find("omc-own")[0].value = " DOGE "
    it.press("omc-yes")
    assert (it.decision.type, it.decision.value) == ("approve", {"coins": "DOGE", "horizon": "PT4H"})


def test_the_defaults_are_taken_whatever_was_typed(asked):
    it = asked("clarification")
    it.find("omc-own")[0].value = "DOGE"
    it.press("omc-default")
    assert (it.decision.type, it.decision.value) == ("approve", {})


def test_a_question_without_options_is_a_field(asked):
    it = asked("clarification", request={"questions": [{"field": "target", "question": "Which column?"}]})
    assert it.find("omc-options") == []
    it.press("omc-yes")
    assert it.decision.value == {}


@pytest.mark.parametrize(("typed", "sent"), [("0.5", 0.5), ("$2", 2.0), ("none", None), ("-1", None), ("", None)])
def test_a_limit_is_a_number_above_zero(asked, typed, sent):
    it = asked("budget")
    assert it.find("omc-limit")[0].value == "0.5"
    it.find("omc-limit")[0].value = typed
    it.press("omc-yes")
    if sent is None:
        assert it.sent == []
        assert "is not a limit." in it.words()
    else:
        assert it.decision.value == sent


def test_a_request_with_options_only_takes_one_and_guidance(asked):
    options = [{"value": "suggestion", "label": "Try the suggestion"}, {"value": "guide", "note": "say how"}]
    it = asked("code", request={"code": "", "options": options, "default": "suggestion"})
    it.find("omc-options")[0].value = "guide"
    it.find("omc-guidance")[0].value = "Drop the nulls."
    it.press("omc-yes")
    assert (it.decision.type, it.decision.value, it.decision.why) == ("approve", "guide", "Drop the nulls.")


def test_the_countdown_goes_down(asked):
    now = [100.0]
    it = asked("code", clock=lambda: now[0], deadline=352.0, on_timeout="reject")
    assert "in 4:12 it is rejected" in it.words()
    now[0] = 350.5
    it.row.tick()
    assert "in 0:01 it is rejected" in it.words()


def test_a_closed_row_stays_closed(asked):
    it = asked("code")
    yes = it.find("omc-yes")[0]
    it.row.close()
    it.row.close()
    it.row.tick()
    it.row.refuse("late")
    yes.click()
    assert it.sent == []


@pytest.mark.parametrize("gate", GATES)
def test_hostile_text_never_becomes_a_tag(asked, requests, gate):
    evil = "<script>x</script><img src=x onerror=x>"

    def spoil(found, key=""):
        if isinstance(found, dict):
            return {k: spoil(v, k) for k, v in found.items()}
        if isinstance(found, list):
            return [spoil(each, key) for each in found]
        return found + evil if isinstance(found, str) and key not in ("gate", "stage", "metric") else found

    words = asked(gate, request=spoil(requests(gate).request)).words()
    assert "<script" not in words
    assert "<img" not in words

"""The controls strip."""

import pytest

from omc_agent.events import Branched, RequestDecided, RequestOpened, RunFinished, StageFinished, StageStarted
from omc_agent.overrides import KEYS
from omc_agent.panels.controls import within
from omc_agent.panels.live import VIEW, Strip, answer_while_busy


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stops():
    return []


@pytest.fixture
def strip(shown, clock, stops):
    strip = Strip(shown, run_id="7f3a", stop=lambda: stops.append(True), clock=clock)
    yield strip
    strip.close()


def test_it_is_published_by_hand_and_taken_away(strip, shown):
    strip.show()
    data, display_id, update = shown.calls[0]
    assert data[VIEW] == {"version_major": 2, "version_minor": 0, "model_id": strip.box.model_id}
    assert "%agent resume 7f3a" in data["text/plain"]
    assert (display_id, update) == ("omc-w-7f3a", False)
    strip.close()
    strip.close()
    assert shown.calls[1:] == [({"text/plain": ""}, "omc-w-7f3a", True)]
    strip.tick()


def test_the_line_tells_stage_time_steps_and_time_left(strip, clock, made):
    for event in made.opening():
        strip.handle(event)
    strip.handle(StageStarted(at=1001.0, stage="data_retrieval", title="Data"))
    strip.handle(StageFinished(at=1002.0, stage="data_retrieval", status="ok", seconds=1.0, cells=1))
    strip.handle(StageStarted(at=1002.0, stage="model_training", title="Training"))
    clock.now = 1014.0
    # Left: the leak test's 0.6 s and the report's 6 s; training has used up its 12 s.
    assert strip.status() == "training · 14 s · 1 of 4 steps · about 6 s left"
    strip.tick(usd=0.5)
    assert "about 6 s left · $0.50" in strip._line.value
    strip.handle(RequestOpened(stage="model_training", request_id="q", gate="models", question="Go?"))
    assert strip.status().startswith("waits for you · 14 s")


def test_stop_calls_once_and_says_so(strip, stops):
    strip._button.click()
    strip._button.click()
    assert stops == [True]
    assert strip.status().startswith("stopping")
    assert strip._button.disabled


def test_untrusted_words_are_escaped(strip):
    strip.handle(StageStarted(stage="x", title="<img src=x>"))
    strip.tick()
    assert "<img" not in strip._line.value


def test_after_the_end_the_time_stands_still(strip, clock, made):
    strip.handle(made.opening()[0])
    strip.handle(RunFinished(status="finished", seconds=7.0))
    clock.now = 2000.0
    assert "7 s" in strip.status()


def test_a_click_is_routed_past_a_busy_thread_only_where_the_kernel_can():
    class Comm:
        def _reply_subshell_for(self, data, default):
            return "busy"

    class Widget:
        comm = Comm()

    widget = Widget()
    answer_while_busy(widget)
    assert widget.comm._reply_subshell_for({}, "free") == "free"
    Widget.comm = object()
    answer_while_busy(Widget())
    assert not hasattr(Widget.comm, "_reply_subshell_for")


class Wishes(list):
    """What was handed on."""

    def __call__(self, *wish):
        self.append(wish)


@pytest.fixture
def wishes():
    return Wishes()


@pytest.fixture
def asking(shown, clock, wishes):
    strip = Strip(shown, run_id="7f3a", stop=lambda: None, decide=wishes, send=wishes, clock=clock)
    yield strip
    strip.close()


def find(strip, css):
    return next(widget for widget in within(strip.box) if css in widget._dom_classes)


def test_a_question_has_its_row_until_it_is_decided(asking, requests, wishes):
    asking.handle(requests("code"))
    row = asking.rows["q-code"]
    assert row.box in asking.box.children
    find(asking, "omc-yes").click()
    assert wishes[0][0] == "q-code"
    asking.refuse("q-code", "It does not parse.")
    assert "It does not parse." in row._complaint.value
    asking.refuse("q-other", "nobody hears")
    asking.handle(RequestDecided(request_id="q-code", gate="code", decision="approved", decided_by="ann"))
    assert asking.rows == {}
    assert row.box not in asking.box.children
    assert row.box.comm is None


def test_what_a_policy_decides_makes_no_row(asking):
    asking.handle(RequestOpened(stage="s", request_id="q", gate="code", question="Run it?"))
    assert asking.rows == {}


def test_without_anybody_to_decide_there_is_no_row_and_no_change_button(strip, requests):
    strip.handle(requests("code"))
    assert strip.rows == {}
    assert not [w for w in within(strip.box) if "omc-change" in w._dom_classes]


def test_a_replay_makes_rows_only_for_what_is_open_at_its_end(asking, requests):
    decided = RequestDecided(request_id="q-code", gate="code", decision="approved", decided_by="ann")
    asking.replay([requests("code"), decided, requests("budget")])
    assert list(asking.rows) == ["q-budget"]


def test_asked_again_after_a_resume_the_row_keeps_what_was_typed(asking, requests, clock):
    asking.handle(requests("code", deadline=1010.0))
    row = asking.rows["q-code"]
    asking.handle(requests("code", deadline=1300.0))
    assert asking.rows["q-code"] is row
    asking.tick()
    assert "in 5:00 it parks" in row._foot.value
    asking.handle(requests("code", request={"code": "other()"}))
    assert asking.rows["q-code"] is not row


def test_rows_go_when_the_run_parks_and_come_back_when_it_is_resumed(asking, requests, made):
    asking.handle(requests("scope"))
    asking.handle(RunFinished(status="parked", seconds=1.0))
    assert asking.rows == {}
    asking.handle(made.opening()[0])
    assert list(asking.rows) == ["q-scope"]
    asking.handle(Branched(stage="planning", new_branch="2", parent=""))
    assert asking.rows == {}


def test_closing_the_strip_closes_its_rows(asking, requests):
    asking.handle(requests("selection"))
    everything = within(asking.box)
    asking.close()
    assert all(widget.comm is None for widget in everything)
    asking.handle(requests("code"))
    asking.refuse_override("late")
    asking.tick()
    assert asking.rows == {}


def test_words_to_the_agent_are_handed_on(asking, wishes):
    row = find(asking, "omc-asking")
    assert row.layout.display == "none"
    find(asking, "omc-change").click()
    assert row.layout.display is None
    find(asking, "omc-send").click()
    find(asking, "omc-say").value = " Leave out DOGE. "
    find(asking, "omc-send").click()
    assert wishes == [("say", {"text": "Leave out DOGE."})]
    assert find(asking, "omc-say").value == ""


def test_changes_are_handed_on_refused_and_accepted(asking, wishes):
    words, change = find(asking, "omc-words"), find(asking, "omc-override")
    words.value = "nothing=1"
    change.click()
    assert wishes == []
    assert "nothing" in asking._change._told.value
    words.value = "indicators=rsi, macd trials = 9"
    change.click()
    change.click()
    assert wishes == [("override", {"words": ["indicators=rsi,macd", "trials=9"]})]
    assert change.disabled
    asking.refuse_override("The run is <over>.")
    assert "The run is &lt;over&gt;." in asking._change._told.value
    assert not change.disabled
    change.click()
    asking.handle(Branched(stage="data_analysis", new_branch="2", parent=""))
    assert words.value == ""
    assert not asking._change.is_open()


def test_all_keys_that_can_be_changed_are_listed(asking):
    words = " ".join(w.value for w in within(asking.box) if type(w).__name__ == "HTML")
    for key in KEYS:
        assert f"<code>{key}</code>" in words

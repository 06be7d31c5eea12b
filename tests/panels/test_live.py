"""The controls strip."""

import pytest

from omc_agent.events import RequestOpened, RunFinished, StageFinished, StageStarted
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

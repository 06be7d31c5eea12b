"""The panel: cards, display ids, pace, order, and what survives where styles and scripts are stripped."""

from collections import Counter
from copy import deepcopy

import pytest
from bs4 import BeautifulSoup

from omc_agent.events import (
    KINDS,
    CellFinished,
    Reason,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
    Warned,
)
from omc_agent.panels import Panel

TAGS = {"div", "span", "p", "h4", "b", "i", "s", "a", "ol", "ul", "li", "code", "pre", "details", "summary"}
TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "img", "style"}
ATTRIBUTES = {"class", "style", "src", "alt", "href", "target", "colspan", "rowspan"}


class Clock:
    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def feed(shown, events, **kwargs):
    panel = Panel(shown, run_id="7f3a", **{"interactive": True, **kwargs})
    for event in events:
        panel.handle(event)
    panel.close()
    return panel


def test_the_sample_run_holds_every_kind_of_event(made):
    assert {event.kind for event in made.whole_run()} == {kind for kind, cls in KINDS.items() if not cls.transient}


def test_each_card_has_one_display_id_and_is_made_once(made, shown):
    feed(shown, made.whole_run())
    made_once = Counter(display_id for _, display_id, update in shown.calls if not update)
    assert set(made_once.values()) == {1}
    assert set(made_once) == {display_id for _, display_id, _ in shown.calls}
    assert list(made_once) == [
        f"omc-7f3a-{key}"
        for key in (
            "header", "stage-data_retrieval", "stage-leak_test", "stage-model_training", "candidates",
            "verdict", "report",
        )
    ]  # fmt: skip


def test_first_event_makes_a_card_that_says_what_the_model_is(made, shown):
    panel = Panel(shown, interactive=True, run_id="7f3a")
    panel.handle(made.opening()[0])
    assert len(shown.calls) == 1
    data, display_id, update = shown.calls[0]
    assert display_id == "omc-7f3a-header"
    assert update is False
    assert made.note in data["text/html"]
    assert made.note in data["text/plain"]


def test_every_bundle_tells_the_story_in_html_and_in_text(made, shown):
    feed(shown, made.whole_run())
    for data, _, _ in shown.calls:
        assert set(data) == {"text/html", "text/plain"}
        assert data["text/plain"].strip()
        assert "<" not in data["text/plain"].replace("<Figure>", "")


def test_roots_have_the_classes_that_browser_tests_look_for(made, shown):
    feed(shown, made.whole_run())
    for key, css in (
        ("header", "omc-header"),
        ("stage-leak_test", "omc-stage"),
        ("candidates", "omc-candidates"),
        ("verdict", "omc-verdict"),
        ("report", "omc-report"),
    ):
        root = BeautifulSoup(shown.last(key), "html.parser").find()
        assert {"omc-card", css} <= set(root["class"])
    assert BeautifulSoup(shown.last("header"), "html.parser").select("ol.omc-plan > li")
    assert BeautifulSoup(shown.last("stage-data_retrieval"), "html.parser").select(".omc-step")


def test_many_events_make_few_updates(made, shown):
    clock = Clock()
    panel = Panel(shown, interactive=True, run_id="7f3a", clock=clock)
    for event in made.opening():
        panel.handle(event)
    panel.handle(StageStarted(stage="data_analysis", title="Analysis"))
    for i in range(500):
        clock.now += 0.001
        panel.handle(Reason(stage="data_analysis", text=f"thought {i}"))
    updates = [c for c in shown.calls if c[1].endswith("data_analysis")]
    assert len(updates) <= 1 + 0.5 / 0.15
    panel.handle(StageFinished(stage="data_analysis", status="ok", seconds=0.5, cells=0))
    assert "thought 499" in shown.last("data_analysis")


def test_what_had_to_wait_is_published_by_the_next_tick(made, shown):
    clock = Clock()
    panel = Panel(shown, interactive=True, run_id="7f3a", clock=clock)
    panel.handle(made.opening()[0])
    panel.handle(StageStarted(stage="data_analysis", title="Analysis"))
    panel.handle(Reason(stage="data_analysis", text="late words"))
    assert "late words" not in shown.last("data_analysis")
    clock.now += 1
    panel.tick(usd=0.25)
    assert "late words" in shown.last("data_analysis")
    assert "analysis · 1 s · $0.25" in shown.last("header")


def test_large_cards_are_updated_less_often(made, shown):
    clock = Clock()
    panel = Panel(shown, interactive=True, run_id="7f3a", clock=clock)
    panel.handle(StageStarted(stage="data_analysis", title="Analysis"))
    big = made.png()[:-8] + "A" * 2_000_000
    for n in range(40):
        clock.now += 0.16
        bundle = {"image/png": big, "text/plain": "plot"}
        panel.handle(CellFinished(stage="data_analysis", n=n, code="plot()", outputs=[bundle]))
    sent = sum(len(data["text/html"]) for data, _, _ in shown.calls)
    assert sent < 40 * 0.16 * 4e6 + 2 * 8_500_000
    panel.close()
    assert len(shown.last("data_analysis")) < 8_500_000
    assert "this card is full" in shown.last("data_analysis")


def test_nobody_watching_gets_each_card_when_it_begins_and_when_it_ends(made, shown):
    clock = Clock()
    panel = Panel(shown, interactive=False, run_id="7f3a", clock=clock)
    panel.handle(made.opening()[0])
    panel.handle(StageStarted(stage="data_analysis", title="Analysis"))
    for i in range(20):
        clock.now += 10
        panel.handle(Reason(stage="data_analysis", text=f"thought {i}"))
        panel.tick()
    assert len(shown.calls) == 2
    panel.handle(StageFinished(stage="data_analysis", status="ok", seconds=1, cells=0))
    assert len(shown.calls) == 4
    assert "thought 19" in shown.last("data_analysis")


def test_a_stage_entered_again_updates_its_card_and_says_so(made, shown):
    feed(shown, made.whole_run())
    html, text = shown.last("leak_test"), shown.last("leak_test", "text/plain")
    assert html.count("2nd round") == 2
    assert "2nd round" in text
    assert "smooth_close" in html
    assert "Leak test: clean" in html
    assert "1.2 s" in html


def test_a_stage_that_failed_is_marked_by_shape_and_word(made, shown):
    feed(shown, made.whole_run())
    html = shown.last("model_training")
    assert "omc-broken" in html
    assert "failed" in html
    assert "✕" in html
    assert shown.last("model_training", "text/plain").startswith("✕ Training · failed")


def test_replay_publishes_each_card_once(made, shown):
    panel = Panel(shown, interactive=True, run_id="7f3a")
    panel.replay(made.whole_run())
    assert len(shown.calls) == 7
    assert not any(update for _, _, update in shown.calls)


def test_an_unfinished_run_is_published_to_the_end_by_close(shown):
    panel = Panel(shown, interactive=False, run_id="7f3a")
    panel.handle(StageStarted(stage="data_analysis", title="Analysis"))
    panel.handle(Reason(stage="data_analysis", text="last words"))
    panel.close()
    assert "last words" in shown.last("data_analysis")


@pytest.mark.parametrize("status", ["parked", "stopped", "failed"])
def test_a_run_that_did_not_finish_says_how_to_go_on(shown, status):
    error = {"code": "run.failed", "given": "Training failed.", "have": "", "try": "Try fewer models."}
    error = error if status == "failed" else None
    feed(shown, [RunFinished(status=status, reason="budget", error=error, seconds=3.0)])
    text = shown.last("report", "text/plain")
    if status == "failed":
        assert "Training failed. Try fewer models. (run.failed)" in text
    else:
        assert "%agent resume 7f3a" in text
        assert "Budget." in text
    assert "Bound to" not in text


def test_a_warning_before_any_stage_goes_to_the_header(made, shown):
    feed(shown, [*made.opening(), Warned(code="db.password", text="The URL holds a password.")])
    assert "The URL holds a password." in shown.last("header")
    assert "The URL holds a password." in shown.last("header", "text/plain")


def test_hostile_text_never_becomes_a_tag(made, shown):
    evil = '<script>alert(1)</script><img src=x onerror="alert(1)">\'"'
    events = made.whole_run()
    hostile = []
    for event in events:
        values = deepcopy(event.to_dict())
        for key, value in values.items():
            if isinstance(value, str) and key not in ("stage", "status", "run_id", "request_id", "at"):
                values[key] = value + evil
        for nested in ("brief", "verdict", "candidate", "error"):
            if isinstance(values.get(nested), dict):
                values[nested] = {k: v + evil if isinstance(v, str) else v for k, v in values[nested].items()}
        for found in values.get("findings") or []:
            found["text"] = found["column"] = evil
        for step in values.get("steps") or []:
            step["title"] = evil
        values["outputs"] = [
            {"text/html": f"<table onclick='x()'><tr><td style='x'>1{evil}<svg onload=x()></svg></td></tr></table>"},
            {"image/png": evil, "text/plain": evil},
            {"application/javascript": "alert(1)", "image/svg+xml": "<svg/>"},
        ]
        hostile.append(type(event)(**{k: v for k, v in values.items() if k in event.to_dict()}))
    panel = feed(shown, hostile, show_goal=True)
    check(panel.static_html())


def test_all_tags_are_on_the_list(made, shown):
    panel = feed(shown, made.whole_run(), show_goal=True)
    check(panel.static_html())


def check(html):
    found = BeautifulSoup(html, "html.parser").find_all(True)
    assert {tag.name for tag in found} <= TAGS
    assert {name for tag in found for name in tag.attrs} <= ATTRIBUTES
    for tag in found:
        assert tag.get("src", "data:image/png;base64,").startswith("data:image/png;base64,iVBOR") or not tag.get(
            "src"
        )
        assert "javascript:" not in tag.get("href", "")
        assert "url(" not in tag.get("style", "")
    assert html.count("<style>") == 1


def test_stripped_of_styles_the_tags_read_in_order(made, shown):
    panel = feed(shown, made.whole_run(), show_goal=True)
    soup = BeautifulSoup(panel.static_html(), "html.parser")
    soup.style.decompose()
    words = " ".join(soup.get_text(" ").split())
    places = [
        words.index(part)
        for part in (
            "Direction of BTC, one hour ahead", "run 7f3a", "Will BTC rise", "25,920 bars", "offline model is",
            "✓ Data", "Fetch the bars.", "Code of cell 1", "printed words", "0.25", "12 bars are missing",
            "smooth_close",
            "Baselines first.", "KeyError on line 1:", "Candidates", "0.497 to 0.537", "No edge found",
            "last direction 0.504", "report.html", "0 tokens",
        )
    ]  # fmt: skip
    assert places == sorted(places)


def test_a_second_start_does_not_forget_the_stages(made, shown):
    events = made.whole_run()
    again = RunStarted(at=2000.0, run_id="7f3a", goal="Will BTC rise", model="offline")
    panel = feed(shown, [*events[:-1], RunFinished(at=1009.0, status="parked", seconds=9), again])
    assert panel.story.finished is None
    assert panel.story.stages["data_retrieval"].status == "ok"

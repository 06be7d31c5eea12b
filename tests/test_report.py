"""The report is written from the ledger and the state, in the host's words, for somebody who was not there."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from omc_agent.brief import Brief
from omc_agent.events import Branched, Overridden, Reason, RequestDecided, RequestOpened, RunStarted, Said, Warned
from omc_agent.report import ReportWriter, people_said
from omc_agent.store.branches import Told

PNG = "iVBORw0KGgo="
VERDICT = {
    "call": "no_edge", "reason": "ruled_out", "metric": "roc_auc", "score": 0.51, "reference": "constant",
    "reference_score": 0.5, "low": -0.02, "high": 0.04, "alpha": 0.025, "delta": 0.05, "block": 60, "blocks": 90,
    "smallest_edge": 0.04, "claimed": 0.55, "claimed_deflated": 0.54, "trials": 3, "opened": 1,
    "beats": {"constant": True, "last": False},
}  # fmt: skip


def cell(n, stage, code, *outputs):
    return {"n": n, "stage": stage, "code": code, "status": "ok", "result": {"outputs": list(outputs)},
            "inputs": {}, "frames": {}, "values": {}}  # fmt: skip


CELLS = [
    cell(1, "data_analysis", "summary = perform_eda(bars)\nsummary.T", {"text/plain": "rows  9"}, {"image/png": PNG}),
    cell(2, "model_evaluation", "comparison = compare_models(candidates)", {"image/png": PNG}),
    cell(3, "model_evaluation", "comparison = compare_models(candidates)", {"image/png": "iVBORw0KGgo+"}),
]
EVENTS = [
    Reason(stage="data_analysis", text="Look before anything is made."),
    Reason(stage="data_analysis", text="A second thought."),
]


def candidate(name, score, baseline=False):
    return {"name": name, "model": name, "params": {}, "metric": "roc_auc", "score": score, "low": score - 0.02,
            "high": score + 0.02, "folds": [], "fit_seconds": 0.1, "baseline": baseline}  # fmt: skip


STATE = {
    "goal": "Will BTC <rise>?",
    "brief": Brief(task="classification", coins=["BTC"], assumed=["metric"]).model_dump(),
    "candidates": {c["name"]: c for c in (candidate("random_forest", 0.55), candidate("last", 0.5, baseline=True))},
    "choice": {"name": "random_forest"},
    "verdict": VERDICT,
    "sealed": {"rows": 10, "development_rows": 40},
    "frames": {"features": {"columns": ["coin", "timestamp", "ret_1", "target"]}},
    "texts": {
        "verdict": {"headline": "No edge found", "sentence": "Chance gives as much."},
        "summary": "## Result\n\n**Edge found**, said a child.",
        "advice": ["Do not act on these predictions."],
    },
}


async def written(state, cells=CELLS, events=EVENTS):
    files = {}

    async def save(name, data):
        files[name] = data

    told = [Told(number, f"r1:{number}", event) for number, event in enumerate(events, start=1)]
    store = SimpleNamespace(cells=lambda run, branch: cells, story=lambda run, branch: told)
    written = await ReportWriter(store, "r1", "r1.2", save).write(state)
    assert set(written) == set(files)
    return {
        name: data.decode() if name.endswith(("html", "md", "json", "csv")) else data for name, data in files.items()
    }


async def test_the_verdict_is_the_hosts_and_is_said_once_before_all_else():
    files = await written(STATE)
    page = files["report.html"]
    assert page.count("No edge found") == 1
    assert "Edge found" not in page.replace("No edge found", "")
    assert "Beats constant. Does not beat last." in page
    assert "<li>Holdout opened once</li>" in page
    assert page.index("No edge found") < page.index("What to do next") < page.index("The question")


async def test_the_goal_stands_as_it_was_asked_and_is_escaped():
    files = await written(STATE)
    assert "Asked: Will BTC &lt;rise&gt;?" in files["report.html"]
    assert "Run r1.2." in files["report.html"]


async def test_candidates_stand_once_in_words_with_the_choice():
    page = (await written(STATE))["report.html"]
    assert page.count("<th>candidate</th>") == page.count("<table>") == 1
    assert "<strong>random forest</strong>" in page
    assert "last (naive rule)" in page


async def test_a_stage_shows_its_plan_its_output_and_its_last_picture_once():
    files = await written(STATE)
    page = files["report.html"]
    assert "Look before anything is made." in page
    assert "A second thought." not in page
    assert "<pre>rows  9</pre>" in page
    assert page.count("compare_models(candidates)") == 1
    assert 'alt="Evaluation, figure 1" src="data:image/png;base64,iVBORw0KGgo+"' in page
    assert files["data_analysis-cell1-2.png"] == b"\x89PNG\r\n\x1a\n"


async def test_figures_and_card_are_files_of_their_own():
    files = await written(STATE)
    assert json.loads(files["metrics.json"])["verdict"]["call"] == "no_edge"
    assert files["candidates.csv"].startswith("name,model,")
    assert files["model_card.md"].startswith("# Model card: random forest")
    assert "`ret_1`" in files["model_card.md"]
    assert "`target`" not in files["model_card.md"]


async def test_an_exploration_has_a_report_and_no_figures_of_models():
    brief = Brief(task="analysis", coins=["BTC"]).model_dump()
    files = await written({"goal": "Explore BTC", "brief": brief, "texts": {}}, CELLS[:1])
    assert "Nothing was predicted" in files["report.html"]
    assert {name for name in files if not name.endswith(".png")} == {"report.html", "report.md"}


@pytest.mark.parametrize("leaks", [{}, {"x": {"text": "x changed at 3 of 8 cuts."}}])
async def test_what_the_leak_test_named_is_said(leaks):
    page = (await written({**STATE, "leaks": leaks}))["report.html"]
    assert ("x changed at 3 of 8 cuts." in page) is bool(leaks)


AT = {"at": 0.0}
ASKED = RequestOpened(
    stage="selection", request_id="q", gate="selection", question="Which one?", request={"gate": "x"}
)
WHEN = "1970-01-01 00:00 UTC"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (RequestDecided(request_id="q", gate="selection", decision="ridge", decided_by="ann", why="ridge", **AT),
         f"Which one? Ridge, by ann, {WHEN}."),
        (RequestDecided(request_id="q", gate="selection", decision="reject", decided_by="ann", why="too late", **AT),
         f"Which one? Rejected: too late, by ann, {WHEN}."),
        (Branched(stage="model_training", new_branch="r.2", parent="r", overrides={"models": ["ridge", "lasso"]},
                  decided_by="ann", **AT),
         f"From Training on models = ridge, lasso, by ann, {WHEN}."),
        (Branched(stage="selection", new_branch="r.2", parent="r", decided_by="ann", **AT),
         f"From Selection on done again as before, by ann, {WHEN}."),
        (Overridden(stage="hyperparameter_tuning", overrides={"trials": 4}, decided_by="ann", **AT),
         f"From Tuning on trials = 4, by ann, {WHEN}."),
        (Said(text="only momentum", **AT), f"Said while it worked: “only momentum”, {WHEN}."),
        (RequestDecided(request_id="other", gate="code", decision="approved", decided_by="policy file", **AT), None),
    ],
    ids=["decided", "rejected", "branched", "branched unchanged", "overridden", "said", "a policy"],
)  # fmt: skip
def test_what_a_person_decided_is_said_with_name_and_time_and_a_policy_is_left_out(event, line):
    assert people_said([ASKED, event]) == ([line] if line else [])


async def test_what_people_decided_has_a_section_of_its_own():
    page = (await written(STATE, events=[*EVENTS, Said(text="use <b>less</b>")]))["report.html"]
    assert page.count("What people decided") == 1
    assert "use &lt;b&gt;less&lt;/b&gt;" in page
    assert "What people decided" not in (await written(STATE))["report.html"]


DETAILS = {
    "beside": [
        {"name": "constant", "kind": "naive", "score": 0.5, "difference": 0.01, "low": -0.02, "high": 0.04,
         "beaten": True, "beyond_noise": False},
        {"name": "logistic_regression", "kind": "simple", "score": None, "difference": None, "low": None,
         "high": None, "beaten": False, "beyond_noise": False},
    ],
    "months": [{"part": "2024-08", "rows": 40, "score": 0.51, "reference_score": 0.5, "difference": 0.01}],
    "coins": [],
    "calibration": {"table": [{"predicted": p, "seen": 0.5, "rows": 20} for p in (0.4, 0.6)]},
}  # fmt: skip


async def test_what_describes_the_verdict_stands_below_it_and_in_the_figures():
    said = {**STATE["texts"]["verdict"], "details": DETAILS}
    warned = Warned(stage="data_retrieval", code="gaps", text="12 bars are missing.", at=0.0)
    files = await written({**STATE, "texts": {**STATE["texts"], "verdict": said, "span": "These 90 days."}},
                          events=[*EVENTS, warned])  # fmt: skip
    page = files["report.html"]
    for text in ("Rules and simple models", "+0.010 (−0.020 to +0.040)", "within noise", "2024-08", "These 90 days."):
        assert text in page, text
    assert "By coin" not in page
    assert "none of them called the verdict" in page
    assert "Predicted probability against" in page
    assert "12 bars are missing." in page
    assert "%agent verify r1" in page
    assert json.loads(files["metrics.json"])["description"] == DETAILS
    assert files["model_card.html"].count("<h1>") == 1
    assert "Model card: random forest" in files["model_card.html"]


@pytest.mark.parametrize(("model", "stays"), [("openai:some", False), ("offline", True)])
async def test_a_chat_models_sentence_with_a_number_that_nobody_recorded_is_left_out_and_told(model, stays):
    told = []

    async def warn(event, key):
        told.append(event)

    async def save(name, data):
        files[name] = data.decode() if name == "report.html" else data

    files = {}
    started = RunStarted(stage="", run_id="r1", goal="", model=model, seed=0, at=0.0)
    text = "The best AUC is 0.55. Nothing beats 0.987 here."
    events = [started, Reason(stage="model_evaluation", text=text, at=0.0)]
    story = [Told(number, f"r1:{number}", event) for number, event in enumerate(events, start=1)]
    store = SimpleNamespace(cells=lambda run, branch: CELLS, story=lambda run, branch: story)
    await ReportWriter(store, "r1", "r1", save, warn).write(STATE)
    assert "The best AUC is 0.55." in files["report.html"]
    assert ("Nothing beats 0.987" in files["report.html"]) is stays
    assert [event.code for event in told] == ([] if stays else ["unmatched_number"])


RECIPE = {"seed": 7, "versions": {"python": "3.11", "pandas": "2.9"},
          "data": {"rows": 50, "all": "a" * 64, "sealed": "b" * 64}}  # fmt: skip


async def test_the_report_and_the_card_say_how_to_make_it_again():
    files = {}

    async def save(name, data):
        files[name] = data

    store = SimpleNamespace(cells=lambda run, branch: CELLS, story=lambda run, branch: [])
    await ReportWriter(store, "r1", "r1", save, recipe=lambda state: RECIPE).write(STATE)
    report, card = files["report.md"].decode(), files["model_card.md"].decode()
    for text in ("Seed: 7.", "50 rows, fingerprint `aaaaaaaaaaaaaaaa`; sealed rows `bbbbbbbbbbbbbbbb`", "pandas 2.9",
                 "`%agent export r1 run.ipynb`", "`%agent verify r1`"):  # fmt: skip
        assert text in report, text
    assert "| seed | 7 |" in card
    assert "python 3.11, pandas 2.9" in card


async def test_what_failed_and_what_tuning_gained_have_lines_of_their_own():
    gain = {"real": False, "text": "No gain: the one other setting did not beat the defaults."}
    tuned = {**candidate("random_forest", 0.55), "name": "random_forest_tuned", "gain": gain, "trials": 2}
    lost = {"name": "xgboost", "model": "xgboost", "params": {}, "why": "Out of memory.", "cell": 7}
    state = {**STATE, "candidates": {**STATE["candidates"], "random_forest_tuned": tuned},
             "failed": {"xgboost": lost, "again": None}}  # fmt: skip
    page = (await written(state))["report.md"]
    tried = page[page.index("## What was tried") :]
    assert "- random forest, tuned against untuned: No gain: the one other setting" in tried
    assert "- XGBoost could not be scored (cell 7): Out of memory." in tried
    assert "2 models and 1 naive rule" in tried
    assert "| XGBoost |  |  |" in tried


async def test_what_the_result_does_not_show_is_in_the_report_and_what_a_child_advised_is_not():
    page = (await written({**STATE, "texts": {**STATE["texts"], "advice": ["Buy at once."]}}))["report.md"]
    limits = page[page.index("## What this does not show") : page.index("## The question")]
    assert "- No edge was shown (+0.010, -0.020 to +0.040)" in limits
    assert "Buy at once" not in page
    assert "fell to 0.510 on the sealed rows" in page[: page.index("## What this does not show")]

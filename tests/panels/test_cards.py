"""The report card: its links and its words."""

from pathlib import Path

from omc_agent.events import ArtifactSaved, RunFinished, RunTracked
from omc_agent.panels.cards import ReportCard, near_link
from omc_agent.panels.story import Story


def report(path, **kwargs):
    story = Story(run_id="7f3a")
    story.handle(ArtifactSaved(name="my report.html", path=str(path), sha256="ab"))
    story.handle(
        RunFinished(status="finished", seconds=75.0, cost={"tokens_in": 1000, "tokens_out": 234, "usd": 0.12})
    )
    return ReportCard(story, **kwargs)


def test_a_file_below_the_working_folder_is_linked_relatively(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    html = report(tmp_path / "out" / "my report.html").html(None)
    assert 'href="out/my%20report.html"' in html


def test_a_file_elsewhere_is_named_with_its_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    html = report(tmp_path / "there" / "my report.html").html(None)
    assert "<a " not in html
    assert "<code>~/there</code>" in html
    assert near_link(ArtifactSaved(name="x", path="", sha256="")) is None


def test_the_report_is_named_first_and_plots_are_counted():
    story = Story(run_id="7f3a")
    for name in ("model.skops", "a-1.png", "report.html", "a-2.png", "model_card.md"):
        story.handle(ArtifactSaved(name=name, path=f"/x/{name}", sha256="ab"))
    card = ReportCard(story)
    assert "Files: report.html, model_card.md, model.skops, 2 plots in /x" in card.text(None)
    assert "2 plots" in card.html(None)
    assert ".png" not in card.html(None)


def test_a_link_that_is_handed_in_may_not_be_a_script():
    assert 'href="/api/x"' in report(Path("/x/y"), link=lambda artifact: "/api/x").html(None)
    assert "<a " not in report(Path("/x/y"), link=lambda artifact: "javascript:alert(1)").html(None)
    assert "<a " not in report(Path("/x/y"), link=lambda artifact: "data:text/html,x").html(None)


def test_time_tokens_cost_and_variable():
    text = report(Path("/x/y"), out="mine").text(None)
    assert text.splitlines() == [
        "Files: my report.html in /x",
        "Bound to mine",
        "1 min 15 s · 1.0K in / 234 out · $0.12",
    ]


def test_the_page_of_a_run_in_mlflow_is_linked_unless_it_is_a_script():
    where = {"place": "http://host:5000", "experiment": "<omc>", "mlflow_run": "ab", "runs": 9}
    for url, linked in (("http://host:5000/#/experiments/1/runs/ab", True), ("", False), ("javascript:x", False)):
        story = Story(run_id="7f3a")
        story.handle(RunTracked(**where, url=url))
        html = ReportCard(story).html(None)
        assert ("<a " in html) is linked
        assert "MLflow, &lt;omc&gt;" in html
        assert "MLflow: 9 runs in experiment <omc>, " in ReportCard(story).text(None)

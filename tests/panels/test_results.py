"""Tables of candidates, verdict, list of runs, files, and a run shown again."""

import math

from bs4 import BeautifulSoup

from omc_agent.panels import results


def rows_of(html):
    rows = BeautifulSoup(html, "html.parser").select("tbody tr")
    return [[cell.get_text(" ", strip=True) for cell in row.select("td")] for row in rows]


def some(made):
    return [
        made.candidate("last_direction", 0.503, baseline=True),
        made.candidate("logistic_regression", 0.517),
        made.candidate("xgboost", 0.519),
    ]


def test_candidates_stand_chosen_first_and_baselines_last(made):
    html = results.candidates_html(some(made), "logistic_regression", metric="roc_auc", recommended="xgboost")
    rows = rows_of(html)
    assert [row[0] for row in rows] == ["logistic regression", "XGBoost", "last direction (baseline)"]
    assert rows[0][1:] == ["0.517", "0.497 to 0.537", "0.2 s", "chosen, C 0.1"]
    assert rows[1][4] == "recommended, C 0.1"
    assert "ROC-AUC" in html
    assert html.count("<s ") == 3


def test_without_a_choice_the_best_score_is_first_whichever_way_the_metric_counts(made):
    assert rows_of(results.candidates_html(some(made), metric="roc_auc"))[0][0] == "XGBoost"
    assert rows_of(results.candidates_html(some(made), metric="mae"))[0][0] == "logistic regression"


def test_the_point_lies_within_its_interval_and_the_axis(made):
    soup = BeautifulSoup(results.candidates_html(some(made), metric="roc_auc"), "html.parser")
    for picture in soup.select(".omc-ci"):
        style = dict(part.split(":") for part in picture.i["style"].split(";"))
        left, width = float(style["left"].rstrip("%")), float(style["width"].rstrip("%"))
        point = float(picture.b["style"].split(":")[1].rstrip("%"))
        assert 0 <= left <= point <= left + width <= 100


def test_candidates_without_numbers_are_still_listed(made):
    broken = {"name": "odd", "score": math.nan, "low": None, "high": None}
    assert rows_of(results.candidates_html([broken]))[0] == ["odd", "n/a", "", "n/a", ""]
    assert "n/a" in results.candidates_text([broken])
    assert "<table" in results.candidates_html([])


def test_candidates_as_text_are_aligned(made):
    lines = results.candidates_text(some(made), "xgboost", metric="roc_auc").splitlines()
    assert lines[0].split() == ["model", "ROC-AUC", "interval", "fit", "notes"]
    assert lines[1].startswith("XGBoost ")
    assert len({line.index(" to ") for line in lines[1:]}) == 1


def test_the_verdict_is_words_first_then_numbers(made):
    html = results.verdict_html(made.verdict, "No edge found", "It is within chance.")
    words = " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())
    for part in (
        "95 % interval of the difference, 86 blocks",
        "claimed in training 0.517 (0.509 after allowing for the search)",
        "13 configurations tried", "holdout opened once", "smallest edge found 4 times in 5: 0.026",
        "Beats constant. Does not beat reversal or the simple model.", "−0.013", "+0.023", "last direction 0.504",
    ):  # fmt: skip
        assert part in words
    assert words.startswith("No edge found")
    text = results.verdict_text(made.verdict, "No edge found", "It is within chance.")
    assert "ROC-AUC 0.509; last direction 0.504; difference −0.013 to +0.023" in text


def test_the_second_opening_shows_its_wider_level(made):
    verdict = {**made.verdict, "alpha": 0.025 / 3, "opened": 2}
    assert "98.33 % interval" in results.verdict_text(verdict, "h", "s")
    assert "opened twice" in results.verdict_text(verdict, "h", "s")


def test_a_verdict_without_numbers_has_no_scale():
    verdict = {"call": None, "reason": "leak", "score": None, "low": None, "high": None}
    html = results.verdict_html(verdict, "No verdict", "A column leaks.")
    assert "omc-scale" not in html
    assert "reason: leak" in html
    assert results.verdict_text({}, "Explored", "Nothing to predict.").splitlines() == [
        "Explored",
        "  Nothing to predict.",
    ]


def test_an_interval_far_from_zero_stays_on_the_scale(made):
    verdict = {**made.verdict, "low": 0.4, "high": 0.42, "score": 0.914}
    soup = BeautifulSoup(results.verdict_html(verdict, "Edge", "s"), "html.parser")
    places = [float(tag["style"].split("left:")[1].split("%")[0]) for tag in soup.select(".omc-scale [style]")]
    assert len(places) >= 6
    assert all(0 <= place <= 100 for place in places)


def test_the_list_of_runs_escapes_and_leaves_gaps_empty():
    rows = [
        {"id": "7f3a", "status": "finished", "goal": "<b>BTC</b>", "call": "no_edge", "seconds": 23.6, "usd": 0.0},
        {"id": "8a", "status": "awaiting_user", "goal": "ETH\nnow", "started": "2024-09-06T04:40:00+00:00"},
        {"id": "9b", "started": 0},
    ]
    html = results.run_list_html(rows)
    assert rows_of(html)[0][:6] == ["7f3a", "<b>BTC</b>", "finished", "no edge", "23.6 s", "$0.00"]
    assert rows_of(html)[1] == ["8a", "ETH now", "awaiting user", "", "", "", "2024-09-06 04:40"]
    assert rows_of(html)[2][6] == "1970-01-01 00:00"
    assert "8a" in results.run_list_text(rows)
    assert "No runs yet." in results.run_list_html([]) + results.run_list_text([])


def test_files_are_listed_with_size_and_short_hash():
    rows = [{"name": "a-cell4-1.png", "path": "/r/a.png", "sha256": "ab" * 32, "size": 48_000,
             "made_by": "cell 4, data_analysis"}]  # fmt: skip
    html = results.artifacts_html(rows)
    assert rows_of(html) == [["a-cell4-1.png", "48 kB", "abababababab", "cell 4, data analysis", "/r/a.png"]]
    assert "<a " not in html
    assert 'href="/api/x"' in results.artifacts_html(rows, lambda row: "/api/x")
    assert "<a " not in results.artifacts_html(rows, lambda row: "javascript:alert(1)")
    assert "48 kB" in results.artifacts_text(rows)
    assert "The run left no files." in results.artifacts_html([])


def test_a_run_shown_again_has_all_cards_one_style_and_the_goal(made):
    html = results.show_html(made.whole_run())
    soup = BeautifulSoup(html, "html.parser")
    assert len(soup.select(".omc-card")) == 7
    assert len(soup.select("style")) == 1
    assert "Goal:" in html
    assert "run 7f3a" in html
    assert results.show_html([]) is not None


def test_a_run_shown_in_a_terminal(made):
    text = results.show_text(made.whole_run())
    assert text.startswith("Run 7f3a · offline")
    assert "No edge found" in text


def beside(name, kind, score, difference=0.0, low=0.0, high=0.0, beaten=True, beyond=False):
    return {"name": name, "kind": kind, "score": score, "difference": difference, "low": low, "high": high,
            "beaten": beaten, "beyond_noise": beyond}  # fmt: skip


DETAILS = {
    "simple": "xgboost",
    "beside": [
        beside("constant", "naive", 0.5, 0.02, 0.01, 0.03, beyond=True),
        beside("last", "naive", 0.5, 0.0, 0.0, 0.0),
        beside("logistic_regression", "simple", 0.52),
        beside("xgboost", "simple", None, None, None, None, beaten=False),
    ],
    "more": ["Traded on blindly, it earns <nothing>."],
}


def test_rules_models_and_what_else_was_seen_are_folded_below_the_verdict(made):
    html = results.verdict_html(made.verdict, "No edge found", "It is within chance.", DETAILS)
    folds = BeautifulSoup(html, "html.parser").select("details")
    assert [fold.summary.get_text() for fold in folds] == [
        "Every rule and simple model",
        "What else the sealed rows show",
    ]
    assert not [fold for fold in folds if fold.has_attr("open")]
    cells = [[cell.get_text() for cell in row.select("td")] for row in folds[0].select("tr")[1:]]
    assert cells == [
        ["constant", "naive rule", "0.500", "+0.020 (+0.010 to +0.030)", "yes"],
        ["last", "naive rule", "0.500", "+0.000 (+0.000 to +0.000)", "within noise"],
        ["logistic regression", "simple model", "0.520", "", "the choice itself"],
        ["XGBoost", "simple model", "", "", "no"],
    ]
    assert "&lt;nothing&gt;" in str(folds[1])
    assert html.index("It is within chance.") < html.index("<details>")
    text = results.verdict_text(made.verdict, "No edge found", "It is within chance.", DETAILS)
    assert text.splitlines()[-1] == "  - Traded on blindly, it earns <nothing>."


def test_a_verdict_of_an_older_run_has_no_folds_that_are_empty(made):
    assert "<details>" not in results.verdict_html(made.verdict, "h", "s", {})
    assert results.verdict_text(made.verdict, "h", "s", {}) == results.verdict_text(made.verdict, "h", "s")

from __future__ import annotations

import base64
from html.parser import HTMLParser

import pandas as pd
import pytest

from omc_agent.errors import UsageError
from omc_agent.tools.page import markdown_table, parse_blocks
from omc_agent.tools.reporting import (
    create_comparison_report,
    generate_recommendations,
    generate_summary,
    model_card,
    render_report,
)

BRIEF = {
    "task": "classification",
    "coins": ["BTC"],
    "target": "direction",
    "horizon": "PT1H",
    "metric": "roc_auc",
    "assumed": ["metric"],
    "unread": ["moon"],
}
PNG = base64.b64encode(b"\x89PNG not really").decode()
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def candidate(name="line", model="logistic_regression", score=0.55, **more):
    made = {"name": name, "model": model, "params": {"C": 1}, "metric": "roc_auc", "baseline": False}
    return made | {"score": score, "low": score - 0.02, "high": score + 0.02} | more


CANDIDATES = [candidate(), candidate("last", "last", 0.51, params={}, baseline=True)]


def verdict(call="no_edge", reason="ruled_out", **more):
    made = {"call": call, "reason": reason, "metric": "roc_auc", "score": 0.51, "reference": "constant"}
    made |= {"reference_score": 0.5, "low": -0.02, "high": 0.04, "alpha": 0.025, "delta": 0.05, "block": 60}
    made |= {"blocks": 90, "smallest_edge": 0.04, "claimed": 0.55, "claimed_deflated": 0.54, "trials": 3}
    return made | {"opened": 1, "beats": {"constant": True}} | more


class Reader(HTMLParser):
    """Tags, attributes and text of a page, and whether tags close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def full_page(text: str) -> tuple[str, str]:
    table = [{text: text, "score": 0.5, "note": None}]
    parts = {"heading": text, "headline": text, "markdown": f"## {text}\n\n{text}\n\n- {text}\n\n```\n{text}\n```"}
    parts |= {"paragraphs": [text], "bullets": [text], "table": table, "code": text, "png_base64": PNG, "alt": text}
    return render_report(text, [parts], subtitle=text, footer=text)


def test_the_page_is_whole_and_fetches_nothing():
    markdown, page = full_page("plain words")
    read = Reader(page)
    assert not read.open
    assert not {"script", "link", "iframe", "object"} & set(read.tags)
    sources = [value for name, value in read.attributes if name in ("src", "href")]
    assert all(value.startswith("data:image/png;base64,") for value in sources)
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page
    assert "@import" not in page
    assert "url(" not in page
    assert markdown.startswith("# plain words\n")


def test_nothing_that_was_written_in_is_obeyed():
    markdown, page = full_page(HOSTILE)
    read = Reader(page)
    assert "script" not in read.tags
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert HOSTILE in "".join(read.words)
    outside_code = "".join(markdown.split("```")[::2])
    assert "<script" not in outside_code
    assert "<img" not in outside_code


def test_markdown_links_and_pictures_in_text_are_not_alive():
    markdown, page = render_report("t", [{"paragraphs": ["![x](http://tracker/a.png)"]}])
    assert "](http" not in markdown
    assert "<img" not in page


def test_code_cannot_break_out_of_its_fence():
    markdown, _ = render_report("t", [{"code": "x = 1\n```\n<script>"}])
    assert markdown.count("````") == 2


def test_pictures_must_be_base64():
    with pytest.raises(UsageError):
        render_report("t", [{"png_base64": '" onerror="alert(1)'}])
    _, page = render_report("t", [{"png_base64": [PNG, PNG], "alt": ["one", "two"]}])
    assert page.count("<img") == 2


def test_code_is_folded_and_what_it_showed_is_open():
    markdown, page = render_report("t", [{"code": "a = 1\na", "output": "<1>"}])
    assert "<details><summary>Code, 2 lines</summary><pre><code>a = 1\na</code></pre></details>" in page
    assert "<pre>&lt;1&gt;</pre>" in page
    assert "```python\na = 1\na\n```" in markdown
    assert "```text\n<1>\n```" in markdown


def test_unknown_parts_are_named():
    with pytest.raises(UsageError, match="heding"):
        render_report("t", [{"heding": "x"}])


def test_both_forms_come_from_one_structure():
    section = {
        "heading": "Scores",
        "markdown": "Some `code` and **weight**.\n- one\n- two\n\n| a | b |\n| --- | --- |\n| 1 | x\\|y |",
    }
    markdown, page = render_report("Run", [section])
    assert "<code>code</code>" in page
    assert "<strong>weight</strong>" in page
    assert page.count("<li>") == 2
    assert "<td>x|y</td>" in page
    assert "| 1 | x\\|y |" in markdown


def test_escaping_survives_the_way_through_markdown():
    summary = generate_summary(BRIEF | {"unread": ["<b> & co"]}, CANDIDATES, verdict())
    _, page = render_report("t", [{"markdown": markdown_table([{"name": "<b> & co"}])}])
    assert "&lt;b&gt; &amp; co" in page
    assert "&amp;amp;" not in page
    assert summary


def test_tables_show_numbers_shortly_and_gaps_as_nothing():
    text = markdown_table(pd.DataFrame({"a": [0.123456, float("nan")], "b": [True, None]}))
    assert text.splitlines()[2:] == ["| 0.1235 | yes |", "|  |  |"]


def test_blocks_of_markdown():
    kinds = [block.kind for block in parse_blocks("# A\ntext\n- one\n\n### B\n```python\nx\n```\nend")]
    assert kinds == ["h2", "p", "ul", "h3", "code", "p"]


def test_summary_says_verdict_question_and_candidates():
    text = generate_summary(BRIEF, CANDIDATES, verdict())
    assert "**No edge found**" in text
    assert "Whether the price of BTC is higher one hour on." in text
    assert "Assumed: metric ROC-AUC." in text
    assert "moon" in text
    assert "1 model and 1 naive rule," in text
    assert "| line | 0.550 | 0.530 to 0.570 | +0.040 | close, C 1 |" in text
    assert "| last (naive rule) | 0.510 |" in text


def test_an_exploration_assumes_nothing_about_a_prediction():
    brief = BRIEF | {"task": "analysis", "assumed": ["metric", "horizon", "start"], "start": "2024-06-01T00:00:00Z"}
    text = generate_summary(brief, [], None)
    assert "Assumed: start 2024-06-01." in text
    assert "ROC-AUC" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "threshold", "threshold": -0.03, "horizon": "P1D"}, "Whether BTC moves by -3 % within one day"),
        ({"target": "price", "horizon": "PT90M"}, "The price of BTC 90 minutes on"),
        ({"target": "sold", "coins": [], "table": "houses"}, "The column `sold` of houses"),
        ({"task": "analysis"}, "An exploration of BTC"),
        ({"start": "2024-01-01", "end": "2024-02-01"}, "from 2024-01-01 to 2024-02-01"),
        (
            {"start": "2024-01-01T00:00:00+00:00", "end": "2024-02-01T06:30:00Z"},
            "2024-01-01 to 2024-02-01 06:30 (UTC",
        ),
    ],
)
def test_the_question_is_said_in_words(changes, words):
    assert words in generate_summary(BRIEF | changes, [], None)


def test_comparison_is_measured_from_the_best_baseline():
    found = create_comparison_report(CANDIDATES)
    assert found["name"].tolist() == ["line", "last"]
    assert found["ahead"].tolist() == pytest.approx([0.04, 0.0])
    assert "roc_auc" in found.columns
    lower = [candidate(score=2.0, metric="mae"), candidate("last", score=3.0, metric="mae", baseline=True)]
    assert create_comparison_report(lower)["ahead"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("call", "reason", "words"),
    [
        ("edge", "edge", "without acting on them"),
        ("no_edge", "ruled_out", "Do not act"),
        ("inconclusive", "too_few_blocks: has 2 days and needs 5 days", "needs 5 days"),
        ("inconclusive", "wide_interval: 9 days would do", "9 days would do"),
        ("inconclusive", "development: development", "Do not act"),
        ("inconclusive", "refused: one class", "one class"),
        (None, "leak", "leak test names"),
        (None, "replay", "Seed"),
    ],
)
def test_recommendations_follow_the_verdict(call, reason, words):
    found = generate_recommendations(BRIEF, CANDIDATES, verdict(call, reason), [])
    assert words in found[0] + found[1]


def test_recommendations_name_warnings_and_what_was_not_read():
    warning = {"code": "data.gap", "text": "3 bars are missing.", "column": "close", "cell": 2, "line": None}
    found = generate_recommendations(BRIEF, CANDIDATES, verdict(beats={"simple_model": False}), [warning])
    joined = " ".join(found)
    assert "Look at data.gap (column close, cell 2): 3 bars are missing." in joined
    assert "moon" in joined
    assert "simple model" in joined
    assert generate_recommendations({}, [], None)


def test_the_model_card_says_what_it_is_and_is_not():
    card = model_card(
        BRIEF, candidate(), verdict(), features=["ret_1", "rsi"], sealed="18 days", refit=True, versions={"a": "1"}
    )
    for words in ("`ret_1`", "18 days", '{"C": 1}', "No edge was shown", "not scored", "a 1"):
        assert words in card
    edge = model_card(BRIEF, candidate(), verdict("edge", "edge", low=0.01), refit=False)
    assert "No edge was shown" not in edge
    assert "not scored" not in edge

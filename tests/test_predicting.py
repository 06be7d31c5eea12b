"""New rows: history is carried, the scored model answers, and what cannot be is one sentence."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import omc_agent
from omc_agent import cli
from omc_agent.errors import DataError
from omc_agent.tools.data import fetch_price_data
from omc_agent.verbs import Verbs


@pytest.fixture(scope="module")
def bars(market):
    return fetch_price_data(["ETH"], db=market)


@pytest.fixture(scope="module")
def at_once(finished, bars):
    """The sealed span in one go."""
    cut = pd.Timestamp(finished._row["summary"]["things"]["sealed"]["start"])
    return finished.predict(bars[bars["timestamp"] >= cut])


def moved(bars, days):
    """The same bars at another date."""
    return bars.assign(timestamp=bars["timestamp"] + pd.Timedelta(days=days))


def test_the_sealed_span_has_a_probability_at_each_bar_and_is_said_to_be_no_opening(at_once):
    assert list(at_once) == ["coin", "timestamp", "decision_time", "probability"]
    assert at_once["probability"].between(0, 1).all()
    assert (at_once["decision_time"] - at_once["timestamp"]).eq(pd.Timedelta("5min")).all()
    assert str(at_once["timestamp"].dt.tz) == "UTC"
    assert at_once.attrs["refit"] is False
    assert at_once.attrs["history"].startswith("9,216 stored rows of the run")


@pytest.mark.parametrize("place", [0, 1, 700, 2303])
def test_bar_by_bar_is_what_it_is_in_one_go(finished, bars, at_once, place):
    row = bars.loc[[at_once.index[place]]]
    alone = finished.predict(row)
    assert alone.index.equals(row.index)
    assert alone["probability"].iloc[0] == pytest.approx(at_once["probability"].iloc[place], abs=1e-9)


def test_needs_rows_is_enough_and_no_more(finished, bars, at_once):
    needs = finished.needs_rows
    assert 250 <= needs <= 400
    far = moved(bars.tail(needs + 1), 30)
    last = finished.predict(far)["probability"]
    assert np.isfinite(last.iloc[-1])
    # The same prices at the same time of day: the same answer as with all history.
    assert last.iloc[-1] == pytest.approx(at_once["probability"].iloc[-1], abs=1e-7)
    with pytest.raises(DataError, match=f"need {needs} bars"):
        finished.predict(far.tail(needs))


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda b: b.head(0), "data.too_few_rows", "is empty"),
        (lambda b: b.assign(coin="DOGE"), "data.unknown_coin", "made for ETH"),
        (lambda b: b.drop(columns=["volume"]), "data.unreadable", "lacks volume"),
        (lambda b: moved(b, 9), "data.too_few_rows", "are missing between"),
        (lambda b: moved(b, -365), "data.too_few_rows", "before the run's"),
    ],
)
def test_what_cannot_be_predicted_is_one_sentence(finished, bars, change, code, words):
    with pytest.raises(DataError, match=words) as refused:
        finished.predict(change(bars.tail(20)))
    assert refused.value.code == code
    assert "\n" not in refused.value.line()


def test_the_command_line_prints_json_lines_or_writes_csv(finished, bars, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OMC_AGENT_HOME", finished._settings.home)
    bars.tail(3).to_csv(tmp_path / "new.csv", index=False)
    assert cli.main(["predict", finished.id, str(tmp_path / "new.csv")]) == 0
    printed = capsys.readouterr()
    told = [json.loads(line) for line in printed.out.splitlines()]
    assert [set(row) for row in told] == [{"coin", "timestamp", "decision_time", "probability"}] * 3
    assert "was not refitted" in printed.err
    assert cli.main(["predict", finished.id, str(tmp_path / "new.csv"), "--out", str(tmp_path / "out.csv")]) == 0
    written = pd.read_csv(tmp_path / "out.csv")
    assert written["probability"].tolist() == pytest.approx([row["probability"] for row in told])


def test_the_magic_shows_the_frame_or_binds_it(finished, bars, capsys):
    names: dict[str, object] = {}
    verbs = Verbs(finished._settings, print, frame=lambda name: bars.tail(2), bind=names.__setitem__)
    assert len(verbs.call(["predict", finished.id, "new_bars"])) == 2
    assert verbs.call(["predict", finished.id, "new_bars", "-o", "predicted"]) is None
    assert list(names) == ["predicted"]
    assert "History: " in capsys.readouterr().out


def test_no_code_of_the_host_opens_a_model_but_load_model_of_a_person():
    """What a child runs is text here; a name that is called is the host's own."""
    package, opened = Path(omc_agent.__file__).parent, []
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            if called in ("load_model", "get_untrusted_types") or (called == "loads" and "skops" in ast.dump(node)):
                opened.append(str(path.relative_to(package)))
    assert sorted(opened) == ["result.py", "tools/model_files.py", "tools/model_files.py"]

"""Bars of an exchange, fetched over HTTP by the real client: whole, resumed, with gaps and with strange answers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from omc_agent.cli import main
from omc_agent.errors import DataError, UsageError
from omc_agent.tools.data import fetch_price_data
from omc_agent.tools.fetch_report import gaps_of
from omc_agent.tools.fetching import fetch_bars, usable
from tests.tools.exchange_server import START, STEP, Answer, CutError, World, bar, exchange

SINCE = "2024-01-01"
UNTIL = "2024-01-08"  # 2016 bars: three pages
BARS = 2016


@pytest.fixture
def world():
    return World()


@pytest.fixture
def url(world):
    with exchange(world) as there:
        yield there


@pytest.fixture
def db(tmp_path):
    return f"sqlite:///{tmp_path / 'market.db'}"


def fetched(url, db, symbols=("BTC/USDT",), since=SINCE, until=UNTIL, **more):
    waits: list[float] = []
    report = fetch_bars("binance", symbols, db, since, until, base_url=url, sleep=waits.append, **more)
    return report, waits


def stored(db, table="price_data_5min"):
    engine = sa.create_engine(db)
    frame = pd.read_sql(sa.text(f"SELECT * FROM {table} ORDER BY coin_type, timestamp"), engine)
    engine.dispose()
    return frame


def test_a_span_is_fetched_whole_and_the_reader_of_bars_reads_it(url, db, world):
    report, _ = fetched(url, db, ["btc/usdt", "ETHUSDT"])
    assert [(each.symbol, each.coin, each.written) for each in report.symbols] == [
        ("BTC/USDT", "BTC", BARS), ("ETH/USDT", "ETH", BARS)]  # fmt: skip
    assert all(not each.gaps and each.before is None and each.after is None for each in report.symbols)
    frame = stored(db)
    assert list(frame.columns) == ["coin_type", "timestamp", "open", "high", "low", "last", "volume", "market"]
    assert set(frame["market"]) == {"binance BTC/USDT", "binance ETH/USDT"}
    prices = fetch_price_data(["BTC"], db=db)
    assert prices["timestamp"].iloc[0] == pd.Timestamp("2024-01-01", tz="UTC")
    assert len(prices) == BARS
    assert prices["close"].to_numpy() == pytest.approx(
        [bar("BTC", START + n * STEP)[4] for n in range(BARS)], abs=1e-7
    )


def test_the_same_again_asks_for_nothing_and_a_longer_span_for_what_is_missing(url, db, world):
    fetched(url, db, since="2024-01-03", until="2024-01-05")
    world.asked.clear()
    report, _ = fetched(url, db, since="2024-01-03", until="2024-01-05")
    assert (report.symbols[0].written, report.symbols[0].there_before, world.asked) == (0, 576, [])
    report, _ = fetched(url, db)
    assert (report.symbols[0].written, report.symbols[0].there_before) == (BARS - 576, 576)
    times = pd.to_datetime(stored(db)["timestamp"])
    assert times.is_unique
    assert set(times.diff().dropna()) == {pd.Timedelta("5min")}


@pytest.mark.parametrize("seed", range(3))
def test_ended_anywhere_it_goes_on_without_a_hole_or_a_double_row(url, db, world, seed):
    world.outages = [(START + 700 * STEP, START + 720 * STEP)]
    draw = random.Random(seed)

    def end_at(pages):
        def change(_, rows):
            nonlocal pages
            pages -= 1
            if pages < 0:
                raise CutError
            return rows[: draw.randint(1, len(rows))]

        return change

    for _ in range(4):
        world.change = end_at(draw.randint(1, 3))
        with contextlib.suppress(DataError):
            fetched(url, db, since=f"2024-01-0{draw.randint(1, 6)}")
    world.change = lambda _, rows: rows
    report, _ = fetched(url, db)
    assert [(gap.start, gap.bars) for gap in report.symbols[0].gaps] == [(START + 700 * STEP, 20)]
    times = pd.to_datetime(stored(db)["timestamp"])
    assert times.is_unique
    assert len(times) == BARS - 20


def test_the_bar_that_is_being_made_is_left_out(url, db, world):
    now = int(pd.Timestamp.now("UTC").timestamp() * 1000)
    world.first, world.last = now - 100 * STEP, now
    report, _ = fetched(url, db, since="2h", until=None)
    newest = pd.to_datetime(stored(db)["timestamp"]).max().tz_localize("UTC")
    assert newest == pd.Timestamp(report.until, unit="ms", tz="UTC") - pd.Timedelta("5min")
    assert report.until <= int(pd.Timestamp.now("UTC").timestamp() * 1000)
    assert report.symbols[0].written in (23, 24)  # as the clock stands within a bar


def test_gaps_are_told_as_outages_and_not_filled(url, db, world):
    world.first, world.last = START + 100 * STEP, START + 1999 * STEP
    world.outages = [(START + 500 * STEP, START + 512 * STEP), (START + 900 * STEP, START + 901 * STEP)]
    report, _ = fetched(url, db)
    (btc,) = report.symbols
    assert (btc.before.bars, btc.after.bars) == (100, 16)
    assert [(gap.start, gap.end, gap.bars) for gap in btc.gaps] == [
        (START + 500 * STEP, START + 511 * STEP, 12), (START + 900 * STEP, START + 900 * STEP, 1)]  # fmt: skip
    assert btc.asked == btc.written + btc.there_before + 100 + 16 + 13
    said = "\n".join(report.lines())
    assert "2 gaps, 13 bars that the exchange does not have; not filled in" in said
    assert "2024-01-02 17:40 to 2024-01-02 18:35 (12 bars)" in said
    assert report.to_dict()["symbols"][0]["gaps"][1] == {
        "start": "2024-01-04T03:00:00+00:00", "end": "2024-01-04T03:00:00+00:00", "bars": 1}  # fmt: skip


def test_an_outage_that_the_exchange_mends_is_fetched_the_next_time(url, db, world):
    world.outages = [(START + 500 * STEP, START + 512 * STEP)]
    fetched(url, db)
    world.outages = []
    report, _ = fetched(url, db)
    assert (report.symbols[0].written, report.symbols[0].gaps) == (12, [])


def test_duplicated_unordered_and_truncated_answers_are_put_right(url, db, world):
    def change(_, rows):
        rows = rows[: max(len(rows) // 2, 1)]
        return [*rows[::-1], *rows[:3]]

    world.change = change
    report, _ = fetched(url, db, until="2024-01-03")
    assert (report.symbols[0].written, report.symbols[0].gaps) == (576, [])


def test_bars_that_are_none_are_left_out_and_counted(url, db, world):
    bad = {START + 10 * STEP: (1, -5.0), START + 11 * STEP: (4, 0.0), START + 12 * STEP: (2, 1.0),
           START + 13 * STEP: (5, -1.0)}  # fmt: skip

    def change(_, rows):
        for row in rows:
            if row[0] in bad:
                place, value = bad[row[0]]
                row[place] = value
        return [*rows, [START + 20 * STEP + 77, 1.0, 1.0, 1.0, 1.0, 1.0]]

    world.change = change
    report, _ = fetched(url, db, until="2024-01-02")
    (btc,) = report.symbols
    assert (btc.refused, btc.written) == (5, 288 - 4)
    assert [gap.bars for gap in btc.gaps] == [4]
    assert (stored(db)[["open", "high", "low", "last"]] > 0).all(axis=None)


def test_bars_of_another_market_are_not_written(url, db, world):
    fetched(url, db, until="2024-01-02")
    world.change = lambda _, rows: [bar("ETH", row[0]) for row in rows]
    with pytest.raises(DataError, match="two markets") as told:
        fetched(url, db)
    assert told.value.code == "data.exchange"
    assert len(stored(db)) == 288


def test_two_markets_of_one_coin_do_not_go_into_one_table(url, db, world):
    with pytest.raises(UsageError, match="two markets mixed are none"):
        fetched(url, db, ["BTC/USDT", "BTC/USD"])
    fetched(url, db, until="2024-01-02")
    with pytest.raises(DataError, match="--table price_data_5min_binance_usd"):
        fetched(url, db, ["BTC/USD"], until="2024-01-02")
    report, _ = fetched(url, db, ["BTC/USD"], until="2024-01-02", table="price_data_5min_binance_usd")
    assert report.symbols[0].written == 288


def test_bars_of_two_lengths_do_not_go_into_one_table(url, db, world):
    fetched(url, db, until="2024-01-02")
    world.step = 3_600_000
    with pytest.raises(DataError, match="5 minutes long"):
        fetched(url, db, timeframe="1h", table="price_data_5min")
    report, _ = fetched(url, db, timeframe="1h")
    assert (report.table, report.symbols[0].written) == ("price_data_1h", 168)


def test_imported_bars_are_continued_and_simulated_ones_left_alone(url, db, tmp_path, world):
    from omc_agent.demo import write_demo
    from omc_agent.tools.importing import import_bars

    rows = [bar("BTC", START + n * STEP) for n in range(288)]
    frame = pd.DataFrame(rows, columns=["timestamp", "open", "high", "low", "close", "volume"])
    frame.to_csv(tmp_path / "BTC_USDT-5m.csv", index=False)
    import_bars(tmp_path / "BTC_USDT-5m.csv", db)
    report, _ = fetched(url, db, until="2024-01-03")
    assert (report.symbols[0].there_before, report.symbols[0].written) == (288, 288)
    simulated = f"sqlite:///{tmp_path / 'simulated.db'}"
    write_demo(simulated, days=2)
    with pytest.raises(DataError, match="simulated"):
        fetched(url, simulated)


def test_a_table_with_times_of_its_own_form_is_refused(url, db, world):
    engine = sa.create_engine(db)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE price_data_5min (coin_type TEXT, timestamp INTEGER, last REAL)")
        connection.exec_driver_sql(f"INSERT INTO price_data_5min VALUES ('BTC', {START}, 42000)")
    engine.dispose()
    with pytest.raises(DataError, match="a form of its own"):
        fetched(url, db)


def test_it_waits_as_long_as_the_exchange_asks(url, db, world):
    limit = {"code": -1003, "msg": "Too many requests."}
    world.faults = [Answer(429, limit, {"Retry-After": "7"}), Answer(418, limit, {"Retry-After": "30"}),
                    Answer(429, limit), Answer(503, b"<html>busy</html>")]  # fmt: skip
    lines: list[str] = []
    report, waits = fetched(url, db, until="2024-01-02", tell=lines.append)
    assert waits == [7.0, 30.0, 4.0, 8.0]
    assert "binance: it is asked too often; asked again in 7 s" in lines
    assert report.symbols[0].written == 288


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(418, {"code": -1003, "msg": "Banned."}, {"Retry-After": "86400"}), "asks to wait 86,400 s"),
        (Answer(200, b"<html><body>Please sign in</body></html>"), "a web page"),
        (Answer(200, b'[[1704067200000, "42'), "The exchange: "),
        (Answer(200, {"bars": 5}), "The exchange: "),
        (Answer(200, ["none", "of", "these"]), "no bars"),
        (Answer(400, {"code": -1121, "msg": "Invalid symbol."}), "Invalid symbol"),
        (Answer(451, {"code": 0, "msg": "Service unavailable from a restricted location."}), "restricted location"),
    ],
    ids=["banned", "html", "cut off", "an object", "words", "refused", "place"],
)
def test_an_answer_that_is_none_is_one_sentence_and_nothing_is_written(url, db, world, answer, said):
    world.faults = [answer] * 8
    with pytest.raises(DataError) as told:
        fetched(url, db)
    assert told.value.code == "data.exchange"
    assert said in told.value.line()
    assert "\n" not in told.value.line()
    assert len(stored(db)) == 0


def test_a_slow_exchange_is_asked_again(url, db, world, monkeypatch):
    monkeypatch.setattr("omc_agent.tools.exchange.ANSWER_MS", 300)
    world.faults = [Answer(seconds=0.8, body=[])]
    report, waits = fetched(url, db, until="2024-01-02")
    assert (waits, report.symbols[0].written) == ([1.0], 288)


def test_an_exchange_that_answers_for_a_window_is_asked_behind_an_empty_one(url, db, world):
    def window(_, rows):
        since = int(world.asked[-1]["startTime"])
        return [row for row in rows if row[0] < since + 100 * STEP]

    world.first, world.change = START + 350 * STEP, window
    world.outages = [(START + 700 * STEP, START + 1000 * STEP)]
    report, _ = fetched(url, db)
    (btc,) = report.symbols
    assert (btc.before.bars, [gap.bars for gap in btc.gaps], btc.after) == (350, [300], None)


def test_a_market_that_stands_still_costs_few_requests(url, db, world):
    world.last = START + 287 * STEP
    fetched(url, db, until="2024-01-02")
    world.asked.clear()
    report, _ = fetched(url, db)
    assert report.symbols[0].after.bars == BARS - 288
    assert len(world.asked) <= (BARS - 288) // 100 + 1


def test_kraken_gives_its_newest_bars_only_and_the_rest_is_told(url, db, world):
    world.last = START + 1999 * STEP
    report = fetch_bars("kraken", ["BTC/USD"], db, SINCE, "2024-01-07", base_url=url)
    (btc,) = report.symbols
    # It is asked for 1728 bars; the newest 720 of the exchange begin with the 1281st.
    assert (btc.coin, btc.before.bars, btc.written, btc.gaps) == ("BTC", 1280, 448, [])
    assert set(stored(db)["market"]) == {"kraken BTC/USD"}


def test_slips_are_told_with_near_names(url, db):
    for wrong, said in (
        ({"exchange": "binanse"}, "Try binance"),
        ({"symbols": ["BTC/EUR"]}, "BTC/USDT"),
        ({"symbols": ["ETH/USDX"]}, "ETH/USDT"),
        ({"symbols": []}, "names no market"),
        ({"timeframe": "7m"}, "1m, 3m, 5m"),
        ({"timeframe": "1w"}, "1m, 3m, 5m"),
        ({"since": "yesterday-ish"}, "90d, 12h"),
        ({"since": "2024-02-01", "until": "2024-01-01"}, "holds no bar"),
        ({"since": "2999-01-01"}, "holds no bar"),
        ({"db": "sqlite:////no/such/folder/market.db"}, "There is no folder"),
    ):
        given_ = {"exchange": "binance", "symbols": ["BTC/USDT"], "db": db, "since": SINCE, "until": UNTIL, **wrong}
        with pytest.raises((UsageError, DataError)) as told:
            fetch_bars(base_url=url, **given_)
        assert said in told.value.line(), wrong


def test_without_a_network_it_is_one_sentence_and_soon(db):
    waits: list[float] = []
    with pytest.raises(DataError) as told:
        fetch_bars("binance", ["BTC/USDT"], db, base_url="http://127.0.0.1:9", sleep=waits.append)
    assert "it cannot be reached from here" in told.value.line()
    assert "HTTPS_PROXY" in told.value.line()
    assert sum(waits) <= 1.0


def test_without_the_package_it_is_the_pip_line(db, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ccxt", None)
    with pytest.raises(DataError) as told:
        fetch_bars("binance", ["BTC/USDT"], db)
    assert 'pip install "omc-agent[exchange]"' in told.value.line()


def command(url, db, *more):
    return ["fetch", "--exchange", "binance", "--symbols", "BTC/USDT", "--since", SINCE, "--until", UNTIL, "--db", db,
            "--base-url", url, *more]  # fmt: skip


def test_killed_between_two_pages_the_same_command_goes_on(url, db, world, capsys):
    def slow(_, rows):
        time.sleep(0.4)
        return rows[:200]

    world.change = slow
    child = subprocess.Popen([sys.executable, "-m", "omc_agent.cli", *command(url, db)], stderr=subprocess.DEVNULL)
    ends = time.monotonic() + 60
    while time.monotonic() < ends and len(world.asked) < 3:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    before = len(stored(db))
    assert 0 < before < BARS
    world.change = lambda _, rows: rows
    assert main([*command(url, db), "--json"]) == 0
    (btc,) = json.loads(capsys.readouterr().out)["symbols"]
    assert (btc["there_before"], btc["written"], btc["gaps"]) == (before, BARS - before, [])
    assert pd.to_datetime(stored(db)["timestamp"]).diff().dropna().eq(pd.Timedelta("5min")).all()


def test_the_command_shows_progress_and_ends_with_the_line_to_go_on_with(url, db, capsys):
    assert main(command(url, db)) == 0
    said = capsys.readouterr()
    assert (
        said.out.splitlines()[0] == "binance, 5m bars, 2024-01-01 00:00 to 2024-01-08 00:00 UTC, into price_data_5min"
    )
    last = said.out.splitlines()[-1]
    assert last == f"Go on with: omc-agent run 'Predict whether BTC rises over the next hour' --db {db}"
    assert "BTC/USDT 2024-01-08 00:00: 2,016 of 2,016 bars looked for (100%)" in said.err
    assert main(["fetch", "--exchange", "binanse", "--symbols", "BTC/USDT", "--db", db]) == 2


def test_a_goal_is_planned_on_fetched_bars(url, db, tmp_path):
    from omc_agent import face
    from omc_agent.config import settings_with

    fetched(url, db)
    settings = settings_with(None, db=db, home=str(tmp_path / "home"), warm_spare=False, approve="never")
    result = face.start("Predict whether BTC rises over the next hour", settings=settings, plan_only=True).wait()
    assert (result.brief["coins"], result.brief["end"]) == (["BTC"], "2024-01-08T00:00:00+00:00")


NUMBERS = st.one_of(st.floats(), st.integers(-10, 10), st.sampled_from([None, "", "x", "5", "nan", True]))


@given(st.lists(st.one_of(st.lists(NUMBERS, max_size=8), NUMBERS), max_size=12))
def test_whatever_an_exchange_says_only_bars_are_taken(raw):
    bars, refused = usable(raw, 5)
    assert bars.index.is_unique
    assert bars.index.is_monotonic_increasing
    assert (bars.index.to_numpy() % 5 == 0).all()
    assert (bars[["open", "high", "low", "close"]] > 0).all(axis=None)
    assert (bars["high"] >= bars["low"]).all()
    assert not set(refused) & set(bars.index)


@given(st.sets(st.integers(0, 40)))
def test_gaps_and_what_is_there_are_the_whole_grid(there):
    grid = np.arange(0, 41, dtype=np.int64) * STEP
    found = gaps_of(grid, np.array(sorted(there), dtype=np.int64) * STEP, STEP)
    lost = [at for gap in found for at in range(gap.start, gap.end + STEP, STEP)]
    assert sorted([*lost, *(each * STEP for each in there)]) == grid.tolist()
    assert sum(gap.bars for gap in found) == len(lost)

"""Whole runs in which a model behind a provider writes its own features: what is scored, leaks, or never works."""

from __future__ import annotations

import pytest

import omc_agent
from omc_agent.errors import RunError
from tests.conftest import QUICK
from tests.providers import ProviderServer, Turn, as_offline, said

GOAL = "Predict whether ETH rises over the next hour with logistic regression, using the last 20 days"
OWN = "calm = bars['close'].pct_change().rolling(6).std()\nfeatures['own_calm'] = calm"
LEAKING = "later = bars.groupby('coin')['close'].shift(-1)\nfeatures['own_next'] = later / bars['close'] - 1"
NAME, COLUMN = "features['own_calm'] = bar['close'].std()", "features['own_calm'] = bars['clse'].std()"


def run_python(code):
    return said("My own feature.", ("run_python", {"code": code, "kind": "transform", "into": ["features"]}))


def answers_in(turn: Turn) -> list[str]:
    return [message.text for message in turn.messages if message.type == "tool"]


def facts_in(turn: Turn) -> str:
    return next(message.text for message in turn.messages if message.type == "human")


def writes_its_own(turn: Turn):
    """Errs twice, mends it, then leaks; when that is named, makes the features again without it."""
    if "create_features" not in turn.names:
        return as_offline(turn)
    done, second = len(answers_in(turn)), '"leaks": ["own_next"]' in facts_in(turn)
    first = as_offline(turn) if done == 0 else None
    if second:
        steps = [first, run_python(OWN)]
    else:
        steps = [first, run_python(NAME), run_python(COLUMN), run_python(OWN), run_python(LEAKING)]
    return steps[done] if done < len(steps) else said("The features are there.")


@pytest.fixture(scope="module")
def own(market, tmp_path_factory):
    with ProviderServer(writes_its_own) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        result = omc_agent.run(
            GOAL, db=market, model="openai:gpt-4o-mini", approve="never", unsafe_local=True,
            home=str(tmp_path_factory.mktemp("own")), **QUICK,
        )  # fmt: skip
    return result, server


def test_its_feature_gets_through_the_leak_test_and_is_scored_by_replay(own):
    result, _ = own
    assert result.status == "finished"
    assert result.verdict["opened"] == 1
    assert "own_calm" in result.frames["features"]
    assert "own_next" not in result.frames["features"]


def test_the_leak_is_named_with_column_cell_and_line(own):
    result, _ = own
    leak = next(w for w in result.warnings if w["column"] == "own_next")
    assert leak["code"] == "leak"
    cell = next(cell for cell in result.cells if cell["n"] == leak["cell"])
    assert cell["code"].splitlines()[leak["line"] - 1].startswith("features['own_next']")
    assert [stage["name"] for stage in result.stages].count("feature_engineering") == 2


def test_the_model_is_told_line_frames_and_nearest_names(own):
    _, server = own
    told = max((answers_in(turn) for turn in server.turns if "create_features" in turn.names), key=len)
    assert '"text": "features[\'own_calm\'] = bar[' in told[1]
    assert "nearest that there is: bars" in told[1]
    assert "nearest that there is: close" in told[2]


def test_cells_that_failed_are_in_the_record_and_in_no_replay(own):
    result, _ = own
    status = {cell["code"]: cell["status"] for cell in result.cells}
    assert [status[code] for code in (NAME, COLUMN, OWN)] == ["error", "error", "ok"]


def always_errs(turn: Turn):
    if "create_features" not in turn.names:
        return as_offline(turn)
    return run_python(f"features['own'] = nothing_{len(answers_in(turn))}")


def test_a_model_that_always_errs_ends_with_its_work_kept(market, tmp_path):
    with ProviderServer(always_errs) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        with pytest.raises(RunError) as caught:
            omc_agent.run(
                GOAL, db=market, model="openai:gpt-4o-mini", approve="never", unsafe_local=True, home=str(tmp_path),
                **QUICK,
            )  # fmt: skip
    asked = [turn for turn in server.turns if "create_features" in turn.names]
    assert len(asked) == 3  # three rounds, and no fourth is paid for
    assert "nothing_2" in caught.value.line()

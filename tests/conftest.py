"""Fixtures that all tests share: homes of their own, a small market, real bars where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# As a doctest the package that a test installs would be imported from here, not from where it is installed.
collect_ignore = ["offered_package"]
ROOT = Path(__file__).resolve().parent.parent
REAL_BARS = Path(os.environ.get("OMC_AGENT_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    """Each test has a store of its own, and no setting of the machine it runs on."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith("OMC_AGENT_") and name != "OMC_AGENT_TEST_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("OMC_AGENT_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def market(tmp_path_factory) -> str:
    """URL of the embedded simulated market, 100 days, written once."""
    from omc_agent.demo import write_demo

    url = f"sqlite:///{tmp_path_factory.mktemp('market') / 'market.db'}"
    write_demo(url, days=100)
    return url


@pytest.fixture(scope="session")
def real_bars() -> Path:
    """The parquet file of real 5-minute bars."""
    path = REAL_BARS / "binance_5m_10coins_2024.parquet"
    if not path.exists():
        pytest.skip(f"real bars are not at {path}; set OMC_AGENT_TEST_DATA to the folder that holds them")
    return path


@pytest.fixture(scope="session")
def real_market(real_bars, tmp_path_factory) -> str:
    """URL of a database with the real bars, imported once."""
    from omc_agent.tools.importing import import_bars

    url = f"sqlite:///{tmp_path_factory.mktemp('real') / 'real.db'}"
    import_bars(real_bars, url)
    return url


QUICK = {"trials": 1, "folds": 2, "leak_cuts": 4, "warm_spare": False}


@pytest.fixture(scope="session")
def finished(market, tmp_path_factory):
    """One whole run on the simulated market, small but complete; read-only for the tests that share it."""
    import omc_agent

    home = tmp_path_factory.mktemp("finished")
    return omc_agent.run(
        "Predict whether ETH rises over the next hour with logistic regression, using the last 40 days",
        db=market,
        home=str(home),
        **QUICK,
    )


@pytest.fixture(scope="session")
def postgres():
    """A real PostgreSQL on loopback; each test takes a database of its own from it."""
    from tests.servers.postgres import Postgres, why_no_postgres

    if reason := why_no_postgres():
        pytest.skip(reason)
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_stack():
    """A real Redis with JSON and search on loopback, which asks for its password."""
    from tests.servers.redis_stack import PASSWORD, RedisServer, why_no_redis

    if reason := why_no_redis():
        pytest.skip(reason)
    with RedisServer(password=PASSWORD) as server:
        yield server

"""Settings: one list of traits, frozen slices below, and values that do not fit are told in three parts."""

from __future__ import annotations

import dataclasses
import stat

import pytest
from traitlets.config import Config

from omc_agent.config import MB, AgentSettings, Limits, Source, settings_with, with_limits
from omc_agent.errors import UsageError


def test_slices_are_frozen_and_hold_what_was_set():
    settings = settings_with(trials=3, folds=4, memory=512 * MB, wall=9, model="openai:x", seed=7, approve="always")
    assert settings.limits() == Limits(memory=512 * MB, wall=9)
    assert (settings.trust().folds, settings.trust().seed) == (4, 7)
    assert settings.work().trials == 3
    assert (settings.chat().model, settings.chat().seed) == ("openai:x", 7)
    assert settings.gates(interactive=True).approve == "always"
    for made in (settings.limits(), settings.trust(), settings.work(), settings.chat(), settings.source()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.seed = 1


def test_every_setting_has_help_and_is_configurable():
    for name, trait in AgentSettings.class_traits(config=True).items():
        assert trait.help, name


def test_configuration_files_set_them_and_values_go_before():
    base = AgentSettings(config=Config({"AgentSettings": {"trials": 16, "folds": 3}}))
    settings = settings_with(base, trials=2)
    assert (settings.trials, settings.folds) == (2, 3)
    assert base.trials == 16, "the base is left alone"


def test_a_value_of_none_leaves_the_default():
    assert settings_with(None, db=None, trials=None).trials == AgentSettings().trials


@pytest.mark.parametrize(
    ("values", "code", "word"),
    [
        ({"trails": 3}, "usage.flag", "trails"),
        ({"parent": None, "log": 1}, "usage.flag", "log"),
        ({"trials": 0}, "usage.value", "trials=0"),
        ({"trials": "many"}, "usage.value", "many"),
        ({"approve": "sometimes"}, "usage.value", "sometimes"),
        ({"holdout": 0.9}, "usage.value", "holdout=0.9"),
        ({"memory": 1}, "usage.value", "memory=1"),
        ({"leak_cuts": 0}, "usage.value", "leak_cuts"),
    ],
)
def test_what_does_not_fit_is_a_usage_error_that_names_it(values, code, word):
    with pytest.raises(UsageError) as failed:
        settings_with(None, **values)
    assert (failed.value.code, failed.value.exit_code) == (code, 2)
    assert word in failed.value.given
    assert failed.value.have
    assert failed.value.try_


def test_the_seal_and_the_leak_test_cannot_be_switched_off():
    for name in ("holdout", "folds", "leak_cuts"):
        with pytest.raises(UsageError):
            settings_with(None, **{name: 0})


def test_home_is_made_for_its_owner_only(tmp_path):
    home = settings_with(home=str(tmp_path / "new")).resolved_home()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_the_environment_gives_home_and_store(own_home, monkeypatch):
    assert AgentSettings().resolved_home() == own_home.resolve()
    assert AgentSettings().store_url() == f"sqlite:///{own_home.resolve() / 'store.db'}"
    monkeypatch.setenv("OMC_AGENT_DATABASE_URL", "postgresql://h/d")
    assert AgentSettings().store_url() == "postgresql://h/d"
    assert settings_with(database_url="sqlite:///x.db").store_url() == "sqlite:///x.db"


def test_a_database_is_a_url_a_configured_name_or_one_of_the_environment(monkeypatch):
    monkeypatch.setenv("OMC_AGENT_DB_COINS", "sqlite:///coins.db")
    named = settings_with(databases={"market": "sqlite:///market.db"})
    assert settings_with(named, db="market").source().db == "sqlite:///market.db"
    assert settings_with(named, db="coins").source().db == "sqlite:///coins.db"
    assert settings_with(named, db="sqlite:///a.db").source().db == "sqlite:///a.db"
    assert named.source().db is None
    monkeypatch.setenv("OMC_AGENT_DB", "coins")
    assert named.source().db == "sqlite:///coins.db"


def test_an_unknown_database_name_lists_the_known_ones_without_their_urls(monkeypatch):
    monkeypatch.setenv("OMC_AGENT_DB_COINS", "postgresql://me:secret@h/d")
    with pytest.raises(UsageError) as failed:
        settings_with(db="coin", databases={"market": "sqlite:///m.db"}).source()
    assert "coins, market" in failed.value.have
    assert "secret" not in failed.value.line()


def test_the_source_holds_table_target_and_frames():
    source = settings_with(table="loans", target="paid").source({"df": 1})
    assert source == Source(db=None, table="loans", target="paid", frames={"df": 1})
    assert AgentSettings().source().target is None


def test_limits_can_be_replaced_one_by_one():
    assert with_limits(Limits(), wall=3.0) == Limits(wall=3.0)

"""The names the grammar knows."""

from __future__ import annotations

from omc_agent.brief import CLASS_METRICS, CLASSIFIERS, NUMBER_METRICS, REGRESSORS, Metric
from omc_agent.llm import lexicon
from omc_agent.llm.lexicon import COINS


def test_tables_only_name_what_the_brief_takes() -> None:
    models = {name for names in lexicon.MODELS.values() for name in names}
    assert models == {*CLASSIFIERS, *REGRESSORS}
    assert set(lexicon.METRICS.values()) == set(Metric.__args__) - {"log_loss_skill"}  # what decides is not asked for
    assert set(lexicon.INDICATORS.values()) == set(lexicon.ALL_INDICATORS)


def test_symbols_and_names_are_about_sixty_and_unambiguous() -> None:
    names = [name for coin in COINS.values() for name in coin]
    assert len(COINS) >= 60
    assert len(names) == len(set(names))
    assert all(symbol == symbol.upper() for symbol in COINS)


def test_metrics_of_classes_and_of_numbers_part_all_metrics() -> None:
    both = (*CLASS_METRICS, *NUMBER_METRICS)
    assert sorted([*both, "log_loss_skill"]) == sorted(Metric.__args__)


def test_a_move_has_one_sign() -> None:
    assert [lexicon.move_sign(word) for word in ("rises", "dropping", "move", "bitcoin")] == [1, -1, 0, None]
    assert not lexicon.UPWARD & lexicon.DOWNWARD
    assert not lexicon.EITHERWAY & (lexicon.UPWARD | lexicon.DOWNWARD)

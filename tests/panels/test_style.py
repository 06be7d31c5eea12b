"""The style sheet: self-contained, ours alone, and known to the cards."""

import re

from bs4 import BeautifulSoup

from omc_agent.panels.results import show_html
from omc_agent.panels.style import style_block

STATES = {"omc-step", "omc-report", "omc-gate", "omc-live", "omc-stop", "omc-fault", "omc-warn"}


def test_it_loads_nothing_and_cannot_end_early():
    sheet = style_block().removeprefix("<style>").removesuffix("</style>")
    assert not re.search(r"url\(|@import|<|expression|/\*", sheet)
    assert sheet.count("{") == sheet.count("}")


def test_every_rule_is_held_to_our_cards():
    sheet = re.sub(r"@container[^{]*\{", "", style_block().removeprefix("<style>"))
    for rule in re.findall(r"([^{}]+)\{[^{}]*\}", sheet):
        for selector in re.split(r",(?![^(]*\))", rule):
            assert selector.strip().startswith(".omc-card."), selector


def test_every_variable_of_the_theme_has_a_fallback():
    assert not re.search(r"var\(--jp-[\w-]+\)", style_block())


def test_the_cards_use_only_our_classes_and_the_sheet_knows_them(made):
    soup = BeautifulSoup(show_html(made.whole_run()), "html.parser")
    used = {name for tag in soup.find_all(True) for name in tag.get("class", [])}
    known = set(re.findall(r"\.(omc-[\w-]+)", style_block()))
    assert all(name.startswith("omc-") for name in used)
    assert used - known <= STATES

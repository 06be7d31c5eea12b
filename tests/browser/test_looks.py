"""A finished run as it looks: light, dark and narrow. OMC_SHOTS=folder keeps the pictures, to be looked at."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

GOAL = "Predict whether BTC rises over the next hour, using the last 90 days"
# The smallest contrast of any text that stands on the ground of the page, and how far a card sticks out of its cell.
MEASURE = """
() => {
  const channels = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = value => value <= 0.03928 ? value / 12.92 : Math.pow((value + 0.055) / 1.055, 2.4);
  const light = rgb => rgb.slice(0, 3).map(v => linear(v / 255)).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const groundOf = element => {
    for (let at = element; at; at = at.parentElement) {
      const rgb = channels(getComputedStyle(at).backgroundColor);
      if (rgb.length === 3 || (rgb.length === 4 && rgb[3] > 0.99)) return rgb;
    }
    return [255, 255, 255];
  };
  const cards = [...document.querySelectorAll('.omc-card')];
  const texts = cards.flatMap(card => [...card.querySelectorAll('p, h4, td, th, summary, .omc-right, .omc-chip, b')])
    .filter(e => e.innerText.trim() && e.getClientRects().length && !e.closest('.omc-mark, .omc-waiting, .omc-alt'));
  const worst = texts.map(e => {
    const [a, b] = [light(channels(getComputedStyle(e).color)), light(groundOf(e))];
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.innerText.slice(0, 60)];
  }).sort((a, b) => a[0] - b[0])[0];
  const room = document.querySelector('.jp-OutputArea-output').getBoundingClientRect();
  const wide = cards.map(card => [card.scrollWidth - card.clientWidth, card.className, card.getBoundingClientRect().right - room.right]);
  return {cards: cards.length, worst, wide};
}
"""  # noqa: E501 - JavaScript


@pytest.fixture(scope="session")
def stored_run(lab, market):
    """The id of a finished run in the store of the lab."""
    home = lab[1].parent / "agent"
    command = [sys.executable, "-m", "omc_agent.cli", "run", GOAL, "--db", market, "--trials", "2", "--id", "looks"]
    subprocess.run(command, env={**os.environ, "OMC_AGENT_HOME": str(home)}, check=True, capture_output=True)
    return "looks"


@pytest.mark.parametrize(
    ("name", "theme", "width"),
    [
        ("light", "JupyterLab Light", 1100),
        ("dark", "JupyterLab Dark", 1100),
        ("narrow", "JupyterLab Light", 700),
        ("narrow-dark", "JupyterLab Dark", 700),
    ],
)
def test_all_text_can_be_read_and_nothing_sticks_out(notebook, stored_run, name, theme, width):
    nb = notebook("%load_ext omc_agent", f"%agent show {stored_run}", height=9000, width=width, theme=theme)
    nb.run_all()
    nb.wait_done(1, 60)
    nb.cell(1).locator(".omc-report").first.wait_for(timeout=20_000)
    nb.page.wait_for_timeout(500)  # a theme fades in
    nb.shot(f"looks-{name}")
    seen = nb.page.evaluate(MEASURE)
    assert seen["cards"] > 10
    ratio, text = seen["worst"]
    assert ratio >= 4, f"contrast {ratio:.1f} of {text!r}"
    for inner, card, outer in seen["wide"]:
        assert inner <= 1, f"{card} holds something that is {inner} px too wide"
        assert outer <= 1, f"{card} sticks out of its cell by {outer} px"

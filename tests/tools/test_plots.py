"""The house style is a loan: readable on light and dark, and given back."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from omc_agent.tools.plots import INK, PALETTE, colour, house_style, new_axes, thin

mpl.use("agg")


def luminance(name):
    channel = np.array(to_rgb(name))
    linear = np.where(channel <= 0.03928, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, two):
    high, low = sorted([luminance(one), luminance(two)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", ["#ffffff", "#111111"])
def test_ink_and_palette_show_on_light_and_dark(ground):
    assert contrast(INK, ground) >= 4.0
    assert min(contrast(one, ground) for one in PALETTE) >= 2.0


def test_the_style_ends_with_its_context_also_after_an_error():
    before = dict(mpl.rcParams)
    with house_style():
        assert mpl.rcParams["figure.facecolor"] == "none"
    assert dict(mpl.rcParams) == before
    with pytest.raises(KeyError), house_style():
        mpl.rcParams["no.such"]
    assert dict(mpl.rcParams) == before


def test_new_axes_are_labelled_and_stay_open():
    plt.close("all")
    with house_style():
        figure, axes = new_axes("Price", "time (UTC)", "USDT")
    assert plt.fignum_exists(figure.number)
    assert figure.get_size_inches().tolist() == [8.0, 3.0]
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == ("Price", "time (UTC)", "USDT")
    plt.close("all")


def test_thinning_keeps_the_ends_and_the_limit():
    for length in (1, 2, 1500, 10_000):
        kept = thin(length, most=100)
        assert len(kept) <= 100
        assert kept[0] == 0
        assert kept[-1] == length - 1
    assert colour(len(PALETTE)) == PALETTE[0]

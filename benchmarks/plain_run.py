"""The recorded cells of a run, its leak test and its scoring as a plain script: what the agent is compared with.

Reads the record that `bench_goal.py` wrote, imports everything first, then times itself and prints seconds.
"""

from __future__ import annotations

import io
import json
import sys
import time
import warnings

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

import omc_agent.tools as tools
from omc_agent.tools import bootstrap, data, leakage, verdict  # noqa: F401 - imported before the clock starts
from omc_agent.tools.analysis import clean_data
from omc_agent.tools.splits import seal
from omc_agent.tools.targets import make_target
from omc_agent.tools.verdict import call_verdict


def namespace(**frames):
    """What a stage starts with."""
    names = {name: getattr(tools, name) for name in tools.__all__}
    return {"np": np, "pd": pd, "plt": plt, "sns": sns, **names, **frames}


def run(code: str, names: dict) -> None:
    """One cell; its figures are rendered to PNG as the inline backend does."""
    exec(compile(code, "<cell>", "exec"), names)
    for number in plt.get_fignums():
        plt.figure(number).savefig(io.BytesIO(), format="png", bbox_inches="tight")
    plt.close("all")


def features_of(cells, prices):
    names = namespace(prices=prices)
    for cell in cells:
        if cell["kind"] == "transform":
            run(cell["code"], names)
    return names["features"]


def leak_test(cells, prices, reference, cuts, horizon):
    found = leakage.compare(reference, features_of(cells, prices), None, horizon)
    for number, cut in enumerate(cuts):
        for other in (leakage.truncate(prices, cut), leakage.scramble(prices, cut, seed=number)):
            found += leakage.compare(reference, features_of(cells, other), cut, horizon)
    return found


def whole(record: dict) -> None:
    brief = record["brief"]
    prices = data.fetch_price_data(brief["coins"], brief["start"], brief["end"], record["db"])
    prices, sealed = seal(prices, fraction=0.2, horizon=brief["horizon"])
    names = namespace(prices=prices, candidates=record["candidates"], brief=brief, verdict=None, warnings=[])
    for cell in record["cells"]:
        if cell["where"] == "sandbox" and cell["stage"] not in ("scoring", "reporting"):
            run(cell["code"], names)
    cells = [cell for cell in record["cells"] if cell["stage"] not in ("scoring", "reporting")]
    features = names["features"]
    leak_test(cells, prices, features, leakage.cut_points(prices, k=8, seed=0), brief["horizon"])

    for cell in record["cells"]:
        if cell["stage"] == "scoring":
            scoring_cell = cell["code"]
            if "save_model" in scoring_cell:
                run(scoring_cell, names)
    joined = pd.concat([prices, sealed]).sort_index()
    replayed = features_of(cells, joined)
    leakage.compare(features, replayed, features["timestamp"].max(), brief["horizon"])
    names["features"] = replayed
    run(scoring_cell, names)
    leak_test(cells, joined, replayed, leakage.cut_points(sealed, k=4, seed=0), brief["horizon"])
    target = make_target(clean_data(joined), target=brief["target"], horizon=brief["horizon"])
    scored = joined[["coin", "timestamp"]].join(target).reindex(sealed.index)
    chosen = record["choice"]["oof"]
    candidates = [c for c in record["candidates"] if not c["baseline"]]
    call_verdict(
        scored.join(names["predictions"].reindex(sealed.index)),
        names[chosen].join(features[["naive_last", "naive_day"]]),
        task=brief["task"], horizon=brief["horizon"], claimed=record["choice"]["score"],
        trials=sum(c["trials"] for c in candidates), oof_trials=[names[c["oof"]] for c in candidates],
    )  # fmt: skip
    for cell in record["cells"]:
        if cell["stage"] == "reporting":
            run(cell["code"], {**names, "verdict": record["verdict"]})


def main() -> None:
    warnings.simplefilter("ignore")
    with open(sys.argv[1]) as file:
        record = json.load(file)
    wall, cpu = time.monotonic(), time.process_time()
    whole(record)
    print(json.dumps({"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main()

"""Model files that load, and kill whoever predicts: the root of a tree points to a child that is not there."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

FAR = 2**28


def tamper_skops(data: bytes) -> bytes:
    """A skops file of scikit-learn trees with such a root in each."""
    made, changed = io.BytesIO(), 0
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".npy"):
                values = np.load(io.BytesIO(content), allow_pickle=False)
                if values.dtype.names and "left_child" in values.dtype.names:
                    values["left_child"][0] = values["right_child"][0] = FAR
                    out = io.BytesIO()
                    np.save(out, values, allow_pickle=False)
                    content, changed = out.getvalue(), changed + 1
            target.writestr(name, content)
    assert changed, "no tree in it"
    return made.getvalue()


XGBOOST = """
import json, sys
import pandas as pd, xgboost
from omc_agent.tools import save_model, train_classification_model
features = pd.read_feather(sys.argv[1])
model = train_classification_model(features, model="xgboost", seed=0)
last = model.steps[-1][1]
last = getattr(last, "estimator_", getattr(last, "estimator", last))
told = json.loads(bytes(last.get_booster().save_raw("json")))
for tree in told["learner"]["gradient_booster"]["model"]["trees"]:
    tree["left_children"][0] = tree["right_children"][0] = int(sys.argv[3])
booster = xgboost.Booster()
booster.load_model(bytearray(json.dumps(told).encode()))
last._Booster = booster
save_model(model, sys.argv[2])
"""


def tampered_xgboost(features, folder: Path) -> bytes:
    """A skops file of an XGBoost model, made of tampered JSON; in a process of its own, for it is dangerous."""
    features.reset_index(drop=True).to_feather(folder / "features.feather")
    command = [sys.executable, "-c", XGBOOST, str(folder / "features.feather"), str(folder / "bad.skops"), str(FAR)]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "bad.skops").read_bytes()

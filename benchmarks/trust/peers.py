"""Runs in the peers' own environment: bundled data sets to Parquet, and one fit of one peer on a given split.

Nothing of our package is imported here. Called as ``peers.py data FOLDER`` or ``peers.py fit JOB.json``.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

# Bundled with statsmodels: what is predicted, and the columns that would give it away.
TABLES = {
    "fair": ("affair", ["affairs"]),
    "randhie": ("mdvis", []),
    "anes96": ("vote", []),
    "modechoice": ("choice", []),
    "star98": ("share_above", ["NABOVE", "NBELOW"]),
    "heart": ("survival", []),
    "spector": ("GRADE", []),
}
RANDHIE_ROWS = 4_000
SCIKIT = ("breast_cancer", "wine", "iris", "digits", "diabetes")


def write_data(folder: Path) -> None:
    """All sets as Parquet: column `target`, for a series `timestamp` and `target`."""
    from sklearn import datasets as bundled
    from statsmodels import datasets

    for name in SCIKIT:
        frame = getattr(bundled, f"load_{name}")(as_frame=True).frame
        if name != "diabetes":  # classes are words, so that nobody takes them for numbers
            frame["target"] = "c" + frame["target"].astype(str)
        frame.to_parquet(folder / f"{name}.parquet")
    for name, (target, away) in TABLES.items():
        frame = getattr(datasets, name).load_pandas().data
        if name == "fair":
            frame["affair"] = np.where(frame["affairs"] > 0, "yes", "no")
        if name == "star98":
            frame["share_above"] = frame["NABOVE"] / (frame["NABOVE"] + frame["NBELOW"])
        if name == "randhie":
            frame = frame.sample(RANDHIE_ROWS, random_state=0)
        frame = frame.drop(columns=away).rename(columns={target: "target"}).reset_index(drop=True)
        if name in ("anes96", "modechoice", "spector"):
            frame["target"] = "c" + frame["target"].astype(int).astype(str)
        frame.to_parquet(folder / f"{name}.parquet")
    write_series(folder, datasets)


def write_series(folder: Path, datasets) -> None:
    """Series with a time each; gaps of co2 are filled with the value before."""
    sun, nile = datasets.sunspots.load_pandas().data, datasets.nile.load_pandas().data
    nino, macro = datasets.elnino.load_pandas().data, datasets.macrodata.load_pandas().data
    co2 = datasets.co2.load_pandas().data["co2"].ffill()
    months = nino.melt(id_vars="YEAR", var_name="month", value_name="target")
    year = months["YEAR"].astype(int).astype(str)
    months["timestamp"] = pd.to_datetime(year + months["month"].str.title(), format="%Y%b")
    quarter = macro["year"].astype(int).astype(str) + "Q" + macro["quarter"].astype(int).astype(str)
    series = {
        "sunspots": (_years(sun["YEAR"]), sun["SUNACTIVITY"]),
        "nile": (_years(nile["year"]), nile["volume"]),
        "co2": (co2.index, co2),
        "elnino": (months["timestamp"], months["target"]),
        "macrodata": (pd.PeriodIndex(quarter, freq="Q").to_timestamp(), macro["realgdp"]),
    }
    for name, (times, values) in series.items():
        frame = pd.DataFrame({"timestamp": np.asarray(times, "datetime64[us]"), "target": np.asarray(values, float)})
        frame.sort_values("timestamp", ignore_index=True).to_parquet(folder / f"series_{name}.parquet")


def _years(values: pd.Series) -> pd.DatetimeIndex:
    return pd.to_datetime(values.astype(int).astype(str), format="%Y")


def fit(job: dict) -> dict:
    """Fit one system on `train`, predict `test`; predictions go to `out` as Parquet, what it claims is returned.

    `metric` is what it is told to care for: ``roc_auc``, ``log_loss``, ``accuracy``, ``rmse`` or ``mae``.
    """
    train, test = pd.read_parquet(job["train"]), pd.read_parquet(job["test"])
    X, y = train.drop(columns="target"), train["target"]
    began, cpu = time.monotonic(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, claimed = SYSTEMS[job["system"].split()[0]](X, y, job)
        said = _said(model, test[X.columns], job)
    said.to_parquet(job["out"])
    wall, spent = time.monotonic() - began, time.process_time() - cpu
    return {"claimed": claimed, "wall": wall, "cpu": spent, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Most resident memory since this program was loaded; `ru_maxrss` would count the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), float("nan"))


def _said(model, X: pd.DataFrame, job: dict) -> pd.DataFrame:
    if job["task"] == "regression":
        return pd.DataFrame({"prediction": np.asarray(model.predict(X), float)})
    classes = [str(each) for each in model.classes_]
    return pd.DataFrame(np.asarray(model.predict_proba(X), float), columns=classes)


def _flaml(X: pd.DataFrame, y: pd.Series, job: dict):
    from flaml import AutoML

    automl = AutoML()
    split = {"split_type": "time"} if job["system"] == "flaml time" else {}
    automl.fit(X, y, task=job["task"], metric=job["metric"], time_budget=job["seconds"], n_jobs=1, verbose=0,
               seed=job["seed"], **split)  # fmt: skip
    if automl.model is None:
        raise RuntimeError("no model within the budget")
    loss = automl.best_loss
    return automl, 1 - loss if job["metric"] in ("roc_auc", "accuracy") else loss


def _hgb(X: pd.DataFrame, y: pd.Series, job: dict):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline

    kind = HistGradientBoostingRegressor if job["task"] == "regression" else HistGradientBoostingClassifier
    return _fitted(make_pipeline(_coded(X), kind(random_state=job["seed"])), X, y, job)


def _linear(X: pd.DataFrame, y: pd.Series, job: dict):
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = job["task"] == "regression"
    last = RidgeCV(np.logspace(-3, 3, 13)) if regression else LogisticRegression(max_iter=2_000)
    return _fitted(make_pipeline(_coded(X, fill=True), StandardScaler(), last), X, y, job)


def _constant(X: pd.DataFrame, y: pd.Series, job: dict):
    from sklearn.dummy import DummyClassifier, DummyRegressor

    middle = "median" if job["metric"] == "mae" else "mean"
    model = DummyRegressor(strategy=middle) if job["task"] == "regression" else DummyClassifier(strategy="prior")
    return model.fit(X, y), None


def _fitted(pipeline, X: pd.DataFrame, y: pd.Series, job: dict):
    """Fitted, and what shuffled folds claim for it where the job asks for that."""
    claimed = None
    if job.get("claim"):
        from sklearn.model_selection import KFold, cross_val_score

        folds = KFold(5, shuffle=True, random_state=job["seed"])
        claimed = float(cross_val_score(pipeline, X, y, cv=folds, scoring=job["metric"]).mean())
    return pipeline.fit(X, y), claimed


def _coded(X: pd.DataFrame, fill: bool = False):
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    numbers = list(X.select_dtypes("number"))
    words = [name for name in X if name not in numbers]
    middle = SimpleImputer(strategy="median") if fill else "passthrough"
    coder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer([("numbers", middle, numbers), ("words", coder, words)])


SYSTEMS = {"flaml": _flaml, "hgb": _hgb, "linear": _linear, "constant": _constant}

if __name__ == "__main__":
    if sys.argv[1] == "data":
        write_data(Path(sys.argv[2]))
    else:
        with open(sys.argv[2]) as file:
            print(json.dumps(fit(json.load(file))))

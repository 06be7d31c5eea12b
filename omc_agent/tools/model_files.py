"""A model in a file that can be read without running it."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import skops.io
from sklearn.pipeline import Pipeline

from omc_agent.errors import DataError

# What our own pipelines hold beyond the types that skops trusts by itself. A file that names any other type is
# refused unread. The two kinds of tree are C structures: a tampered one can crash whoever predicts with it.
TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        "omc_agent.tools.coded.CodedClassifier",
        "omc_agent.tools.level.LevelRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
    }
)


def save_model(model: Pipeline, path: str | Path) -> str:
    """Write a fitted pipeline in skops' format, which holds data and names of types but no code to run.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline of this module.
    path : str or Path
        The file, overwritten if there.

    Returns
    -------
    str
        SHA-256 of the file, in hex.
    """
    skops.io.dump(model, path)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def load_model(path: str | Path, sha256: str | None = None) -> Pipeline:
    """Read a pipeline that `save_model` wrote.

    Parameters
    ----------
    path : str or Path
        The file.
    sha256 : str, optional
        What `save_model` returned. Give it where you have it: the list of types keeps foreign code out, only
        the hash shows that nobody changed the numbers.

    Returns
    -------
    Pipeline

    Raises
    ------
    DataError
        ``data.unreadable`` for another hash, a type outside ``TRUSTED_TYPES``, or no skops file at all.
    """
    try:
        content = Path(path).read_bytes()
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise _refused(path, "its SHA-256 is another one")
        foreign = sorted(set(skops.io.get_untrusted_types(data=content)) - TRUSTED_TYPES)
        if foreign:
            raise _refused(path, f"it holds {', '.join(foreign)}")
        model = skops.io.loads(content, trusted=sorted(TRUSTED_TYPES))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as problem:
        raise _refused(path, f"{type(problem).__name__}: {problem}") from problem
    if not isinstance(model, Pipeline):
        raise _refused(path, f"it holds a {type(model).__name__}, not a pipeline")
    return model


def _refused(path: str | Path, why: str) -> DataError:
    return DataError(
        "data.unreadable",
        given=f"The model file {Path(path).name} was refused: {why}.",
        have="Only pipelines that save_model wrote are read.",
        try_="Try the file and the SHA-256 that the run's artifacts list.",
    )

"""How wide the last bars were, for a model that asks how nervous the market is."""

import pandas as pd

from omc_agent.tools.offering import offer


@offer("feature_engineering", kind="transform", into=("features",))
def add_bar_range(features: pd.DataFrame, window: int = 12) -> pd.DataFrame:
    """The features frame with the mean range of the last bars as the column `bar_range`.

    Parameters
    ----------
    features : DataFrame
        A features frame with `range`, made by create_features.
    window : int
        Length in bars.
    """
    mean = features.groupby("coin", observed=True)["range"].transform(lambda each: each.rolling(window).mean())
    return features.assign(bar_range=mean)

"""A run that came to its end: its results, its files and its model, over REST."""

from __future__ import annotations

import hashlib

import pandas as pd
import pytest

from omc_agent.tools.data import fetch_price_data
from tests.server.conftest import serving


@pytest.fixture(scope="module")
def client(finished, tmp_path_factory):
    """A client of a server on the home of that run."""
    home = finished.workspace.parent.parent
    with serving(tmp_path_factory.mktemp("whole"), OMC_AGENT_HOME=str(home)) as running:
        yield running.client


def test_results_and_files_are_those_of_the_run(client, finished):
    assert client.get(f"/sessions/{finished.id}/results").json() == finished.to_dict()
    listed = client.get(f"/sessions/{finished.id}/artifacts").json()["artifacts"]
    assert {"report.html", "model.skops"} <= {each["name"] for each in listed}
    for each in listed:
        got = client.get(each["url"])
        assert hashlib.sha256(got.content).hexdigest() == each["sha256"]
        assert len(got.content) == each["size"]


def test_rows_are_predicted_as_in_the_notebook(client, finished, market):
    bars = fetch_price_data(["ETH"], db=market).tail(3)
    rows = bars.assign(timestamp=bars["timestamp"].astype(str)).to_dict("records")
    told = client.post(f"/sessions/{finished.id}/predict", {"rows": rows}).json()
    made = finished.predict(pd.DataFrame(rows))
    assert [row["probability"] for row in told["predictions"]] == pytest.approx(made["probability"].tolist())
    assert told["lines"] == made.attrs["lines"]
    assert told["refit"] is False


def test_rows_that_cannot_be_predicted_are_refused(client, finished):
    for rows, status, code in (
        ([{"x": 1}], 400, "data."),
        ([], 400, "usage.value"),
        ("all", 400, "usage.value"),
    ):
        answer = client.post(f"/sessions/{finished.id}/predict", {"rows": rows})
        assert answer.status_code == status, answer.text
        assert answer.json()["code"].startswith(code)

"""The verbs of ``omc-agent`` that go to a service outside: a run to MLflow, bars from an exchange."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

Add = Callable[..., argparse.ArgumentParser]


def add_verbs(verbs: Any, add: Add, store: Callable[[], Any]) -> None:
    """Add them to the parser; `add` makes one, `store` opens the store when it is needed."""
    each = add(verbs, "mlflow", lambda parsed: _mlflow(parsed, store()), "send a finished run to MLflow")
    each.add_argument("id", help="the run")
    each.add_argument("--uri", default=None, metavar="URI", help="tracking URI, in place of the setting")
    each.add_argument("--experiment", default=None, metavar="NAME", help="MLflow experiment")
    each.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _mlflow(parsed: argparse.Namespace, store: Any) -> int:
    from omc_agent.config import settings_with
    from omc_agent.tracking.sending import send_again

    settings = settings_with(None, mlflow_uri=parsed.uri, mlflow_experiment=parsed.experiment)
    sent = send_again(store, parsed.id, settings)
    print(json.dumps(sent.to_dict()) if parsed.json else sent.line())
    return 0

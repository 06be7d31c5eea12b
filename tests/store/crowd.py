"""One process of a crowd on one store: writes and reads for some seconds, and says what it did as JSON.

``python tests/store/crowd.py URL NAME RUN SECONDS WORKSPACES``
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from omc_agent.events import Reason
from omc_agent.store.database import open_database
from omc_agent.store.leases import Leases, new_owner
from omc_agent.store.records import SessionManager


def work(url: str, name: str, shared: str, seconds: float, workspaces: Path) -> dict[str, object]:
    """Be an engine of a run of its own, and a person to the shared one."""
    store = SessionManager(open_database(url))
    own, owner, leases = f"own-{name}", new_owner(), Leases(store.engine)
    store.create(f"goal of {name}", workspaces=workspaces, model="offline", settings={}, session_id=own)
    assert leases.take(own, owner)
    until, n, heard, failures = time.monotonic() + seconds, 0, [], []
    while time.monotonic() < until:
        n += 1
        key = f"{name}-{n}"
        try:
            store.append(own, own, [(key, Reason(text=key)), (f"{key}b", Reason(text="b"))], owner=owner)
            store.append(shared, shared, [(key, Reason(text=key))])
            store.send(shared, "say", {"text": key}, sent_by=name)
            store.open_request(own, own, f"q-{key}", owner=owner, gate="code", stage="planning", payload={})
            store.decide(f"q-{key}", {"type": "approve"}, name)
            store.record_cell(own, own, owner=owner, key=key, n=n, stage="planning", where="host", kind="look",
                              code="1", status="ok")  # fmt: skip
            assert leases.renew(own, owner)
            assert not leases.take(own, new_owner())
            heard += [row["payload"]["text"] for row in store.take_inbox(shared)]
            store.list(limit=20)
            store.count(status="running")
            store.told(shared, after_seq=max(0, n - 5), limit=20)
        except Exception as error:  # every one is a failure, whatever it is
            failures.append(f"{type(error).__name__}: {error}"[:300])
    leases.release(own, owner)
    store.engine.dispose()
    return {"name": name, "n": n, "heard": heard, "failures": failures}


if __name__ == "__main__":
    told = work(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), Path(sys.argv[5]))
    print(json.dumps(told))

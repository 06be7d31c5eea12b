"""The same attacks with an ordinary user as the host: no root, no user of its own for the children."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from omc_agent.sandbox.wall import bubblewrap, entry

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
UID = 54_321


@pytest.mark.timeout(600)
def test_every_attack_fails_for_an_ordinary_user_too(tmp_path_factory):
    """They run again as that user, with the zygote; ``make test-attacks`` adds the rest."""
    if os.getuid():
        pytest.skip("the tests are run by an ordinary user already, so the other files have shown it")
    home = Path(f"/tmp/omcuser{os.getpid()}")  # short: sockets lie below it
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    os.chown(home, UID, UID)
    order = {"uid": UID, "paths": [*bubblewrap.readable(), str(ROOT), str(home)]}
    ways = [] if os.environ.get("OMC_ALL_WAYS") else ["-k", "not pool and not bomb and not planted and not stream"]
    command = [
        sys.executable, "-I", "-S", entry.__file__, json.dumps(order),
        sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:cov", "--rootdir", str(ROOT),
        str(HERE), f"--ignore={__file__}", *ways,
    ]  # fmt: skip
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    shutil.rmtree(home, ignore_errors=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed.group(1)) > 150, done.stdout[-500:]

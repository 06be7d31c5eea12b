"""The cells that exported notebooks share, and the two forms a list of them is written in: notebook and script."""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Sequence
from typing import Any

SETUP = '''\
import json
import os

import matplotlib

if "get_ipython" not in globals():  # a script has no page to show figures on
    matplotlib.use("Agg")
{prelude}
from omc_agent.tools.analysis import clean_data
from omc_agent.tools.data import fetch_price_data, fetch_table
from omc_agent.tools.fingerprint import fingerprint
from omc_agent.tools.leakage import compare, cut_points, merge, scramble, truncate
from omc_agent.tools.prices_table import find_roles
from omc_agent.tools.rule import freeze_rule
from omc_agent.tools.sealing import seal
from omc_agent.tools.stored_time import parse_times
from omc_agent.tools.tuning import trial_frames
from omc_agent.tools.verdict import call_verdict

SEED = {seed}
STATE, CHECKS = {{}}, []


def plain(value):
    """A value as JSON holds it."""
    if isinstance(value, dict):
        return {{str(key): plain(item) for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def save_state(name, value):
    """A fit cell learns from development rows and writes what it learned."""
    STATE[name] = plain(value)


def load_state(name):
    """A transform cell reads it, also where sealed rows stand behind the development rows."""
    return STATE[name]


def check(what, now, recorded):
    """Compare with the record; numbers within 1e-9 of their size."""
    same = now == recorded
    if isinstance(now, float) and isinstance(recorded, float):
        same = abs(now - recorded) <= 1e-9 * max(1.0, abs(recorded))
    CHECKS.append({{"what": what, "now": now, "recorded": recorded, "same": same}})
    print(f"{{what}}: {{'same' if same else f'{{now}} now, {{recorded}} in the record'}}")'''

LEAK_TEST = """\
cuts = cut_points({name}, k={cuts}, seed=SEED)
found = compare(features, make_features({name}), None, {horizon!r})
for number, cut in enumerate(cuts):
    for future in (truncate({name}, cut), scramble({name}, cut, seed=number)):
        found += compare(features, make_features(future), cut, {horizon!r})
check("features that change with the future", len(merge(found, of=2 * len(cuts))), 0)"""

END = """\
checks = pd.DataFrame(CHECKS)
different = checks.loc[~checks["same"], "what"].tolist()
assert not different, f"It does not come out as recorded: {', '.join(different)}"
print(f"All {len(checks)} checks are as recorded.")"""


def as_function(name: str, codes: Sequence[str]) -> str:
    """The transform cells as one function of the rows, so that they can run on other rows too.

    Examples
    --------
    >>> print(as_function("rows", ["features = rows + 1"]))
    def make_features(rows):
        \"\"\"The transform cells, on any rows.\"\"\"
        features = rows + 1
        return features
    """
    head = f'def make_features({name}):\n    """The transform cells, on any rows."""\n'
    body = "\n".join(codes)
    made = f"{head}{textwrap.indent(body, '    ')}\n    return features"
    try:
        inside = ast.parse(made).body[0].body[1:-1]  # type: ignore[attr-defined]
        if [ast.dump(each) for each in inside] == [ast.dump(each) for each in ast.parse(body).body]:
            compile(made, "cell", "exec")
            return made
    except SyntaxError:  # such as an `import *`, which no function may hold
        pass
    return (f"CELLS = {list(codes)!r}\n\n\n{head}    names = {{**globals(), {name!r}: {name}}}\n"
            f"    for code in CELLS:\n        exec(code, names)\n    return names['features']")  # fmt: skip


def as_notebook(cells: Sequence[tuple[str, str]]) -> str:
    """The text of a notebook, the same for the same cells: pairs of kind (markdown or code) and source."""
    made: list[dict[str, Any]] = []
    for number, (kind, source) in enumerate(cells, start=1):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number:03d}", "metadata": {}}
        cell["source"] = source.splitlines(keepends=True)
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}}}
    return json.dumps({**whole, "nbformat": 4, "nbformat_minor": 5}, indent=1, sort_keys=True) + "\n"


def as_script(cells: Sequence[tuple[str, str]]) -> str:
    """The same as a script: text becomes comments."""
    parts = []
    for kind, source in cells:
        parts.append(textwrap.indent(source, "# ", lambda line: True).replace("# \n", "#\n")
                     if kind == "markdown" else source)  # fmt: skip
    return "\n\n".join(parts) + "\n"

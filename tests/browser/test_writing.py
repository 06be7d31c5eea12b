"""The words of a model appear in the cell while it writes, and go with Stop."""

from __future__ import annotations

import time

import pytest

from tests.providers import ProviderServer, Reply, in_turn

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]

TEXT = (
    "I read the goal as one about <b>Bitcoin</b> & the next hour, with the last ninety days of five-minute bars."
    " Before I plan I look at what the table holds, because <script>alert(1)</script> a span that ends early would"
    " change what can be shown at all."
)
GOAL = "Predict whether BTC rises over the next hour"
CODE = "\n".join(f"lag_{n} = prices['close'].shift({n})  # {n} bars back" for n in range(1, 41))


def test_words_and_code_grow_in_the_cell_and_stop_takes_them_away(notebook, market):
    answer = Reply(TEXT, [("run_python", {"code": CODE, "kind": "look"})])
    with ProviderServer(in_turn(answer), pause=0.2) as server:
        load = f"import os\nos.environ.update({server.environment()!r})\n%load_ext omc_agent"
        nb = notebook(load, f"%%agent -m openai:gpt-5 --db {market}\n{GOAL}", height=700)
        nb.run(0)
        nb.wait_done(0)
        nb.run(1)
        words = nb.cell(1).locator(".omc-writing")
        words.get_by_text("next hour").wait_for(timeout=60_000)
        early = words.inner_text()
        nb.shot("writing-words")
        words.get_by_text("<script>alert(1)</script>").wait_for(timeout=20_000)
        assert words.inner_text().startswith(early.removesuffix(early.split()[-1]))
        assert words.locator("b, script").count() == 0
        words.get_by_text("writing code").wait_for(timeout=20_000)
        words.get_by_text("lag_5").wait_for(timeout=20_000)
        nb.shot("writing-code")

        assert server.left == []
        nb.interrupt()
        pressed = time.monotonic()
        nb.page.wait_for_function(
            "() => jupyterapp.shell.currentWidget.content.widgets[1].model.outputs.toJSON().some(o => o.ename)",
            timeout=10_000,
        )
        assert server.left == [0]
        print(f"the connection was closed {server.left_at[0] - pressed:.2f} s after the interrupt")
        assert words.count() == 0
        nb.shot("writing-stopped")
        assert "I read the goal" not in nb.text(1)

"""What a person does while a run waits: read, edit, choose, type, stop, reload, come back."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

LOAD = "%load_ext omc_agent"
GOAL = "%%agent --db {} --trials 1 --approve always --id {}\nPredict whether ETH rises over the next hour with {}" \
       ", using the last 12 days"  # fmt: skip
# A model that writes one cell of its own in the analysis, and else does what the offline model does.
FREE = """
import omc_agent.thinking
from omc_agent.llm.chat import OpenModel
from omc_agent.llm.offline import OfflineChatModel

class Writes(OfflineChatModel):
    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        made = super()._generate(messages, stop, None, **kwargs)
        tools = [tool["function"]["name"] for tool in kwargs.get("tools", [])]
        call = made.generations[0].message.tool_calls
        if call and call[0]["name"] == "perform_eda" and "perform_eda" in tools:
            if not any("run_python" in str(m.tool_calls) for m in messages if hasattr(m, "tool_calls")):
                call[0].update(name="run_python", args={"code": "print('as it was written', 1 + 1)"})
        return made

if not hasattr(omc_agent.thinking, "ours"):
    omc_agent.thinking.ours = omc_agent.thinking.open_chat_models
omc_agent.thinking.open_chat_models = (
    lambda chat: [OpenModel("offline", Writes())] if chat.seed == 7 else omc_agent.thinking.ours(chat)
)
"""


shared = pytest.mark.xdist_group("hands")  # on one page, in one kernel that is warm


@pytest.fixture(scope="module")
def page(desk):
    """A notebook whose kernel has loaded the extension."""
    nb = desk.open("hands", LOAD, "", "", "", height=4200)
    nb.run(0)
    nb.wait_done(0)
    return nb


@pytest.fixture
def cells(page):
    """``cells(source, ...)`` puts these into the page below the first one, and gives the page."""

    def put(*sources):
        for index in (1, 2, 3):
            page.write(index, sources[index - 1] if index <= len(sources) else "")
        return page

    yield put
    page.interrupt()
    page.wait_idle()


def gate(nb, index=1):
    """The question that is open under the cell."""
    found = nb.cell(index).locator(".omc-asking:has(.omc-yes)").first
    found.wait_for(timeout=60_000)
    return found


def press(place, css):
    place.locator(f"button{css}, {css} button").first.click()


@shared
def test_approve_in_the_waiting_cell_and_the_run_goes_on(cells, market):
    nb = cells(GOAL.format(market, "hands1", "logistic regression"), "7 * 6")
    nb.run(1)
    asked = gate(nb)
    assert "Go on with this plan?" in asked.inner_text()
    assert "%agent approve hands1" in asked.inner_text()
    nb.run(2)
    assert nb.prompt(1) == "[*]:"
    nb.shot("scope-gate")
    press(asked, ".omc-yes")
    nb.cell(1).get_by_text("Make these features?").first.wait_for(timeout=60_000)
    assert "approved" in nb.text(1)
    assert nb.text(2).strip() == ""
    nb.shot("features-gate")
    nb.interrupt()
    nb.wait_done(1, 10)


@shared
def test_edit_code_at_a_gate_and_the_edited_code_is_what_runs(cells, market):
    goal = f"%%agent --db {market} --trials 1 --seed 7 --id hands2\nExplore ETH over the last 12 days"
    nb = cells(FREE, goal, "print([c['code'] for c in agent_run.cells])")
    nb.run(1)
    nb.wait_done(1)
    nb.run(2)
    asked = gate(nb, 2)
    assert "as it was written" in asked.locator("textarea").input_value()
    press(asked, ".omc-edit")
    asked.locator("textarea").fill("print('half a line")
    press(asked, ".omc-yes")
    asked.locator(".omc-fault").wait_for(timeout=10_000)
    assert "usage.edit" in asked.inner_text()
    nb.shot("code-gate")
    asked.locator("textarea").fill("print('as a person wants it', 40 + 2)")
    press(asked, ".omc-yes")
    nb.cell(2).get_by_text("as a person wants it 42").first.wait_for(timeout=60_000)
    nb.wait_done(2, 120)
    nb.run(3)
    nb.wait_done(3)
    assert "as a person wants it" in nb.text(3)


@shared
def test_pick_another_model_than_the_recommended_one(cells, market):
    flags = "--trials 1 --approve always --policy policy.yml --id hands3"
    policy = "open('policy.yml', 'w').write('gates: {scope: approve, features: approve, models: approve}')"
    goal = (
        f"%%agent --db {market} {flags}\nPredict whether ETH rises over the next hour"
        " with logistic regression and xgboost, using the last 12 days"
    )
    nb = cells(policy, goal, "agent_run.choice['name'], agent_run.status")
    nb.run_all()
    asked = gate(nb, 2)
    assert "recommended" in asked.inner_text().lower()
    nb.shot("choice-gate")
    options = asked.locator("input[type=radio]")
    assert options.count() >= 2
    chosen = asked.locator("input[type=radio]:checked").count()
    assert chosen == 1
    options.last.check()
    press(asked, ".omc-yes")
    nb.wait_done(3, 200)
    told = nb.text(3)
    assert "finished" in told
    assert "Chosen by a person" in nb.text(2)


@shared
def test_override_while_it_trains_and_say_something(cells, market):
    goal = (
        f"%%agent --db {market} --trials 1 --approve never --id hands4\n"
        "Predict whether ETH rises over the next hour, using the last 60 days"
    )
    nb = cells(goal, "[c['name'] for c in agent_run.candidates if not c['baseline']]")
    nb.run_all()
    nb.cell(1).get_by_text("Score the naive rules first").first.wait_for(timeout=90_000)
    nb.cell(1).locator(".omc-change").first.click()
    words = nb.cell(1).locator(".omc-words input")
    words.fill("colour=red")
    nb.cell(1).locator(".omc-override").first.click()
    nb.cell(1).get_by_text("nothing called 'colour'").first.wait_for(timeout=10_000)
    words.fill("models=logistic_regression")
    nb.cell(1).locator(".omc-override").first.click()
    nb.cell(1).get_by_text("Changed from Training on").first.wait_for(timeout=30_000)
    nb.shot("overridden")
    nb.wait_done(2, 200)
    assert "logistic_regression" in nb.text(2)
    assert "forest" not in nb.text(2)


@shared
def test_answer_a_clarification_by_typing(cells, market):
    goal = f"%%agent --db {market} --trials 1 --id hands5\nPredict the direction over the next hour"
    nb = cells(goal)
    nb.run_all()
    asked = gate(nb)
    nb.shot("clarification")
    asked.locator(".omc-own input").first.fill("LTC")
    press(asked, ".omc-yes")
    nb.cell(1).get_by_text("Direction of LTC").first.wait_for(timeout=60_000)
    nb.interrupt()
    nb.wait_done(1, 10)


def test_two_tabs_one_answers_and_both_see_it(notebook, market):
    first = notebook(LOAD, GOAL.format(market, "hands6", "logistic regression"), height=2400)
    other = notebook(LOAD, "%agent attach hands6", height=2400)
    first.run_all()
    gate(first)
    other.run_all()
    press(gate(other), ".omc-yes")
    for nb in (first, other):
        nb.cell(1).locator(".omc-asking:has(.omc-yes)", has_text="Make these features?").wait_for(timeout=60_000)
    other.interrupt()
    other.wait_done(1, 10)
    assert first.prompt(1) == "[*]:"
    first.interrupt()
    first.wait_done(1, 10)


def test_stop_at_a_gate_restart_the_kernel_and_resume(notebook, market):
    nb = notebook(LOAD, GOAL.format(market, "hands7", "logistic regression"), "%agent resume hands7", height=4000)
    nb.run(0)
    nb.run(1)
    gate(nb)
    nb.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    nb.wait_idle()
    nb.run(0)
    nb.run(2)
    asked = gate(nb, 2)
    assert "Go on with this plan?" in asked.inner_text()
    press(asked, ".omc-yes")
    nb.cell(2).get_by_text("Make these features?").first.wait_for(timeout=60_000)
    nb.cell(2).locator(".omc-stop").first.click()
    nb.cell(2).get_by_text("stopped").first.wait_for(timeout=10_000)
    nb.wait_done(2, 10)


def test_reload_at_a_gate_stop_and_resume(notebook, market):
    nb = notebook(LOAD, GOAL.format(market, "hands8", "logistic regression"), "%agent resume hands8", height=4000)
    nb.run(0)
    nb.run(1)
    gate(nb)
    nb.save()
    nb.reload()
    nb.interrupt()
    nb.wait_idle()
    nb.run(2)
    asked = gate(nb, 2)
    press(asked, ".omc-yes")
    nb.cell(2).get_by_text("Make these features?").first.wait_for(timeout=60_000)
    nb.interrupt()
    nb.wait_done(2, 10)


@shared
def test_nobody_answers_and_the_clock_decides(cells, market):
    goal = GOAL.format(market, "hands9", "logistic regression").replace(
        "--approve always", "--approve always --answer-within 6 --on-timeout reject"
    )
    nb = cells(goal, "'still here'")
    nb.run_all()
    asked = gate(nb)
    assert "rejected" in asked.inner_text()
    nb.shot("countdown")
    nb.wait_done(2, 40)
    assert "nobody answered in time" in nb.text(1)
    assert "still here" in nb.text(2)


@shared
def test_a_gate_is_answered_with_the_keyboard_alone(cells, market):
    nb = cells(GOAL.format(market, "handsA", "logistic regression"))
    nb.run_all()
    asked = gate(nb)
    asked.locator("button.omc-yes, .omc-yes button").first.focus()
    nb.page.keyboard.press("Tab")
    focused = nb.page.evaluate("() => document.activeElement.innerText + ' ' + document.activeElement.title")
    assert focused.strip()
    nb.page.keyboard.press("Shift+Tab")
    nb.page.keyboard.press("Enter")
    nb.cell(1).get_by_text("Make these features?").first.wait_for(timeout=60_000)
    nb.interrupt()
    nb.wait_done(1, 10)

"""A chat model that invents a figure in a real run: its sentence is not in the report, and the person is told."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from sklearn.datasets import load_iris

import omc_agent
from omc_agent.llm.offline import OfflineChatModel

LIE = "It reaches an accuracy of 0.9314."
FEW = "It was fitted on 7 coins."
TRUE = "The target is spread over 120 rows."


class Liar(OfflineChatModel):
    """The embedded model with three sentences more where training begins."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        made = super()._generate(messages, *args, **kwargs)
        message = made.generations[0].message
        if any(call["name"] == "cross_validate_model" for call in message.tool_calls):
            message = message.model_copy(update={"content": f"{message.text} {LIE} {FEW} {TRUE}"})
        return ChatResult(generations=[ChatGeneration(message=message)])


def test_a_sentence_with_an_invented_figure_is_left_out_and_told(tmp_path):
    frame = load_iris(as_frame=True).frame
    goal = "predict the target with logistic regression"
    given = {"data": frame, "target": "target", "home": str(tmp_path), "trials": 1, "tuning_rounds": 0}
    run = omc_agent.run(goal, model=Liar(), **given)
    assert run.status == "finished"
    folder = next(path.parent for path in tmp_path.rglob("report.md"))
    for name in ("report.md", "report.html"):
        written = (folder / name).read_text()
        training = written[written.index("Training") :]
        assert TRUE in training
        assert LIE not in training
        assert FEW not in training
    told = [each["text"] for each in run.warnings if each["code"] == "unmatched_number"]
    assert [text.partition("recorded: ")[2] for text in told] == [LIE, FEW]

"""The questions about a goal, all at once: options, the default first, and a field for words of one's own."""

from __future__ import annotations

from collections.abc import Callable

from omc_agent.panels import controls
from omc_agent.panels.asking import answers, question_html
from omc_agent.panels.form import Answer
from omc_agent.request import ClarificationQuestion, Request


class QuestionFields:
    """One question."""

    def __init__(self, question: ClarificationQuestion) -> None:
        self.field = question.field
        offered = [(controls.one_line(label, 300), value) for label, value in answers(question)]
        name = controls.one_line(question.question)
        self._radio = controls.radio(name, offered, offered[0][1], "omc-options") if offered else None
        self._own = controls.text(f"{name} In your own words", hint="or type your own", css="omc-own")
        parts = [controls.html(question_html(question)), *([self._radio] if self._radio else []), self._own]
        self.box = controls.column(*parts, css="omc-question")

    def answer(self) -> str:
        """What was typed, else what was chosen."""
        typed = str(self._own.value).strip()
        return typed or str(self._radio.value if self._radio is not None else "")


class AnswersForm:
    """At most three questions."""

    edits, refuses, defaults = "", "", "Take the defaults"

    def __init__(self, request: Request) -> None:
        self._questions = [QuestionFields(question) for question in request.questions]
        self.box = controls.column(*(question.box for question in self._questions))

    def approves(self) -> str:
        """Answer."""
        return "Answer"

    def edit(self, on: bool) -> None:
        """The fields are open from the start."""

    def watch(self, changed: Callable[[], object]) -> None:
        """Nothing changes the button."""

    def answer(self) -> Answer:
        """Answers by field; what is left empty takes its default."""
        given = {question.field: question.answer() for question in self._questions}
        return {"type": "approve", "value": {field: value for field, value in given.items() if value}}

"""The verbs of ``%agent`` that return at once: look at runs, decide, say, stop, put things into the notebook."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from omc_agent.config import AgentSettings, server_base
from omc_agent.errors import RunError, UsageError
from omc_agent.flags import Parser, decision_of

HELP = """\
%%agent [-m MODEL] [--base-url URL] [-d NAME ...] [--db URL|NAME] [--table NAME] [--target COLUMN]
        [--approve always|risky|never] [--policy FILE] [--answer-within SECONDS] [--on-timeout park|approve|reject]
        [--budget USD] [--max-tokens N] [--daily-budget USD] [--record FILE] [--replay FILE] [--trials N] [--seed N]
        [--memory BYTES] [--wall SECONDS] [--out NAME] [--id NAME] [--plan] [--follow ID] [--bg]
GOAL (one sentence, on the lines below)

%agent list [--status S] [--goal TEXT] [--since 7d] [--limit N]   runs, newest first
%agent show ID [--prompts]      everything a run did (ID.1, ID.2: a branch), or what was sent to the model
%agent cost [ID]                what the models cost: by day, model and run, or by stage and call
%agent graph [ID]               the graph of stages, and where the run is in it
%agent artifacts ID             the files it left; [--get NAME [--to PATH]] fetches one, [--upload] brings what waits
%agent attach ID                show it from its beginning, and go on showing it
%agent resume ID                go on with a parked, stopped or killed run
%agent stop ID                  stop a run
%agent approve ID [--rest], reject ID [WHY], answer ID VALUE   decide its open request
%%agent edit ID                 run the code below in place of the code that waits
%agent say ID TEXT              tell the agent something; it reads it before its next step
%agent override ID KEY=VALUE    change something; what it touches is done again
%agent restart ID --from STAGE [KEY=VALUE ...]   do it again from a stage, on a branch of its own
%agent cell ID N                put a recorded cell into the notebook
%agent export ID PATH           as a notebook (.ipynb) or script (.py) that runs without the agent, or .json
%agent verify ID                replay it, and say what comes out otherwise
%agent predict ID NAME [-o NAME]  predict the rows of a DataFrame with the scored model
%agent mlflow ID                send a finished run to MLflow; what is there already is not sent again
%agent delete ID                remove it and its files
%agent doctor [-m MODEL]        what is in force on this machine"""


class Shown:
    """HTML with the same as text."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class Verbs:
    """Each method but `call` is a verb.

    Parameters
    ----------
    settings : AgentSettings
        Of the notebook.
    put_cell : callable
        Puts text into the notebook as the next cell.
    frame : callable, optional
        ``frame(name)`` gives the DataFrame of that name in the notebook.
    bind : callable, optional
        ``bind(name, value)`` makes a variable of the notebook.
    """

    def __init__(
        self,
        settings: AgentSettings,
        put_cell: Callable[[str], None],
        frame: Callable[[str], Any] | None = None,
        bind: Callable[[str, Any], None] | None = None,
    ) -> None:
        self.settings, self._put_cell, self._frame, self._bind = settings, put_cell, frame, bind

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The verbs."""
        return tuple(name for name in vars(cls) if not name.startswith("_") and name not in ("names", "call"))

    def call(self, words: Sequence[str]) -> Any:
        """Do the verb ``words[0]`` with the other words."""
        return getattr(self, words[0])(list(words[1:]))

    def help(self, words: list[str]) -> None:
        """The verbs and flags."""
        print(HELP)

    def doctor(self, words: list[str]) -> None:
        """What is in force, with the settings' model or with another."""
        from omc_agent.config import settings_with
        from omc_agent.doctor import examination_text

        parser = Parser(prog="%agent doctor", add_help=False)
        parser.add_argument("-m", "--model", default=None)
        parsed = parser.parse_args([*words])
        print(examination_text(settings_with(self.settings, model=parsed.model) if parsed.model else self.settings))

    def list(self, words: list[str]) -> Shown:
        """Runs, newest first."""
        from omc_agent.listing import list_json, list_parser, listed
        from omc_agent.panels import results

        parsed = list_parser().parse_args([*words])
        rows, note = listed(self._store(), parsed)
        if parsed.json:
            return Shown(f"<pre>{escape(list_json(rows, note))}</pre>", list_json(rows, note))
        text = "\n".join([results.run_list_text(rows), note]).rstrip()
        return Shown(results.run_list_html(rows) + (f"<p>{escape(note)}</p>" if note else ""), text)

    def show(self, words: Sequence[str]) -> Shown:
        """A run as it looked, or one of its branches."""
        from omc_agent.panels import results

        prompts = "--prompts" in words
        words = [word for word in words if word != "--prompts"]
        if prompts:
            from omc_agent.panels import sent

            calls = calls_of(self._store(), _first(words, "show"))
            return Shown(sent.sent_html(calls), sent.sent_text(calls))
        events = story_of(self._store(), _first(words, "show"))
        return Shown(results.show_html(events, server_base()), results.show_text(events))

    def graph(self, words: Sequence[str]) -> Any:
        """The graph of stages, with where a run is in it."""
        return graph_of(self._store(), words[0] if words else "")

    def cost(self, words: Sequence[str]) -> Shown:
        """What all runs cost, or one."""
        from omc_agent.billing import bill_of
        from omc_agent.panels.bill import bill_html, bill_text

        bill = bill_of(self._store(), self._known(words, "cost") if words else None)
        return Shown(bill_html(bill), bill_text(bill))

    def artifacts(self, words: Sequence[str]) -> Any:
        """The files of a run: listed, one fetched, or brought to their URL."""
        from omc_agent import collecting
        from omc_agent.panels import links, results

        parsed = artifact_flags(Parser(prog="%agent artifacts", add_help=False)).parse_args(list(words))
        if parsed.upload:
            print(collecting.uploaded(parsed.id, collecting.upload(self._store(), parsed.id, self.settings)))
            return None
        if parsed.get:
            return collecting.fetch(self._store(), parsed.id, parsed.get, parsed.to)
        rows = collecting.rows_of(self._store(), parsed.id)
        html = results.artifacts_html(rows, links.row_linker(server_base()))
        return Shown(html, results.artifacts_text(rows))

    def stop(self, words: Sequence[str]) -> None:
        """Stop a run, whoever drives it."""
        run_id = self._known(words, "stop")
        self._store().send(run_id, "stop", {})
        print(f"{run_id}: stop is asked for")

    def approve(self, words: Sequence[str]) -> None:
        """Say yes."""
        self._decide(words, "approve")

    def reject(self, words: Sequence[str]) -> None:
        """Say no, and why."""
        self._decide(words, "reject")

    def answer(self, words: Sequence[str]) -> None:
        """Answer a question, or choose."""
        if len(words) < 2:
            raise lacks("answer", "an id and a value")
        self._decide(words, "answer")

    def say(self, words: Sequence[str]) -> None:
        """Tell the agent something."""
        run_id = self._known(words, "say")
        if len(words) < 2:
            raise lacks("say", "an id and a text")
        self._store().send(run_id, "say", {"text": " ".join(words[1:])})
        print(f"{run_id}: it reads that before its next step")

    def cell(self, words: Sequence[str]) -> None:
        """Put a recorded cell into the notebook."""
        run_id = self._known(words, "cell")
        self._put_cell(code_of(self._store(), run_id, words[1] if len(words) > 1 else ""))

    def mlflow(self, words: Sequence[str]) -> None:
        """Send a run to MLflow."""
        from omc_agent.tracking.sending import send_again

        print(send_again(self._store(), self._known(words, "mlflow"), self.settings).line())

    def delete(self, words: Sequence[str]) -> None:
        """Remove a run."""
        run_id = self._known(words, "delete")
        self._store().delete(run_id)
        print(f"{run_id}: removed")

    def verify(self, words: Sequence[str]) -> Any:
        """Replay a run and compare."""
        from omc_agent.result import RunResult

        return RunResult(self._store(), self._known(words, "verify"), self.settings).verify()

    def predict(self, words: Sequence[str]) -> Any:
        """Predict the rows of a DataFrame."""
        from omc_agent.result import RunResult

        parser = Parser(prog="%agent predict", add_help=False)
        parser.add_argument("id")
        parser.add_argument("frame")
        parser.add_argument("-o", "--out", default=None, metavar="NAME")
        parsed = parser.parse_args(list(words))
        if self._frame is None or self._bind is None:
            raise lacks("predict", "a notebook whose variables it may read")
        made = RunResult(self._store(), parsed.id, self.settings).predict(self._frame(parsed.frame))
        print("\n".join(made.attrs["lines"]))
        if parsed.out is None:
            return made
        self._bind(parsed.out, made)
        return None

    def export(self, words: Sequence[str]) -> None:
        """Write a run as a notebook, script or JSON."""
        from omc_agent.result import RunResult

        run_id = self._known(words, "export")
        if len(words) < 2:
            raise UsageError("usage.flag", given="export needs a path.", have="", try_="%agent export ID run.ipynb")
        print(RunResult(self._store(), run_id, self.settings).export(words[1]))

    def _decide(self, words: Sequence[str], kind: str, code: str | None = None) -> None:
        from omc_agent import face
        from omc_agent.deciding import decide
        from omc_agent.store.rows import user_name

        rest = "--rest" in words
        words = [word for word in words if word != "--rest"]
        name, text = _first(words, kind), " ".join(words[1:])
        done = decide(self._store(), name, decision_of(kind, text, code=code, rest=rest), f"{user_name()}, notebook")
        run_id = done.request["session_id"]
        hint = "" if face.is_driven(run_id, self.settings) else f"; %agent resume {run_id} goes on"
        print(f"{done.line()}{hint}")

    def _store(self) -> Any:
        from omc_agent import face

        return face.orchestrator_for(self.settings).store

    def _known(self, words: Sequence[str], verb: str) -> str:
        return str(self._store().read(_first(words, verb))["id"])


def story_of(store: Any, name: str) -> Sequence[Any]:
    """The events of a run (its present branch), or of the branch that is named."""
    run_id, branch = store.find_branch(name)
    store.read(run_id)
    return [told.event for told in store.story(run_id, branch)]


def graph_of(store: Any, name: str) -> Any:
    """The graph of stages with a run, or one of its branches, in it; the graph alone without a name."""
    from omc_agent.branching import standing
    from omc_agent.graph.drawing import drawn_graph, drawn_ways
    from omc_agent.panels.graph_view import GraphView

    events = standing(story_of(store, name)) if name else []
    return GraphView(drawn_graph(), drawn_ways(), events)


def calls_of(store: Any, name: str) -> list[dict[str, Any]]:
    """What was sent to the model in a run (all its branches), or in the branch that is named; plain values."""
    from dataclasses import asdict
    from pathlib import Path

    from omc_agent.prompts import read_calls

    run_id, branch = store.find_branch(name)
    return [asdict(call) for call in read_calls(Path(store.read(run_id)["workspace"]), branch)]


def code_of(store: Any, run_id: str, number: str) -> str:
    """The code of a recorded cell.

    Raises
    ------
    RunError
        ``run.not_finished`` when there is none of that number.
    """
    cells = {row["n"]: row["code"] for row in store.cells(run_id)}
    if not number.isdigit() or int(number) not in cells:
        there = ", ".join(map(str, sorted(cells))) or "none"
        raise RunError("run.not_finished", given=f"Run {run_id} has no cell {number or 'of no number'}.",
                       have=f"Its cells: {there}.", try_=f"%agent cell {run_id} N")  # fmt: skip
    return str(cells[int(number)])


def turn_parser(verb: str, parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """``ID [--from STAGE] KEY=VALUE ...``"""
    parser = parser or Parser(prog=f"%agent {verb}", add_help=False)
    parser.add_argument("id", help="the run")
    parser.add_argument("--from", dest="stage", default=None, metavar="STAGE", help="the stage to begin with")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="what to change")
    return parser


def artifact_flags(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """``ID [--get NAME] [--to PATH] [--upload]``"""
    parser.add_argument("id", help="the run, or one of its branches")
    parser.add_argument("--get", default=None, metavar="NAME", help="fetch this file")
    parser.add_argument("--to", default=".", metavar="PATH", help="where to: a file, or a folder that is there")
    parser.add_argument("--upload", action="store_true", help="bring files that wait in the workspace to their URL")
    return parser


def lacks(verb: str, what: str = "an id") -> UsageError:
    """The error of a verb with too few words."""
    return UsageError("usage.flag", given=f"%agent {verb} needs {what}.", have="",
                      try_="%agent list shows the ids.")  # fmt: skip


def _first(words: Sequence[str], verb: str) -> str:
    if not words:
        raise lacks(verb)
    return words[0]

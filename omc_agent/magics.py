"""``%agent`` and ``%%agent``: parse the line, start a run, show its panel.

``%%agent`` becomes an async cell by an input transformer: the cell only waits for the engine, so clicks work, ``[*]``
shows, Run All keeps order and Stop cancels.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from importlib.metadata import version
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class

from omc_agent.config import AgentSettings
from omc_agent.errors import RunStopped, UsageError
from omc_agent.flags import Parser, add_setting_flags, decision_of, settings_from

VERBS = (
    "list", "show", "artifacts", "resume", "stop", "approve", "reject", "answer", "delete", "export", "doctor",
    "help",
)  # fmt: skip
# Verbs that drive a run, and so are awaited in the cell.
AWAITED = ("resume",)
POLL_SECONDS = 0.02
STOP_SECONDS = 5.0

_CELL = re.compile(r"^%%agent(\s|$)")
_LINE = re.compile(rf"^%agent\s+({'|'.join(AWAITED)})(\s|$)")
_NAME = re.compile(r"\{([A-Za-z_]\w*)\}")

HELP = """\
%%agent [-m MODEL] [-d NAME ...] [--db URL|NAME] [--table NAME] [--target COLUMN] [--approve always|risky|never]
        [--trials N] [--seed N] [--memory BYTES] [--wall SECONDS] [--out NAME] [--id NAME] [--plan] [--bg]
GOAL (one sentence, on the lines below)

%agent list                     runs, newest first
%agent show ID                  everything a run did
%agent artifacts ID             the files it left
%agent resume ID                go on with a parked, stopped or killed run
%agent stop ID                  stop a run
%agent approve ID, reject ID [WHY], answer ID VALUE   decide its open request
%agent export ID PATH           as .ipynb, .py or .json
%agent delete ID                remove it and its files
%agent doctor                   what is in force on this machine"""


@magics_class
class AgentMagics(Magics):
    """The magics; `settings` may be changed with ``%config``-style attribute access."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell)
        self.settings = AgentSettings(config=shell.config)

    @property
    def names(self) -> dict[str, Any]:
        """The notebook's namespace."""
        assert self.shell is not None
        names: dict[str, Any] = self.shell.user_ns
        return names

    @line_cell_magic
    def agent(self, line: str, cell: str | None = None) -> Any:
        """Run a goal, or look at runs; ``%agent help`` shows the verbs."""
        if cell is not None:  # only where the transformer did not see the cell, as under %%time
            raise UsageError(
                "usage.flag",
                given="%%agent has to be the first line of its cell.",
                have="It turns the whole cell into one that waits without blocking.",
                try_="Move it up; the run prints its own time.",
            )
        words = shlex.split(line) or ["help"]
        verb = getattr(self, f"_{words[0]}", None) if words[0] in VERBS else None
        if verb is None:
            raise UsageError(
                "usage.flag",
                given=f"%agent {words[0]} is not a verb.",
                have=f"Verbs: {', '.join(VERBS)}.",
                try_="A goal goes into a cell that begins with %%agent.",
            )
        return verb(words[1:])

    async def run_async(self, line: str, cell: str) -> Any:
        """Run the goal of a ``%%agent`` cell."""
        from omc_agent import face
        from omc_agent.transcript import Transcript

        parsed = _cell_parser().parse_args(shlex.split(line))
        out = parsed.out
        self.names.pop(out, None)  # it must never hold an older run's result
        goal = self._fill(cell.strip())
        settings = settings_from(parsed, self.settings)
        frames = {name: self._frame(name) for name in parsed.data}
        there = self._somebody_is_there()
        transcript = Transcript(self.shell, interactive=there, out=out)
        handle = face.start(
            goal,
            settings=settings,
            frames=frames,
            listener=transcript.handle,
            on_tick=transcript.tick,
            on_end=transcript.close,
            interactive=there,
            session_id=parsed.id,
            plan_only=parsed.plan,
        )
        transcript.attach(handle)
        self.names[out] = handle
        if parsed.bg and there:
            transcript.when_done(lambda: self._bind(out, handle))
            return
        await self._wait(handle, out)

    async def line_async(self, line: str) -> Any:
        """Verbs that drive a run: ``resume ID``."""
        from omc_agent import face
        from omc_agent.transcript import Transcript

        words = shlex.split(line)
        if len(words) < 2:
            raise _lacks_id("resume")
        there = self._somebody_is_there()
        transcript = Transcript(self.shell, interactive=there, out="agent_run")
        self.names.pop("agent_run", None)
        handle = face.resume(
            words[1],
            settings=self.settings,
            listener=transcript.handle,
            on_tick=transcript.tick,
            on_end=transcript.close,
            interactive=there,
        )
        transcript.attach(handle)
        self.names["agent_run"] = handle
        await self._wait(handle, "agent_run")

    async def _wait(self, handle: Any, out: str) -> None:
        """Wait without blocking; the Stop button cancels this task, and that stops the run."""
        try:
            while not handle.done():
                await asyncio.sleep(POLL_SECONDS)
        except asyncio.CancelledError:
            handle.stop()
            waited = 0.0
            while not handle.done() and waited < STOP_SECONDS:
                await asyncio.sleep(POLL_SECONDS)
                waited += POLL_SECONDS
            self.names.pop(out, None)
            raise KeyboardInterrupt from None
        self._bind(out, handle)

    def _bind(self, out: str, handle: Any) -> None:
        """Bind the result; a failed run leaves the name unset and fails the cell with one line."""
        handle.running.result(0)
        if handle.session.error is not None:
            self.names.pop(out, None)
            if isinstance(handle.session.error, RunStopped):
                return
            raise handle.session.error
        if handle.status == "parked" and self._somebody_is_there():
            return  # the card says how to go on
        self.names[out] = handle.result()

    # -- verbs --------------------------------------------------------------------------------

    def _help(self, words: list[str]) -> None:
        print(HELP)

    def _doctor(self, words: list[str]) -> None:
        from omc_agent.doctor import examination_text

        print(examination_text(self.settings))

    def _list(self, words: list[str]) -> Any:
        from omc_agent.panels import results
        from omc_agent.result import list_rows

        rows = list_rows(self._store())
        return Shown(results.run_list_html(rows), results.run_list_text(rows))

    def _show(self, words: list[str]) -> Any:
        from omc_agent.panels import results

        events = self._store().events(self._known(words, "show"))
        return Shown(results.show_html(events), results.show_text(events))

    def _artifacts(self, words: list[str]) -> Any:
        from omc_agent.panels import results

        rows = self._store().artifacts(self._known(words, "artifacts"))
        return Shown(results.artifacts_html(rows), results.artifacts_text(rows))

    def _stop(self, words: list[str]) -> None:
        run_id = self._known(words, "stop")
        self._store().send(run_id, "stop", {})
        print(f"{run_id}: stop is asked for")

    def _approve(self, words: list[str]) -> None:
        self._decide(words, "approve")

    def _reject(self, words: list[str]) -> None:
        self._decide(words, "reject")

    def _answer(self, words: list[str]) -> None:
        if len(words) < 2:
            raise _lacks_id("answer")
        self._decide(words, "answer")

    def _decide(self, words: list[str], kind: str) -> None:
        if not words:
            raise _lacks_id(kind)
        store = self._store()
        request = store.find_request(words[0])
        first = store.decide(request["id"], decision_of(kind, " ".join(words[1:])), "notebook")
        said = f"{kind}d" if kind == "approve" else f"{kind}ed"
        told = said if first else "was decided before"
        print(f"{request['id']} {told}; %agent resume {request['session_id']} goes on")

    def _delete(self, words: list[str]) -> None:
        run_id = self._known(words, "delete")
        self._store().delete(run_id)
        print(f"{run_id}: removed")

    def _export(self, words: list[str]) -> None:
        from omc_agent.result import RunResult

        run_id = self._known(words, "export")
        if len(words) < 2:
            raise UsageError("usage.flag", given="export needs a path.", have="", try_="%agent export ID run.ipynb")
        print(RunResult(self._store(), run_id, self.settings).export(words[1]))

    # -- what the verbs need ------------------------------------------------------------------

    def _store(self) -> Any:
        from omc_agent import face

        return face.orchestrator_for(self.settings).store

    def _known(self, words: list[str], verb: str) -> str:
        if not words:
            raise _lacks_id(verb)
        return str(self._store().read(words[0])["id"])

    def _frame(self, name: str) -> Any:
        import pandas as pd

        frame = self.names.get(name)
        if not isinstance(frame, pd.DataFrame):
            frames = [key for key, value in self.names.items() if isinstance(value, pd.DataFrame)]
            raise UsageError(
                "usage.value",
                given=f"-d {name} is not a DataFrame of this notebook.",
                have=f"DataFrames here: {', '.join(k for k in frames if not k.startswith('_')) or 'none'}.",
                try_="Name one of them.",
            )
        return frame

    def _fill(self, text: str) -> str:
        """Fill ``{name}`` from the namespace where `name` exists; every other brace stays as typed."""
        names = self.names
        return _NAME.sub(lambda m: str(names[m.group(1)]) if m.group(1) in names else m.group(0), text)

    def _somebody_is_there(self) -> bool:
        """nbconvert, papermill and nbval execute cells without a person: they allow no stdin."""
        kernel = getattr(self.shell, "kernel", None)
        if kernel is None:
            return sys.stdin.isatty()
        return bool(kernel.get_parent().get("content", {}).get("allow_stdin", False))


class Shown:
    """HTML with the same as text."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


def _cell_parser() -> Parser:
    parser = Parser(prog="%%agent", add_help=False)
    add_setting_flags(parser)
    parser.add_argument("-d", "--data", action="append", default=[], metavar="NAME")
    parser.add_argument("--out", default="agent_run", metavar="NAME")
    parser.add_argument("--id", default=None, metavar="NAME")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--bg", action="store_true")
    return parser


def _lacks_id(verb: str) -> UsageError:
    return UsageError("usage.flag", given=f"%agent {verb} needs an id.", have="", try_="%agent list shows the ids.")


def transform(lines: list[str]) -> list[str]:
    """Turn a ``%%agent`` cell, or a ``%agent resume`` line, into one that awaits."""
    if not lines:
        return lines
    registry = "get_ipython().magics_manager.registry['AgentMagics']"
    if _CELL.match(lines[0]):
        head, body = lines[0][len("%%agent") :].strip(), "".join(lines[1:])
        return [f"await {registry}.run_async({head!r}, {body!r})\n"]
    if len(lines) == 1 and _LINE.match(lines[0]):
        return [f"await {registry}.line_async({lines[0][len('%agent') :].strip()!r})\n"]
    return lines


def complete(shell: Any, event: Any) -> list[str]:
    """Flags and verbs."""
    flags = [option for action in _cell_parser()._actions for option in action.option_strings]
    return flags if event.line.startswith("%%") else [*VERBS, *flags]


def load(shell: Any) -> None:
    """Register the magics, the transformer and completion; begin to warm what a run needs."""
    _check_kernel(shell)
    magics = AgentMagics(shell)
    shell.register_magics(magics)
    _remove_transform(shell)
    shell.input_transformer_manager.line_transforms.insert(0, transform)
    for name in ("%agent", "%%agent"):
        shell.set_hook("complete_command", complete, str_key=name)
    if magics.settings.warm_spare:
        import threading

        threading.Thread(target=_warm, args=(magics.settings,), name="omc-warm", daemon=True).start()


def _warm(settings: AgentSettings) -> None:
    from omc_agent import face

    face.warm_up(settings)


def unload(shell: Any) -> None:
    """Take the transformer out again."""
    _remove_transform(shell)


def _remove_transform(shell: Any) -> None:
    transforms = shell.input_transformer_manager.line_transforms
    transforms[:] = [t for t in transforms if getattr(t, "__module__", "") != __name__]


def _check_kernel(shell: Any) -> None:
    if getattr(shell, "kernel", None) is None:
        return
    found = tuple(int(part) for part in version("ipykernel").split(".")[:2])
    if not (7, 4) <= found < (8, 0):
        raise UsageError(
            "usage.kernel",
            given=f"ipykernel {version('ipykernel')} cannot take clicks while an async cell waits.",
            have="omc_agent needs ipykernel 7.4 or newer, below 8.",
            try_='pip install "ipykernel>=7.4,<8", then restart the kernel.',
        )

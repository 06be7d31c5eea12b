"""``%agent`` and ``%%agent``: parse the line, start a run, show its panel.

``%%agent`` becomes an async cell by an input transformer: the cell only waits for the engine, so clicks work, ``[*]``
shows, Run All keeps order and Stop cancels.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from IPython.core.display_functions import display
from IPython.core.magic import Magics, line_cell_magic, magics_class

from omc_agent.config import AgentSettings
from omc_agent.errors import RunStopped, UsageError
from omc_agent.flags import Parser, add_setting_flags, given_settings, settings_from, words_of_line
from omc_agent.verbs import Verbs, lacks, turn_parser

if TYPE_CHECKING:
    from omc_agent.filling import Filled

# Verbs that may drive a run, and so are awaited in the cell.
AWAITED = ("resume", "attach", "restart", "override")
VERBS = (*Verbs.names(), *AWAITED)
POLL_SECONDS = 0.02
STOP_SECONDS = 5.0

_CELL = re.compile(r"^%%agent(\s|$)")
_LINE = re.compile(rf"^%agent\s+({'|'.join(AWAITED)})(\s|$)")


@magics_class
class AgentMagics(Magics):
    """The magics; `settings` may be changed with ``%config``-style attribute access."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell)
        self.settings = AgentSettings(config=shell.config)
        self.errors: dict[int, str] = {}  # number of a cell -> the last line of its error, for {Err[3]}

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
        words = words_of_line(line) or ["help"]
        if words[0] not in Verbs.names():
            raise UsageError(
                "usage.flag",
                given=f"%agent {words[0]} is not a verb.",
                have=f"Verbs: {', '.join(VERBS)}.",
                try_="A goal goes into a cell that begins with %%agent.",
            )
        found = self._verbs().call(words)
        if hasattr(found, "picture"):
            display(found.picture(), raw=True)  # type: ignore[no-untyped-call]
        return found

    async def run_async(self, line: str, cell: str) -> Any:
        """Run the goal of a ``%%agent`` cell."""
        from omc_agent import face
        from omc_agent.transcript import Transcript

        words = self._filled_words(line)
        if words[:1] == ["edit"]:
            self._verbs()._decide(words[1:], "edit", code=cell)
            return
        parsed = _cell_parser().parse_args(words)
        out = parsed.out
        self.names.pop(out, None)  # it must never hold an older run's result
        settings = settings_from(parsed, self.settings)
        filled = self._fill(cell.strip(), settings)
        goal = filled.text
        if parsed.follow and (told := face.told_of(parsed.follow, goal, settings)) is not None:
            print(told)
            return
        frames = {name: self._frame(name) for name in parsed.data}
        there = self._somebody_is_there()
        transcript = Transcript(self.shell, interactive=there, out=out)
        handle = face.start(
            goal,
            settings=settings,
            frames=frames,
            view=transcript,
            interactive=there,
            session_id=parsed.id,
            plan_only=parsed.plan,
            follow=parsed.follow or "",
            named=filled.named,
        )
        transcript.attach(handle)
        self.names[out] = handle
        if parsed.bg and there:
            transcript.when_done(lambda: self._bind(out, handle))
            return
        await self._wait(handle, out)

    async def line_async(self, line: str) -> None:
        """Verbs that may drive a run: resume, attach, restart, override."""
        from omc_agent import face
        from omc_agent.store.rows import user_name
        from omc_agent.transcript import Transcript
        from omc_agent.turning import turn_from

        verb, *words = self._filled_words(line)
        there = self._somebody_is_there()
        transcript = Transcript(self.shell, interactive=there, out="agent_run")
        if verb in ("restart", "override"):
            if not words:
                raise lacks(verb)
            parsed = turn_parser(verb).parse_args(words)
            turn = turn_from(parsed.stage, parsed.changes, user_name())
            handle = face.change(parsed.id, turn, settings=self.settings, override=verb == "override",
                                 view=transcript, interactive=there)  # fmt: skip
            if handle is None:
                print(f"{parsed.id}: from {turn.stage} on it is done again; its own cell shows it")
                return
        else:
            parser = Parser(prog=f"%agent {verb}", add_help=False)
            parser.add_argument("id")
            add_setting_flags(parser)
            if not words:
                raise lacks(verb)
            parsed = parser.parse_args(words)
            if verb == "attach":
                handle = face.attach(parsed.id, settings=self.settings, view=transcript)
            else:
                handle = face.resume(parsed.id, settings=self.settings, given=given_settings(parsed),
                                     view=transcript, interactive=there)  # fmt: skip
        self.names.pop("agent_run", None)
        transcript.attach(handle)
        self.names["agent_run"] = handle
        await self._wait(handle, "agent_run")

    async def _wait(self, handle: Any, out: str) -> None:
        """Wait without blocking; the Stop button cancels this task, and that stops the run."""
        try:
            while not handle.done():
                await asyncio.sleep(POLL_SECONDS)
        except asyncio.CancelledError:
            handle.stop() if handle.drives else handle.leave()
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

    def _verbs(self) -> Verbs:
        shell = self.shell
        assert shell is not None
        return Verbs(
            self.settings, lambda text: shell.set_next_input(text), frame=self._frame, bind=self.names.__setitem__
        )

    def _frame(self, name: str) -> Any:
        import pandas as pd

        frame = self.names.get(name)
        if not isinstance(frame, pd.DataFrame):
            frames = [key for key, value in self.names.items() if isinstance(value, pd.DataFrame)]
            raise UsageError(
                "usage.value",
                given=f"{name} is not a DataFrame of this notebook.",
                have=f"DataFrames here: {', '.join(k for k in frames if not k.startswith('_')) or 'none'}.",
                try_="Name one of them.",
            )
        return frame

    def _fill(self, text: str, settings: AgentSettings | None = None) -> Filled:
        """Fill ``{name}`` from the notebook; see `omc_agent.filling`."""
        from omc_agent.filling import Notebook, fill

        chosen = settings or self.settings
        return fill(
            text,
            Notebook(self.names, self.errors),
            holdout=chosen.holdout,
            more=chosen.secret_columns,
            allowed=chosen.allow_columns,
        )

    def _filled_words(self, line: str) -> list[str]:
        """The words of a line, each filled by itself: what a variable holds is one word, and never a flag."""
        return [self._fill(word).text for word in words_of_line(line)]

    def _somebody_is_there(self) -> bool:
        """nbconvert, papermill and nbval execute cells without a person: they allow no stdin."""
        kernel = getattr(self.shell, "kernel", None)
        if kernel is None:
            return sys.stdin.isatty()
        return bool(kernel.get_parent().get("content", {}).get("allow_stdin", False))


def _cell_parser() -> Parser:
    parser = Parser(prog="%%agent", add_help=False)
    add_setting_flags(parser)
    parser.add_argument("-d", "--data", action="append", default=[], metavar="NAME")
    parser.add_argument("--out", default="agent_run", metavar="NAME")
    parser.add_argument("--id", default=None, metavar="NAME")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--follow", default=None, metavar="ID")
    parser.add_argument("--bg", action="store_true")
    return parser


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
    _listen_for_errors(shell, magics.errors)
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


def _listen_for_errors(shell: Any, errors: dict[int, str]) -> None:
    """Keep what ``{Err[3]}`` stands for; a listener of an earlier load goes."""
    _stop_listening(shell)

    def listen(result: Any) -> None:
        if getattr(result, "error_in_exec", None) is not None:
            from omc_agent.filling import told_of_errors

            told_of_errors(errors)(result)

    shell.omc_listens = listen
    shell.events.register("post_run_cell", listen)


def _stop_listening(shell: Any) -> None:
    listening = getattr(shell, "omc_listens", None)
    if listening is not None:
        with contextlib.suppress(ValueError):
            shell.events.unregister("post_run_cell", listening)
        shell.omc_listens = None


def unload(shell: Any) -> None:
    """Take transformer and listener out again."""
    _remove_transform(shell)
    _stop_listening(shell)


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

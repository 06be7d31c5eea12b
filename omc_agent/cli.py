"""``omc-agent``: the same verbs as the magic, for terminals and scripts.

Results go to stdout, the story of a run to stderr. Exit 0 finished, 1 failed or stopped, 2 the command line itself,
3 parked, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omc_agent import __version__, errands
from omc_agent.errors import AgentError, UsageError
from omc_agent.flags import Parser, add_setting_flags, decision_of, given_settings, settings_from
from omc_agent.listing import list_parser
from omc_agent.upkeep import add_db_verbs
from omc_agent.verbs import artifact_flags, turn_parser

Verb = Callable[[argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        parsed, unknown = make_parser().parse_known_args(words)
        if unknown:
            parsed.parser.error(f"unknown arguments: {' '.join(unknown)}")
        return int(parsed.verb(parsed))
    except AgentError as error:
        if "--json" in words:
            print(json.dumps(_failed(error)))
        print(error.line(), file=sys.stderr)
        return _exit_code(error)
    except KeyboardInterrupt:
        return 130


def make_parser() -> Parser:
    """The parser of all verbs."""
    parser = Parser(prog="omc-agent", description="A data-science agent you can trust with your question.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="VERB", parser_class=Parser)
    for name, verb, about in (("run", _run, "run a goal"), ("plan", _plan, "read a goal and plan it, run nothing")):
        each = _add(verbs, name, verb, about)
        each.add_argument("goal", help="one sentence")
        add_setting_flags(each)
        each.add_argument("--id", default=None, help="id of the new run")
        each.add_argument("--follow", default=None, metavar="ID", help="the run whose brief fills what is not said")
        each.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    each = _add(verbs, "resume", _resume, "go on with a parked, stopped or killed run")
    each.add_argument("id")
    add_setting_flags(each)
    each.add_argument("--json", action="store_true")
    list_parser(_add(verbs, "list", _list, "list runs, newest first"))
    each = _add(verbs, "graph", _graph, "show the graph of stages, and where a run is in it")
    each.add_argument("id", nargs="?", default="", help="the run, or one of its branches")
    each.add_argument("--mermaid", action="store_true", help="as Mermaid text")
    _add_run_verbs(verbs)
    _add_data_verbs(verbs)
    add_db_verbs(_add(verbs, "db", _db, "look after the store: check, upgrade, prune, vacuum"))
    each = _add(verbs, "doctor", _doctor, "what is in force on this machine")
    each.add_argument("-m", "--model", default=None, help="the models to look at, as in run")
    each.add_argument("--base-url", default=None, metavar="URL", help="server of the model, as in run")
    return parser


def _add_run_verbs(verbs: Any) -> None:
    for name, verb, about in (
        ("show", _show, "show a run"),
        ("stop", _stop, "stop a run"),
        ("delete", _delete, "remove a run and its workspace"),
    ):
        each = _add(verbs, name, verb, about)
        each.add_argument("id")
        if name == "show":
            each.add_argument("--prompts", action="store_true", help="show what was sent to the model, call by call")
    each = _add(verbs, "artifacts", _artifacts, "list the files of a run, fetch one, or bring what waits")
    artifact_flags(each).add_argument("--json", action="store_true", help="print one JSON object on stdout")
    each = _add(verbs, "cost", _cost, "what the models cost: by day, model and run, or by stage and call")
    each.add_argument("id", nargs="?", default=None)
    each.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    each = _add(verbs, "decide", _decide, "answer a request")
    each.add_argument("request", help="id of the request, or of a run with one open")
    each.add_argument("decision", choices=("approve", "reject", "answer", "edit"))
    each.add_argument("value", nargs="?", default=None, help="the answer, or why")
    each.add_argument("--file", default=None, help="the edited code")
    each.add_argument("--rest", action="store_true", help="allow this for the rest of the run")
    each = _add(verbs, "say", _say, "tell the agent something")
    each.add_argument("id")
    each.add_argument("text", nargs="+")
    for name, about in (("override", "change something; what it touches is done again"),
                        ("restart", "do it again from a stage, on a branch of its own")):  # fmt: skip
        each = turn_parser(name, _add(verbs, name, _restart, about))
        each.set_defaults(is_override=name == "override")
        each.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    each = _add(verbs, "export", _export, "write a run as a notebook or script without an agent, or as .json")
    each.add_argument("id")
    each.add_argument("path")
    each = _add(verbs, "verify", _verify, "replay a run, and say what comes out otherwise")
    each.add_argument("id")
    each.add_argument("--db", default="", metavar="URL|NAME", help="where the run kept a URL without its password")
    each.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    each = _add(verbs, "predict", _predict, "predict rows of a parquet or csv file with the scored model")
    each.add_argument("id")
    each.add_argument("file")
    each.add_argument("--out", default=None, metavar="FILE", help="a .csv to write; else JSON lines on stdout")


def _add_data_verbs(verbs: Any) -> None:
    each = _add(verbs, "demo", _demo, "write the embedded simulated market")
    each.add_argument("--db", required=True, metavar="URL")
    each.add_argument("--days", type=int, default=120)
    errands.add_verbs(verbs, _add, _store)
    each = _add(verbs, "import", _import, "load csv, parquet or feather bars into a table")
    each.add_argument("file")
    each.add_argument("--db", required=True, metavar="URL")
    each.add_argument("--table", default="price_data_5min")
    each.add_argument("--coin", default=None, help="the coin of a file that has no coin column")


def _add(verbs: Any, name: str, verb: Verb, about: str) -> argparse.ArgumentParser:
    each: argparse.ArgumentParser = verbs.add_parser(name, help=about, description=about)
    each.set_defaults(verb=verb, parser=each)
    return each


def _run(parsed: argparse.Namespace) -> int:
    from omc_agent import face

    if parsed.follow and (told := face.told_of(parsed.follow, parsed.goal, settings_from(parsed))) is not None:
        print(told)
        return 0
    default = "never" if parsed.json or not sys.stdin.isatty() else "risky"
    settings = settings_from(parsed, approve=default)
    view, there = _view(parsed)
    handle = face.start(parsed.goal, settings=settings, view=view, session_id=parsed.id, follow=parsed.follow or "",
                        interactive=there)  # fmt: skip
    return _wait(handle, view, as_json=parsed.json)


def _view(parsed: argparse.Namespace) -> tuple[Any, bool]:
    """Where the run is shown, and whether somebody is there to answer."""
    from omc_agent.panels.plain import PlainPanel
    from omc_agent.terminal import Terminal

    if not parsed.json and sys.stdin.isatty():
        return Terminal(_to_stderr, sys.stdin, live=sys.stderr.isatty()), True
    return PlainPanel(_to_stderr, shell=True), False


def _resume(parsed: argparse.Namespace) -> int:
    from omc_agent import face

    view, there = _view(parsed)
    given = given_settings(parsed)
    handle = face.resume(parsed.id, settings=settings_from(parsed), given=given, view=view, interactive=there)
    return _wait(handle, view, as_json=parsed.json)


def _restart(parsed: argparse.Namespace) -> int:
    """Override too: without --from the earliest stage that the changes touch."""
    from omc_agent import face
    from omc_agent.config import AgentSettings
    from omc_agent.store.rows import user_name
    from omc_agent.turning import turn_from

    turn = turn_from(parsed.stage, parsed.changes, user_name())
    view, there = _view(parsed)
    handle = face.change(parsed.id, turn, settings=AgentSettings(), override=parsed.is_override, view=view,
                         interactive=there)  # fmt: skip
    if handle is None:
        print(f"{parsed.id}: from {turn.stage} on it is done again, by the process that drives it")
        return 0
    return _wait(handle, view, as_json=parsed.json)


def _say(parsed: argparse.Namespace) -> int:
    store = _store()
    store.read(parsed.id)
    store.send(parsed.id, "say", {"text": " ".join(parsed.text)})
    print(f"{parsed.id}: it reads that before its next step")
    return 0


def _wait(handle: Any, panel: Any, *, as_json: bool) -> int:
    from omc_agent.result import RunResult

    code = 0
    if hasattr(panel, "attach"):
        panel.attach(handle)
    try:
        handle.wait()
    except KeyboardInterrupt:
        handle.stop()
        handle.running.result(40)  # a run that is at its very end is being sent to MLflow for 30 s at most
        code = 130
    except AgentError as error:
        code = _exit_code(error)
        if code == 3 or not as_json:
            print(error.line(), file=sys.stderr)
    finally:
        panel.close()
    result = RunResult(handle.store, handle.id, handle.settings)
    if as_json:
        print(json.dumps(result.to_dict()))
    elif code == 0:
        report = next((row["path"] for row in result.artifacts if row["name"] == "report.html"), None)
        print(f"{result.id} {result.status}{f' {report}' if report else ''}")
    return code


def _plan(parsed: argparse.Namespace) -> int:
    from omc_agent import face

    settings = settings_from(parsed, approve="never")
    follow = parsed.follow or ""
    result = face.start(parsed.goal, settings=settings, session_id=parsed.id, plan_only=True, follow=follow).wait()
    if parsed.json:
        print(json.dumps({"id": result.id, "status": result.status, "brief": result.brief, "plan": result.plan}))
        return 0
    for name, value in result.brief.items():
        if value not in (None, [], ""):
            print(f"{name:<12} {value if isinstance(value, (str, float)) else ', '.join(map(str, value))}")
    for number, step in enumerate(result.plan, start=1):
        print(f"{number:>2}. {step['title']:<11} {step['detail']}")
    if note := result.texts.get("span"):
        print(note)
    return 0


def _store() -> Any:
    from omc_agent import face
    from omc_agent.config import AgentSettings

    return face.orchestrator_for(AgentSettings()).store


def _list(parsed: argparse.Namespace) -> int:
    from omc_agent.listing import list_json, listed
    from omc_agent.panels.results import run_list_text

    rows, note = listed(_store(), parsed)
    print(list_json(rows, note) if parsed.json else "\n".join([run_list_text(rows), note]).rstrip())
    return 0


def _show(parsed: argparse.Namespace) -> int:
    from omc_agent.panels.results import show_text
    from omc_agent.panels.sent import sent_text
    from omc_agent.verbs import calls_of, story_of

    if parsed.prompts:
        print(sent_text(calls_of(_store(), parsed.id)))
        return 0
    print(show_text(story_of(_store(), parsed.id)))
    return 0


def _graph(parsed: argparse.Namespace) -> int:
    from omc_agent.verbs import graph_of

    found = graph_of(_store(), parsed.id)
    print(found.mermaid() if parsed.mermaid else found.text())
    return 0


def _cost(parsed: argparse.Namespace) -> int:
    from omc_agent.billing import bill_of
    from omc_agent.panels.bill import bill_text

    store = _store()
    bill = bill_of(store, str(store.read(parsed.id)["id"]) if parsed.id else None)
    print(json.dumps(bill) if parsed.json else bill_text(bill))
    return 0


def _artifacts(parsed: argparse.Namespace) -> int:
    from omc_agent import collecting
    from omc_agent.config import AgentSettings
    from omc_agent.panels.results import artifacts_text

    if parsed.upload:
        print(collecting.uploaded(parsed.id, collecting.upload(_store(), parsed.id, AgentSettings())))
    elif parsed.get:
        print(collecting.fetch(_store(), parsed.id, parsed.get, parsed.to))
    elif parsed.json:
        keep = ("name", "branch", "path", "sha256", "size", "made_by")
        rows = collecting.rows_of(_store(), parsed.id)
        print(json.dumps({"id": parsed.id, "artifacts": [{name: row[name] for name in keep} for row in rows]}))
    else:
        print(artifacts_text(collecting.rows_of(_store(), parsed.id)))
    return 0


def _stop(parsed: argparse.Namespace) -> int:
    store = _store()
    store.read(parsed.id)
    store.send(parsed.id, "stop", {})
    print(f"{parsed.id}: stop is asked for")
    return 0


def _delete(parsed: argparse.Namespace) -> int:
    _store().delete(parsed.id)
    print(f"{parsed.id}: removed")
    return 0


def _decide(parsed: argparse.Namespace) -> int:
    from omc_agent.deciding import decide
    from omc_agent.store.rows import user_name

    kind = parsed.decision
    if kind == "answer" and not parsed.value:
        raise UsageError(
            "usage.flag", given="answer needs a value.", have="", try_="omc-agent decide ID answer VALUE"
        )
    if kind == "edit" and not (parsed.file or parsed.value):
        raise UsageError(
            "usage.flag", given="edit needs the code, or KEY=VALUE.", have="", try_="Give the code with --file FILE."
        )
    code = _edited_code(parsed.file) if parsed.file else None
    decision = decision_of(kind, parsed.value, code=code, rest=parsed.rest)
    done = decide(_store(), parsed.request, decision, f"{user_name()}, command line")
    print(f"{done.line()}; omc-agent resume {done.request['session_id']} goes on, if nobody drives it")
    return 0


def _edited_code(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("usage.edit", given=f"{path} cannot be read: {error}.", have="The run still waits.",
                         try_="Name a file of Python.") from None  # fmt: skip


def _export(parsed: argparse.Namespace) -> int:
    print(_result(parsed.id).export(parsed.path))
    return 0


def _verify(parsed: argparse.Namespace) -> int:
    found = _result(parsed.id, db=parsed.db).verify()
    print(json.dumps(found.to_dict()) if parsed.json else "\n".join(found.lines()))
    return 0 if found.same else 1


def _predict(parsed: argparse.Namespace) -> int:
    """Bars and tables alike: the result says which they have to be."""
    from omc_agent.tools.bar_files import read_file

    made = _result(parsed.id).predict(read_file(Path(parsed.file)))
    if parsed.out:
        made.to_csv(parsed.out, index=False)
    else:
        made.to_json(sys.stdout, orient="records", lines=True, date_format="iso", double_precision=15)
    print("\n".join(made.attrs["lines"]), file=sys.stderr)
    return 0


def _result(run_id: str, **values: Any) -> Any:
    from omc_agent.config import settings_with
    from omc_agent.result import RunResult

    return RunResult(_store(), run_id, settings_with(None, **values))


def _demo(parsed: argparse.Namespace) -> int:
    from omc_agent.demo import write_demo

    print("\n".join(write_demo(parsed.db, days=parsed.days).lines()))
    return 0


def _import(parsed: argparse.Namespace) -> int:
    from omc_agent.tools.importing import import_bars

    print("\n".join(import_bars(parsed.file, parsed.db, table=parsed.table, coin=parsed.coin).lines()))
    return 0


def _db(parsed: argparse.Namespace) -> int:
    code, text = parsed.upkeep(parsed)
    print(text)
    return int(code)


def _doctor(parsed: argparse.Namespace) -> int:
    from omc_agent.config import settings_with
    from omc_agent.doctor import examination_text

    given = {"model": parsed.model, "base_url": parsed.base_url}
    print(examination_text(settings_with(None, **{name: value for name, value in given.items() if value})))
    return 0


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, end="", flush=True)


def _exit_code(error: AgentError) -> int:
    return 2 if error.code == "goal.empty" else error.exit_code


def _failed(error: AgentError) -> dict[str, Any]:
    """The object of ``--json`` when there is not even a run."""
    empty: dict[str, Any] = {"id": None, "status": "failed", "reason": error.code, "brief": None, "stages": []}
    return {**empty, "candidates": [], "verdict": None, "artifacts": [], "cost": {}, "warnings": [], "requests": [],
            "error": error.to_dict(), "seconds": 0.0}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

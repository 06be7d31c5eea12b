"""Who thinks in a run: chat models with their cache, and a record that is written or that answers in their place."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel

from omc_agent.config import AgentSettings, settings_with
from omc_agent.errors import ModelError, UsageError
from omc_agent.events import Event, Warned
from omc_agent.llm.cache import AnswerCache, RedisShelf, SafeShelf, Shelf, SqliteShelf
from omc_agent.llm.chat import OFFLINE, OpenModel, describe_chat_model, open_chat_models, server_of
from omc_agent.llm.keys import find_key
from omc_agent.llm.names import read_names
from omc_agent.llm.prices import name_of
from omc_agent.llm.record import Record, is_record, read_record
from omc_agent.llm.recording import Recording
from omc_agent.llm.replaying import ReplayedChatModel, Replaying

CACHE_FILE = "answers.db"
REDIS = "OMC_AGENT_REDIS_URL"


@dataclass(frozen=True)
class Thinking:
    """What a run thinks with: models in the order of fallback, a note for its first card, and its record, if any."""

    models: list[OpenModel]
    note: str
    answers: Recording | Replaying | None = None

    @property
    def model(self) -> BaseChatModel:
        """The one that is asked."""
        return self.models[0].model

    @property
    def stand_ins(self) -> list[BaseChatModel]:
        """Those that are asked when it does not answer."""
        return [each.model for each in self.models[1:]]


async def open_thinking(
    settings: AgentSettings,
    row: Mapping[str, Any],
    home: Path,
    emit: Callable[[Event, str], Awaitable[None]],
    given: BaseChatModel | None = None,
) -> Thinking:
    """Open what `settings` name.

    Parameters
    ----------
    settings : AgentSettings
        Of the run, as `with_record` left them.
    row : mapping
        Of the run; a record that is its own already is gone on with.
    home : Path
        Where the cache lies.
    emit : callable
        ``await emit(event, key)``; a cache that cannot be used is a warning.
    given : BaseChatModel, optional
        In place of the one that `settings.model` names; it is not cached.

    Raises
    ------
    ModelError
        As `open_chat_models` and `read_record` say.
    """
    if settings.replay:
        record = await asyncio.to_thread(_read, settings.replay)
        note = f"Replayed from {record.name}: {record.cost()}. Nobody is asked now, and it costs nothing."
        return Thinking([OpenModel(settings.model, ReplayedChatModel(note=note))], note, Replaying(record))
    models = [OpenModel(name_of(given, settings.model), given)] if given is not None else []
    if not models:
        models = await asyncio.to_thread(open_chat_models, settings.chat())
        if settings.cache:
            _put_cache(models, settings, home, _teller(emit))
    note = describe_chat_model(models[0].model, settings.model)
    if not settings.record:
        return Thinking(models, note)
    path = Path(settings.record)
    names = ",".join(each.name for each in models)
    head = {"model": names, "run": str(row["id"]), "goal": str(row["goal"]).strip()}
    recording = await asyncio.to_thread(Recording, path, head, secrets=_secrets(settings, models))
    return Thinking(models, f"{note} Its answers are recorded in {path.name}.", recording)


def with_record(settings: AgentSettings, given: Any = None, row: Mapping[str, Any] | None = None) -> AgentSettings:
    """The settings with the file of ``--record`` or ``--replay`` looked at: a slip is told before there is a run.

    Parameters
    ----------
    settings : AgentSettings
        Paths may be relative to the working folder, which is a notebook's own.
    given : BaseChatModel, optional
        A model that was handed in.
    row : mapping, optional
        Of a run that goes on.

    Returns
    -------
    AgentSettings
        Absolute paths; for a replay the model of the record.

    Raises
    ------
    UsageError
        ``usage.flag`` for both at once, ``usage.value`` for a file or folder that cannot be used.
    ModelError
        ``model.replay`` for a record that cannot be read, or is of another model than the one that is named.
    """
    if settings.record and settings.replay:
        raise UsageError("usage.flag", given="--record and --replay are given together.",
                         have="One writes what a model answers, the other answers in its place.",
                         try_="Leave one of them out.")  # fmt: skip
    if settings.replay:
        return _replayed(settings, given)
    if not settings.record:
        return settings
    path = Path(settings.record).expanduser().absolute()
    _check_folder(path, settings.record)
    if path.exists() and path.stat().st_size and not is_record(path):
        raise _cannot("--record", settings.record, "it is there and is no record, so it is not written over")
    if row is not None:
        _check_own(path, row)
    return settings_with(settings, record=str(path))


def _replayed(settings: AgentSettings, given: Any) -> AgentSettings:
    record = _read(settings.replay)
    if given is not None:
        raise UsageError("usage.flag", given="A chat model and --replay are given together.",
                         have="A replay asks no model.", try_="Leave one of them out.")  # fmt: skip
    same = settings.model in (OFFLINE, record.model)
    if not same and ",".join(name.text for name in read_names(settings.model, settings.models)) != record.model:
        raise ModelError(
            "model.replay",
            given=f"-m {settings.model} is not the model of {record.name}.",
            have=f"Its answers are of {record.model}.",
            try_="Leave -m out: a replay takes the model from its record. Or record anew with --record.",
        )
    return settings_with(settings, replay=str(Path(settings.replay).expanduser().absolute()), model=record.model)


def _read(text: str) -> Record:
    try:
        return read_record(Path(text).expanduser())
    except FileNotFoundError:
        raise _cannot("--replay", text, "there is no such file") from None
    except OSError as error:
        raise _cannot("--replay", text, f"it cannot be read ({error.strerror})") from None


def _check_folder(path: Path, text: str) -> None:
    """Whether the file can be written: found out by opening it, which also sees what no mode of a folder tells."""
    if not path.parent.is_dir():
        raise _cannot("--record", text, f"the folder {path.parent} is not there")
    there = path.exists()
    try:
        with path.open("ab"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        raise _cannot("--record", text, f"it cannot be written ({error.strerror})") from None


def _check_own(path: Path, row: Mapping[str, Any]) -> None:
    """A run that was recorded goes on in the file that holds its beginning."""
    began = bool((row["summary"].get("cost") or {}).get("calls"))
    kept = row["settings"].get("record") == str(path)
    if not (began and kept) or (path.exists() and read_record(path).head.get("run") == row["id"]):
        return
    why = "it holds another run by now" if path.exists() else "it is gone"
    raise _cannot("--record", path.name, f"run {row['id']} was recorded in it, and {why}",
                  f"%agent resume {row['id']} --record OTHER records the rest.")  # fmt: skip


def _cannot(flag: str, text: str, why: str, try_: str = "") -> UsageError:
    have = {"--record": "A record is a text file, a line a call, as a rule beside the notebook.",
            "--replay": "A record is what --record FILE wrote."}[flag]  # fmt: skip
    tries = {"--record": "Name a new file in a folder that is there.",
             "--replay": "Run once with --record FILE and a model, or name another file."}  # fmt: skip
    return UsageError("usage.value", given=f"{flag} {text}: {why}.", have=have, try_=try_ or tries[flag])


def _put_cache(models: list[OpenModel], settings: AgentSettings, home: Path, tell: Callable[[str], None]) -> None:
    """Give each provider's model its cache; what it asks is known by the model's name and server."""
    url = os.environ.get(REDIS, "")
    place = _place(url) if url else CACHE_FILE

    def make() -> Shelf:
        return RedisShelf(url) if url else SqliteShelf(home / CACHE_FILE)

    shelf = SafeShelf(place, make, tell)
    names = read_names(settings.model, settings.models)
    for name, each in zip(names, models, strict=True):
        if each.name != OFFLINE:
            server = server_of(name, names, settings.base_url)
            each.model.cache = AnswerCache(f"{each.name} {server}".strip(), shelf)


def _place(url: str) -> str:
    """A Redis by its host, without user and password."""
    try:
        parts = urlsplit(url)
        return f"Redis at {parts.hostname or 'localhost'}:{parts.port or 6379}"
    except ValueError:
        return f"Redis of {REDIS}"


def _teller(emit: Callable[[Event, str], Awaitable[None]]) -> Callable[[str], None]:
    """Tell a warning from whichever thread looks into the cache."""
    loop = asyncio.get_running_loop()

    async def told(text: str) -> None:
        await emit(Warned(code="cache", text=text), "cache")

    def tell(text: str) -> None:
        asyncio.run_coroutine_threadsafe(told(text), loop)

    return tell


def _secrets(settings: AgentSettings, models: list[OpenModel]) -> list[str]:
    """What must not reach a record: keys of the models, and passwords of databases."""
    keys = [find_key(each.name.partition(":")[0]) for each in models]
    urls = [settings.source().db or "", settings.store_url(), settings.checkpoints_url(), settings.base_url,
            os.environ.get(REDIS, "")]  # fmt: skip
    passwords = [urlsplit(url).password for url in urls if "@" in url]
    return [*(key.value for key in keys if key is not None), *(word for word in passwords if word)]

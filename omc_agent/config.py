"""Every setting as a trait, with its unit and default; rooms below get frozen slices.

Set them in ``ipython_config.py`` (``c.AgentSettings.trials = 16``), as flags of the magic and the CLI, or as
keywords of :func:`omc_agent.run`.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, Unicode, Union
from traitlets.config import Configurable

from omc_agent.errors import UsageError

MB = 1024 * 1024
GATES = ("scope", "features", "models", "code", "budget", "selection")

# What every stage's namespace starts with; the sandbox runs it once in a warm spare child.
PRELUDE = """\
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
import seaborn as sns
from omc_agent.tools import *
"""


@dataclass(frozen=True)
class Limits:
    """What one child kernel may use. Zero means no limit.

    Parameters
    ----------
    memory : int
        Bytes of the whole process tree (resident, shared maps included).
    cpu : float
        CPU seconds a cell.
    wall : float
        Confinement seconds a cell.
    processes : int
        Processes and threads.
    files : int
        Open files a process.
    file_size : int
        Bytes of one file.
    workspace : int
        Bytes of all files the child writes.
    output : int
        Bytes of text and pictures a cell.
    grace : float
        Seconds from the interrupt at a time limit to the kill.
    """

    memory: int = 4096 * MB
    cpu: float = 600.0
    wall: float = 600.0
    processes: int = 256
    files: int = 512
    file_size: int = 1024 * MB
    workspace: int = 2048 * MB
    output: int = 8 * MB
    grace: float = 0.4


@dataclass(frozen=True)
class Confinement:
    """What holds generated code: the best tier to try, the least to accept, or a kernelspec in their place.

    Parameters
    ----------
    best : str
        walled, pool (walled, but without the zygote), reduced or limited.
    require : str
        walled or reduced: refuse to run code in less. Empty: take what there is, and say so.
    kernel : str
        Name of a kernelspec, such as a gateway's, that holds the code in place of all this.
    """

    best: str = "walled"
    require: str = ""
    kernel: str = ""


@dataclass(frozen=True)
class ChatSettings:
    """Who thinks, under which names and where, and for how long a call may take (seconds)."""

    model: str = "offline"
    timeout: float = 120.0
    seed: int = 0
    base_url: str = ""
    aliases: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Gates:
    """When a person is asked, whether one is there, and what happens when nobody answers.

    Parameters
    ----------
    approve : str
        always, risky or never.
    interactive : bool
        Whether somebody is there.
    unsafe_local : bool
        Whether code that a model wrote may run unwalled and unasked.
    answer_within : float
        Seconds that a question waits; 0: as long as needed.
    on_timeout : str
        park, approve or reject: what happens then, or at once where nobody is there.
    answers : dict
        Answers of a policy file: gate, or ``clarification.FIELD``, to the answer.
    """

    approve: str = "risky"
    interactive: bool = False
    unsafe_local: bool = False
    answer_within: float = 0.0
    on_timeout: str = "park"
    answers: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Trust:
    """How results are made trustworthy: none of it can be switched off."""

    holdout: float = 0.2
    folds: int = 5
    leak_cuts: int = 8
    seed: int = 0
    fees: float = 10.0
    slippage: float = 0.0


@dataclass(frozen=True)
class Work:
    """How much work a run may do: counted in steps and trials, so that it is reproducible."""

    max_steps: int = 40
    trials: int = 8
    tuning_rounds: int = 1
    failures: int = 3
    search_wall: float = 0.0  # seconds after which a search begins no further trial; 0: no limit


@dataclass(frozen=True)
class Source:
    """Where the rows come from: a database URL and table, or frames handed in by name."""

    db: str | None = None
    table: str = "price_data_5min"
    target: str | None = None
    time: str | None = None
    series: str = "auto"
    group: str | None = None
    frames: dict[str, Any] = field(default_factory=dict, hash=False)
    secret_columns: tuple[str, ...] = ()
    allow_columns: tuple[str, ...] = ()

    @property
    def allowed(self) -> tuple[str, ...]:
        """Columns that may be used though they are named as a secret: what a person names by a flag is meant."""
        return (*self.allow_columns, *(name for name in (self.target, self.time, self.group) if name))


class AgentSettings(Configurable):
    """All settings of omc_agent."""

    home = Unicode(
        help="Folder of the store, checkpoints and workspaces. Default: OMC_AGENT_HOME, else"
        " omc_agent in the Jupyter data folder."
    ).tag(config=True)
    database_url = Unicode(
        help="SQLAlchemy URL of the store. Default: OMC_AGENT_DATABASE_URL, else a SQLite file in `home`."
    ).tag(config=True)
    artifact_url = Unicode(
        help="Folder or fsspec URL, such as s3://bucket/prefix, below which runs put their files. Default:"
        " OMC_AGENT_ARTIFACT_URL, else the workspace of each run."
    ).tag(config=True)
    checkpoint_url = Unicode(
        help="URL of the checkpoints: a SQLite file, PostgreSQL, or Redis 8. Default: OMC_AGENT_CHECKPOINT_URL, else"
        " the store's own database when it is PostgreSQL, else a SQLite file beside the store."
    ).tag(config=True)
    db = Unicode(
        help="SQLAlchemy URL, or a name out of `databases`, of the table of bars. Default: OMC_AGENT_DB."
    ).tag(config=True)
    databases = Dict(Unicode(), help="Names for database URLs, for --db NAME.").tag(config=True)
    table = Unicode("price_data_5min", help="The table that holds the rows.").tag(config=True)
    target = Unicode(help="The column to predict; empty: as the goal says.").tag(config=True)
    time = Unicode(help="The column that holds the time of a table's rows; empty: as it is found.").tag(config=True)
    series = Enum(
        ("auto", "yes", "no"),
        "auto",
        help="Whether a table in time is one series, forecast from its past, or rows that each stand for themselves.",
    ).tag(config=True)
    group = Unicode(
        help="A column whose equal values belong together, such as a patient's; none is on both sides of a split."
    ).tag(config=True)
    model = Unicode(
        "offline", help="Who thinks: offline, provider:model, or an alias; several with commas: the next stands in."
    ).tag(config=True)
    models = Dict(Unicode(), help="Aliases for -m, such as fast = openai:gpt-5-mini,ollama:qwen3.").tag(config=True)
    base_url = Unicode(help="Server for the models of the provider named first, such as a local one.").tag(
        config=True
    )
    cache = Bool(True, help="Whether identical calls of a provider are answered from a local cache.").tag(config=True)
    record = Unicode(help="A file that the model's answers are written to, so that the run can be replayed.").tag(
        config=True
    )
    replay = Unicode(help="A record that answers in place of the model.").tag(config=True)
    model_timeout = Float(120.0, help="Seconds that one model call may take.").tag(config=True)
    approve = Enum(("always", "risky", "never"), "risky", help="When a person is asked.").tag(config=True)
    answer_within = Float(0.0, min=0, help="Seconds that a question waits for an answer; 0: as long as needed.").tag(
        config=True
    )
    on_timeout = Enum(
        ("park", "approve", "reject"),
        "park",
        help="What happens when nobody answers in time, or nobody is there: the run parks, or the answer is given.",
    ).tag(config=True)
    policy = Unicode(
        help="A YAML file that answers gates and clarifications by name, for runs that nobody watches."
    ).tag(config=True)
    budget = Float(0.0, min=0, help="US dollars that the chat model may cost; 0: no limit.").tag(config=True)
    daily_budget = Float(0.0, min=0, help="US dollars that all runs of a day (UTC) may cost; 0: no limit.").tag(
        config=True
    )
    max_tokens = Int(0, min=0, help="Tokens that the chat model may read and write; 0: no limit.").tag(config=True)
    trials = Int(8, min=1, help="Trials of the hyperparameter search.").tag(config=True)
    tuning_rounds = Int(1, min=0, help="How often evaluation may send back to tuning.").tag(config=True)
    max_steps = Int(40, min=2, help="Model calls a stage may take before the circuit breaker asks.").tag(config=True)
    failures = Int(3, min=1, help="Failed rounds of a stage before the circuit breaker asks.").tag(config=True)
    seed = Int(0, min=0, help="Seed of every random draw.").tag(config=True)
    holdout = Float(0.2, min=0.05, max=0.5, help="Share of the rows that is sealed.").tag(config=True)
    folds = Int(5, min=2, max=20, help="Folds of the purged walk-forward.").tag(config=True)
    leak_cuts = Int(8, min=4, max=64, help="Cut points of the leak test.").tag(config=True)
    fees = Float(10.0, min=0, help="Basis points that each side of a trade costs, in the envelope of a verdict.").tag(
        config=True
    )
    slippage = Float(0.0, min=0, help="Basis points that each side of a trade slips by, beside the fees.").tag(
        config=True
    )
    memory = Int(4096 * MB, min=256 * MB, help="Bytes a run's child may use.").tag(config=True)
    cpu = Float(600.0, min=0, help="CPU seconds a cell may use; 0: no limit.").tag(config=True)
    wall = Float(600.0, min=0, help="Confinement seconds a cell may take; 0: no limit.").tag(config=True)
    processes = Int(256, min=1, help="Processes and threads of a child.").tag(config=True)
    files = Int(512, min=32, help="Open files of a child.").tag(config=True)
    file_size = Int(1024 * MB, min=MB, help="Bytes of one file that a child writes.").tag(config=True)
    workspace = Int(2048 * MB, min=MB, help="Bytes of all files that a child writes.").tag(config=True)
    output = Int(8 * MB, min=1024, help="Bytes of text and pictures a cell may give.").tag(config=True)
    grace = Float(0.4, min=0, help="Seconds from the interrupt at a time limit to the kill.").tag(config=True)
    run_wall = Float(0.0, min=0, help="Confinement seconds that a whole run may take; 0: no limit.").tag(config=True)
    rest_rate = Float(
        50.0, min=0, help="Requests a second that one user of the server may send, on average; 0: no limit."
    ).tag(config=True)
    rest_body = Int(
        MB, min=1024, help="Bytes of one request to the server; rows to predict may be 16 times as large."
    ).tag(config=True)
    rest_goal = Int(10_000, min=100, help="Characters of a goal, or of what is said, over REST.").tag(config=True)
    rest_predict_wall = Float(120.0, min=1, help="Seconds that predictions over REST may take.").tag(config=True)
    max_runs = Int(
        0, min=0, help="Runs that may be on their way at once before one by REST waits; 0: one a processor core."
    ).tag(config=True)
    max_queue = Int(100, min=1, help="Runs by REST that may wait for a place.").tag(config=True)
    keep_kernel = Float(
        600.0, min=0, help="Seconds that the kernel of a run by REST is kept when the run has ended; 0: not at all."
    ).tag(config=True)
    max_streams = Int(200, min=1, help="Streams of events that the server holds open at once.").tag(config=True)
    isolation = Enum(
        ("walled", "pool", "reduced", "limited"),
        "walled",
        help="The best tier of isolation to try; the next lower one is taken, and named, when it is not to be had.",
    ).tag(config=True)
    require_tier = Enum(
        ("", "walled", "reduced"), "", help="Refuse to run code in a lower tier than this; empty: take what there is."
    ).tag(config=True)
    sandbox_kernel = Unicode(
        help="Name of a kernelspec, such as a gateway's, whose kernel runs the code in place of the local child."
    ).tag(config=True)
    unsafe_local = Bool(
        False, help="Let code that a model wrote run unasked where there is no wall; said loudly on every run."
    ).tag(config=True)
    tools_off = List(
        Unicode(),
        help="Tools, or packages that bring some by an entry point, that are not offered; * for all.",
    ).tag(config=True)
    allowed_imports = List(
        Unicode(), help="Packages that the guard would refuse and that a cell may import all the same."
    ).tag(config=True)
    redact = Enum(
        ("none", "secrets", "values"),
        "secrets",
        help="What is taken out before a message leaves for a provider: nothing, what looks like a secret, or every"
        " value of a cell.",
    ).tag(config=True)
    secret_columns = List(
        Unicode(), help="Names of columns that are a secret beside those that are known; their values go nowhere."
    ).tag(config=True)
    allow_columns = List(
        Unicode(), help="Columns that are named as a secret and may be used and sent all the same."
    ).tag(config=True)
    mlflow_uri = Unicode(
        help="MLflow tracking URI that runs are sent to at their end; off: nowhere. Default:"
        " OMC_AGENT_MLFLOW_URI, else MLFLOW_TRACKING_URI, else nowhere."
    ).tag(config=True)
    mlflow_experiment = Unicode(
        help="MLflow experiment of the runs. Default: MLFLOW_EXPERIMENT_NAME, else omc_agent."
    ).tag(config=True)
    synchronous = Union(
        [Enum(("FULL", "NORMAL"))],
        default_value="FULL",
        help="SQLite's synchronous pragma; NORMAL is quicker and may lose the last commits on power loss.",
    ).tag(config=True)
    store_wait = Float(
        60.0, min=0, help="Seconds that a run waits for a store's database that is gone, before it ends."
    ).tag(config=True)
    warm_spare = Bool(True, help="Keep one warm child kernel ready.").tag(config=True)

    def resolved_home(self) -> Path:
        """The folder of everything that is remembered; made when it is missing."""
        text = self.home or os.environ.get("OMC_AGENT_HOME", "")
        if not text:
            from jupyter_core.paths import jupyter_data_dir

            text = str(Path(jupyter_data_dir()) / "omc_agent")
        path = Path(text).expanduser().resolve()
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def store_url(self) -> str:
        """SQLAlchemy URL of the store."""
        url = self.database_url or os.environ.get("OMC_AGENT_DATABASE_URL", "")
        return url or f"sqlite:///{self.resolved_home() / 'store.db'}"

    def artifact_root(self) -> str:
        """Where runs put their files, as a URL or a folder; empty: the workspace of each."""
        return self.artifact_url or os.environ.get("OMC_AGENT_ARTIFACT_URL", "")

    def named_checkpoints(self) -> str:
        """The URL of the checkpoints that a person named; empty where none is."""
        return self.checkpoint_url or os.environ.get("OMC_AGENT_CHECKPOINT_URL", "")

    def checkpoints_url(self) -> str:
        """URL of the checkpoints.

        Examples
        --------
        >>> AgentSettings(database_url="sqlite:///team/runs.db").checkpoints_url()
        'sqlite:///team/runs-checkpoints.db'
        """
        store = self.store_url()
        if named := self.named_checkpoints():
            return named
        if store.startswith("postgres"):
            return store
        file = Path(store.partition(":///")[2].partition("?")[0])
        if not store.startswith("sqlite") or file.name in ("", ":memory:"):
            return f"sqlite:///{self.resolved_home() / 'checkpoints.db'}"
        name = "checkpoints.db" if file.name == "store.db" else f"{file.stem}-checkpoints.db"
        return f"sqlite:///{file.with_name(name)}"

    def limits(self) -> Limits:
        """The slice for `sandbox/`."""
        names = ("memory", "cpu", "wall", "processes", "files", "file_size", "workspace", "output",
                 "grace")  # fmt: skip
        return Limits(**{name: getattr(self, name) for name in names})

    def chat(self) -> ChatSettings:
        """The slice for `llm/`."""
        return ChatSettings(self.model, self.model_timeout, self.seed, self.base_url, dict(self.models))

    def gates(self, *, interactive: bool) -> Gates:
        """The slice for whoever asks."""
        from omc_agent.policy import read_policy

        answers = read_policy(self.policy) if self.policy else {}
        return Gates(self.approve, interactive, self.unsafe_local, self.answer_within, self.on_timeout, answers)

    def confinement(self) -> Confinement:
        """The slice for whoever starts children."""
        return Confinement(best=self.isolation, require=self.require_tier, kernel=self.sandbox_kernel)

    def trust(self) -> Trust:
        """The slice for split, leak test and verdict."""
        names = ("holdout", "folds", "leak_cuts", "seed", "fees", "slippage")
        return Trust(**{name: getattr(self, name) for name in names})

    def work(self) -> Work:
        """The slice for `agents/` and `graph/`."""
        # A search ends by itself before the limit of its cell would take its results away.
        return Work(self.max_steps, self.trials, self.tuning_rounds, self.failures, round(0.8 * self.wall, 1))

    def source(self, frames: dict[str, Any] | None = None) -> Source:
        """The slice for retrieval; a plain name in `db` is looked up in `databases`."""
        db = self.db or os.environ.get("OMC_AGENT_DB", "") or None
        if db and "://" not in db:
            known = {**self.databases, **_databases_from_environment()}
            if db not in known:
                raise UsageError(
                    "usage.value",
                    given=f"--db {db} is neither a URL nor a known name.",
                    have=f"Known names: {', '.join(sorted(known)) or 'none'}.",
                    try_="Give a URL such as sqlite:///market.db, or set AgentSettings.databases.",
                )
            db = known[db]
        return Source(
            db=db,
            table=self.table,
            target=self.target or None,
            time=self.time or None,
            series=self.series,
            group=self.group or None,
            frames=dict(frames or {}),
            secret_columns=tuple(self.secret_columns),
            allow_columns=tuple(self.allow_columns),
        )


def _databases_from_environment() -> dict[str, str]:
    prefix = "OMC_AGENT_DB_"
    return {key[len(prefix) :].lower(): url for key, url in os.environ.items() if key.startswith(prefix)}


def server_base() -> str:
    """The base URL of the Jupyter server that has the agent's routes and started this kernel, such as ``/user/ada/``.

    Its extension tells it to the kernels that it starts; empty: there is no such server.
    """
    base = os.environ.get("OMC_AGENT_SERVER_BASE", "")
    return base if base.startswith("/") and not base.startswith("//") else ""


def settings_with(base: AgentSettings | None = None, **values: Any) -> AgentSettings:
    """A copy of `base` with `values` set; a value that does not fit is a UsageError in three parts.

    Examples
    --------
    >>> settings_with(trials=4).work().trials
    4
    """
    fresh = AgentSettings(config=base.config if base is not None else None)
    if base is not None:
        for name in base.trait_names(config=True):
            setattr(fresh, name, getattr(base, name))
    for name, value in values.items():
        if value is None:
            continue
        if name not in fresh.trait_names(config=True):
            raise UsageError(
                "usage.flag",
                given=f"There is no setting {name!r}.",
                have=f"Settings: {', '.join(sorted(fresh.trait_names(config=True)))}.",
                try_="%agent help shows the flags.",
            )
        try:
            _check_finite(value)
            setattr(fresh, name, value)
        except TraitError as error:
            raise UsageError(
                "usage.value",
                given=f"{name}={value!r} cannot be used: {_why(error)}",
                have=f"The default is {AgentSettings.class_traits()[name].default()!r}.",
                try_=f"{AgentSettings.class_traits()[name].help}",
            ) from None
    return fresh


def _why(error: TraitError) -> str:
    """The end of the trait's sentence; its beginning names the trait and its class, which are said already."""
    text = str(error)
    for start, said in ((" instance should not be ", "it must not be "), (" instance expected ", "it must be ")):
        if start in text:
            rest = text.partition(start)[2].partition(", but a value")[0].partition(", not ")[0]
            return f"{said}{rest.strip()}."
    return text


def _check_finite(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):  # a comparison with nan lets it through
        raise TraitError("It is no number that can be compared.")


def with_limits(limits: Limits, **values: Any) -> Limits:
    """`limits` with some values replaced."""
    return replace(limits, **values)

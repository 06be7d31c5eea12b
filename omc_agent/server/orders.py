"""How a run is to be begun: the magic's flags by name, as a request sends them and as the line keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from omc_agent.errors import UsageError
from omc_agent.flags import SETTING_FLAGS
from omc_agent.llm.names import OFFLINE
from omc_agent.secrecy import hide_secrets

SETTINGS = tuple(flags[-1].lstrip("-").replace("-", "_") for flags, _ in SETTING_FLAGS)
OTHERS = ("data", "out", "id", "plan", "follow", "bg", "kernel_id")
URLS = ("db", "base_url")  # settings that may hold a password


@dataclass
class Order:
    """What a kernel is told.

    Attributes
    ----------
    settings : dict
        Of this request, by name; what is secret in them is never written.
    kernel_id : str or None
        The kernel that is named.
    data : list of str
        Names of DataFrames in it.
    out : str
        The variable that the run is bound to.
    id : str or None
        The run's name.
    follow : str
        The run that it follows.
    plan : bool
        Whether it ends after its plan.
    turn : dict or None
        The branch that it begins with.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    kernel_id: str | None = None
    data: list[str] = field(default_factory=list)
    out: str = "agent_run"
    id: str | None = None
    follow: str = ""
    plan: bool = False
    turn: dict[str, Any] | None = None

    @property
    def kept(self) -> dict[str, Any]:
        """The settings without those that hold a password."""
        secret = secrets_of(self.settings)
        return {name: value for name, value in self.settings.items() if name not in secret}

    def written(self) -> dict[str, Any]:
        """As it is kept in the store."""
        return {**asdict(self), "settings": self.kept}

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Order:
        """An order that `written` gave; what a newer version added is left out."""
        return cls(**{name: kept[name] for name in cls.__dataclass_fields__ if name in kept})


def order_of(flags: Mapping[str, Any], kernel_id: str | None = None) -> Order:
    """Read the flags of a request.

    Parameters
    ----------
    flags : mapping
        ``trials``, ``db`` and the other settings of the magic; ``data`` (a name or a list), ``out``, ``id``,
        ``plan``, ``follow``. ``bg`` says nothing: a run by REST always is in the background.
    kernel_id : str, optional
        The kernel that is named.

    Raises
    ------
    UsageError
        ``usage.flag`` for one that is not known, ``usage.value`` for a name that no variable can have.

    Examples
    --------
    >>> order = order_of({"trials": 4, "plan": True})
    >>> order.settings, order.plan
    ({'trials': 4}, True)
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if unknown := sorted(set(given) - {*SETTINGS, *OTHERS}):
        raise UsageError("usage.flag", given=f"There is no flag {unknown[0][:80]!r}.",
                         have=f"Flags: {', '.join((*SETTINGS, *OTHERS))}.", try_="Leave it out.")  # fmt: skip
    settings = {name: given[name] for name in SETTINGS if name in given}
    if settings.get("replay") and "model" not in settings:
        settings["model"] = OFFLINE  # a replay takes the model from its record
    data = given.get("data") or []
    order = Order(settings, kernel_id, [data] if isinstance(data, str) else list(data), given.get("out", "agent_run"),
                  given.get("id"), given.get("follow", ""), bool(given.get("plan", False)))  # fmt: skip
    for name in (*order.data, order.out):
        if not isinstance(name, str) or not name.isidentifier():
            raise UsageError("usage.value", given=f"{str(name)[:80]!r} is no name of a variable.", have="",
                             try_="Take a plain identifier, such as agent_run.")  # fmt: skip
    return order


def secrets_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """URLs with a password: told to the kernel, and kept nowhere.

    Examples
    --------
    >>> secrets_of({"db": "postgresql://ann:secret@host/db", "base_url": "http://localhost:8000"})
    {'db': 'postgresql://ann:secret@host/db'}
    """
    found = {name: str(settings[name]) for name in URLS if name in settings}
    return {name: url for name, url in found.items() if hide_secrets(url) != url}

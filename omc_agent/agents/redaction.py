"""What is taken out of a message before it leaves for a provider: secrets, or every value of a cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from omc_agent.secrecy import KEY_FORMS

HIDDEN = "[redacted]"
LEVELS = ("none", "secrets", "values")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_NAMED = re.compile(
    r"(?i)\b((?:[\w\-]*(?:password|passwd|secret|api[_\-]?key|access[_\-]?key|auth[_\-]?token|bearer))\s*(?:[=:]|\bis\b|\s)\s*)"
    r"(?=[^\s,;'\"]*[^A-Za-z\s,;'\"(){}\[\]])([^\s,;'\"(){}\[\]]{6,})"
)
_NAMES = re.compile(r"(?i)password|passwd|secret|key|token|bearer")
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.\-]*://)[^\s/@:'\"]*:[^\s/@'\"]+@")
_MAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,6}(?![\w@])")
_CARD = re.compile(
    r"(?<![\d.])(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6(?:011|5\d{2}))(?:([ \-]?)\d{4})(?:\1\d{4}){2}(?![\d.]*\d)"
    r"|(?<![\d.])3[47]\d{2}[ \-]?\d{6}[ \-]?\d{5}(?![\d.]*\d)"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")


def without_secrets(text: str) -> str:
    """`text` with what looks like a key, a token, an address, a password in a URL or a card replaced.

    Card numbers have to pass Luhn's check and accounts that of ISO 13616, so that other long numbers stay.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> without_secrets("mail ann@example.org, card 4111 1111 1111 1111, db postgresql://u:pw@h/d, at 1717200000000")
    'mail [redacted], card [redacted], db postgresql://[redacted]@h/d, at 1717200000000'
    """
    text = _PEM.sub(HIDDEN, text)
    text = KEY_FORMS.sub(HIDDEN, text)
    if "://" in text:
        text = _URL.sub(rf"\1{HIDDEN}@", text)
    if _NAMES.search(text):
        text = _NAMED.sub(rf"\1{HIDDEN}", text)
    if "@" in text:
        text = _MAIL.sub(HIDDEN, text)
    text = _CARD.sub(lambda found: HIDDEN if _luhn(found.group()) else found.group(), text)
    return _IBAN.sub(lambda found: HIDDEN if _iban(found.group()) else found.group(), text)


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with every text in it changed, names of fields too; whole numbers are read as text.

    Examples
    --------
    >>> each_text({"card": [4111111111111111, 7]}, without_secrets)
    {'card': ['[redacted]', 7]}
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
        changed = change(text)
        return value if changed == text else changed
    if isinstance(value, Mapping):
        return {change(str(name)): each_text(item, change) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [each_text(item, change) for item in value]
    return value


def reply_without_values(told: Any) -> Any:
    """What a tool answered, without any value of a cell: status, number, frames by shape, values by type.

    Examples
    --------
    >>> reply_without_values({"cell": 3, "status": "ok", "output": "Ann 31", "values": {"n": 31}})
    {'cell': 3, 'status': 'ok', 'values': {'n': 'int'}, 'output': '[withheld: 6 characters]'}
    """
    if not isinstance(told, Mapping):
        return f"[withheld: {len(str(told))} characters]"
    kept = {name: told[name] for name in ("cell", "status", "frames") if name in told}
    if isinstance(told.get("values"), Mapping):
        kept["values"] = {name: _shape(value) for name, value in told["values"].items()}
    if told.get("output"):
        kept["output"] = f"[withheld: {len(str(told['output']))} characters]"
    if isinstance(told.get("error"), Mapping):
        error = told["error"]
        kept["error"] = {name: error[name] for name in ("type", "line", "code") if error.get(name) is not None}
    return kept


def facts_without_values(facts: Any) -> Any:
    """The facts of a stage without values of cells: names, types, counts, spans, scores and the person's words stay.

    Examples
    --------
    >>> facts_without_values({"goal": "g", "sealed": {"rows": 9, "classes": ["Ann"]}, "named": {"df": {"head": [1]}}})
    {'goal': 'g', 'sealed': {'rows': 9, 'classes': 'list of 1'}, 'named': {'df': {}}}
    """
    if not isinstance(facts, Mapping):
        return facts
    made = dict(facts)
    if isinstance(made.get("sealed"), Mapping) and made["sealed"].get("classes") is not None:
        made["sealed"] = {**made["sealed"], "classes": _shape(made["sealed"]["classes"])}
    for name in ("named", "portraits"):
        if isinstance(made.get(name), Mapping):
            made[name] = {which: _without_rows(about) for which, about in made[name].items()}
    if isinstance(made.get("failed"), Mapping):  # reasons may quote values
        made["failed"] = dict.fromkeys(made["failed"], "it failed")
    return made


def _without_rows(about: Any) -> Any:
    if not isinstance(about, Mapping):
        return _shape(about)
    return {name: value for name, value in about.items() if name not in ("head", "statistics", "value", "text")}


def _shape(value: Any) -> str:
    if isinstance(value, (list, tuple, Mapping, str)):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


def _luhn(text: str) -> bool:
    digits = [int(letter) for letter in text if letter.isdigit()][::-1]
    return sum(digits[0::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


def _iban(text: str) -> bool:
    packed = text.replace(" ", "")
    return int("".join(str(int(letter, 36)) for letter in packed[4:] + packed[:4])) % 97 == 1

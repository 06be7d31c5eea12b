"""File systems by URL, as `fsspec` opens them: each call within a bound of tries and time, each failure a sentence.

All methods block; whoever lives on an event loop calls them in a thread.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from omc_agent.errors import RunError, UsageError
from omc_agent.secrecy import hide_secrets, refuse_secrets, remember_secret

T = TypeVar("T")

TRIES = 4
SECONDS = 60.0  # of one call with all its tries, and as many more as the bytes take at SLOWEST
SLOWEST = 250_000  # bytes a second
WAITS = (0.2, 0.8, 2.4)  # seconds before the next try
S3 = ("s3", "s3a")
_ONE_PUT = 50_000_000  # bytes; what is larger goes in parts, and shows when all are there
_LOCAL = ("file", "local")
# Another try would fail in the same way.
_FOR_GOOD = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ParamValidationError",
             "ProfileNotFound", "InvalidConfigError", "UnknownServiceError", "TokenRetrievalError")  # fmt: skip
_BROKEN_ON_THE_WAY = ("BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch")
_KEYS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_opened: dict[tuple[str, int], Any] = {}
_opening = threading.Lock()


def local_folder(url: str) -> Path | None:
    """The folder that `url` means on this machine; None for one elsewhere.

    Examples
    --------
    >>> local_folder("file:///data/runs").as_posix(), local_folder("s3://bucket/runs")
    ('/data/runs', None)
    """
    scheme, there, _ = url.partition("://")
    if not there:
        return Path(url).expanduser().absolute()
    return Path(unquote(urlsplit(url).path)) if scheme.lower() in _LOCAL else None


def check_url(url: str) -> None:
    """Refuse a URL that no file system can be opened by; nothing is asked over the network.

    Raises
    ------
    UsageError
        ``usage.secret`` for one that holds a key, ``usage.value`` for a scheme that is not known, a package that is
        not installed, or no bucket.
    """
    refuse_secrets(url, "The URL of the artifacts")
    if local_folder(url) is not None:
        return
    scheme, _, rest = url.partition("://")
    if "::" in url:
        raise _unfit(url, "It chains several file systems.", "Name one, such as s3://bucket/prefix.")
    _check_scheme(scheme, url)
    if scheme in S3 and not rest.strip("/").partition("/")[0]:
        raise _unfit(url, "It names no bucket.", "Write s3://bucket/prefix.")


class FileSystem:
    """The file system that holds `url`.

    Parameters
    ----------
    url : str
        Of a file or folder; not one of this machine.

    Raises
    ------
    UsageError
        As `check_url`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.scheme = url.partition("://")[0]
        self._files = _open(self.scheme, url)

    def put(self, url: str, data: bytes) -> None:
        """Write a file at once or not at all."""
        path = self._path(url)
        seconds = SECONDS + len(data) / SLOWEST
        if self.scheme in S3:  # one put is atomic, and the server compares the digest
            digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
            extra = {"ContentMD5": digest} if len(data) < _ONE_PUT else {}
            self._call(lambda: self._files.pipe_file(path, data, **extra), url, seconds)
            return
        folder, _, name = path.rpartition("/")
        part = f"{folder}/.{name}.{secrets.token_hex(4)}.part"

        def written() -> None:
            self._files.makedirs(folder, exist_ok=True)
            self._files.pipe_file(part, data)
            self._files.mv(part, path)

        self._call(written, url, seconds)

    def get(self, url: str, target: Path, size: int = 0) -> None:
        """Copy a file into `target`; `size` in bytes gives it more time."""
        path = self._path(url)
        self._call(lambda: self._files.get_file(path, str(target)), url, SECONDS + size / SLOWEST)

    def names(self, url: str) -> list[str]:
        """URLs of the files below a folder; none where it is not there."""
        path = self._path(url)

        def found() -> list[str]:
            try:
                return [str(self._files.unstrip_protocol(each)) for each in self._files.find(path)]
            except FileNotFoundError:
                if self.scheme in S3:  # an empty prefix is a plain empty list there, so this is the bucket
                    raise
                return []

        return self._call(found, url)

    def remove(self, url: str) -> None:
        """Remove a file; one that is not there is no fault."""
        path = self._path(url)

        def gone() -> None:
            try:
                self._files.rm_file(path)
            except FileNotFoundError:
                return

        self._call(gone, url)

    def _path(self, url: str) -> str:
        return str(self._files._strip_protocol(url))

    def _call(self, act: Callable[[], T], url: str, seconds: float = SECONDS) -> T:
        """Try, and try again where that may help; RunError ``run.artifact_store`` when it did not."""
        ends = time.monotonic() + seconds
        for wait in (*WAITS, None):
            try:
                return _within(ends - time.monotonic(), act)
            except Exception as error:
                if isinstance(error, FileNotFoundError) and not _is_bucket(error, self.scheme):
                    raise RunError("run.no_artifact", given=f"There is no file {url}.",
                                   have="It was removed, or never written.",
                                   try_="omc-agent artifacts ID lists what a run left.") from None  # fmt: skip
                if wait is None or _is_for_good(error) or time.monotonic() + wait >= ends:
                    raise _failed(error, url, self.scheme) from None
                time.sleep(wait)
        raise AssertionError  # the last wait is None


def _within(seconds: float, act: Callable[[], T]) -> T:
    """What `act` returns or raises; TimeoutError when it took longer: its thread then ends by itself."""
    found: list[T] = []
    raised: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            found.append(act())
        except BaseException as error:
            raised.append(error)
        finally:
            done.set()

    threading.Thread(target=work, daemon=True, name="omc-agent-artifacts").start()
    if not done.wait(max(seconds, 0.1)):
        raise TimeoutError("no answer in time")
    if raised:
        raise raised[0]
    return found[0]


def _open(scheme: str, url: str) -> Any:
    """One instance for a scheme and the keys that hold now: a changed key opens another."""
    made_for = hash(tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_"))))
    kind = _class_of(scheme, url)
    with _opening:
        if (scheme, made_for) not in _opened:
            made = _opened[scheme, made_for] = kind(**_arguments(scheme))
            if scheme in S3:
                made.retries = 1  # tries are counted in `FileSystem._call`, with the time that they take
        return _opened[scheme, made_for]


def _arguments(scheme: str) -> dict[str, Any]:
    """Without listings from memory; for S3 with one try a call."""
    given: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme in S3:
        for name in _KEYS:
            remember_secret(os.environ.get(name, ""))
        given["config_kwargs"] = {"connect_timeout": 5, "read_timeout": 20,
                                  "retries": {"mode": "standard", "total_max_attempts": 1}}  # fmt: skip
    return given


def _class_of(scheme: str, url: str) -> Any:
    from fsspec.registry import get_filesystem_class

    _check_scheme(scheme, url)
    try:
        return get_filesystem_class(scheme)
    except ImportError:
        raise _lacks_package(scheme, url) from None


def _check_scheme(scheme: str, url: str) -> None:
    """Refuse what fsspec does not know, or has no package for; nothing large is imported to find it out."""
    from fsspec.registry import known_implementations, registry

    if scheme in registry and scheme not in known_implementations:
        return
    if scheme not in known_implementations:
        raise _unfit(url, f"There is no file system {scheme!r}.",
                     "Give a folder, s3://bucket/prefix, or another URL that fsspec knows.")  # fmt: skip
    if find_spec(str(known_implementations[scheme]["class"]).partition(".")[0]) is None:
        raise _lacks_package(scheme, url)


def _lacks_package(scheme: str, url: str) -> UsageError:
    from fsspec.registry import known_implementations

    package = "'omc-agent[s3]'" if scheme in S3 else _package(known_implementations[scheme])
    return _unfit(url, f"The package for {scheme}:// is not installed.", f"pip install {package}")


def _package(about: Mapping[str, Any]) -> str:
    """What fsspec says that has to be installed."""
    words = str(about.get("err", "")).replace('"', " ").split()
    return words[words.index("install") + 1].strip(".,`'") if "install" in words[:-1] else "its package"


def _unfit(url: str, have: str, try_: str) -> UsageError:
    return UsageError(
        "usage.value", given=f"artifact_url={hide_secrets(url)!r} cannot be used.", have=have, try_=try_
    )


def _is_bucket(error: Exception, scheme: str) -> bool:
    return scheme in S3 and "bucket" in str(error).lower()


def _is_for_good(error: Exception) -> bool:
    answer = getattr(error.__cause__, "response", None) or {}
    if answer.get("Error", {}).get("Code") in _BROKEN_ON_THE_WAY:
        return False
    if type(error).__name__ in _FOR_GOOD or isinstance(error, (PermissionError, FileNotFoundError)):
        return True
    if isinstance(error, (NotImplementedError, ValueError, TypeError, AttributeError, ImportError)):
        return True
    return isinstance(error, OSError) and error.errno in (errno.EINVAL, errno.ENOSYS, errno.EREMCHG, errno.ENOSPC)


def _failed(error: Exception, url: str, scheme: str) -> RunError:
    """Three parts: which place, what it said, what to try. No key is in it."""
    given = f"The artifacts cannot be reached at {hide_secrets(url)}."
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    said = hide_secrets(" ".join(told.split()))[:300].rstrip(".") or type(error).__name__
    name = type(error).__name__
    if scheme in S3:
        at = hide_secrets(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "AWS")
        if "Credential" in name or "ProfileNotFound" in name:
            have, try_ = f"There are no keys for S3: {said}.", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        elif isinstance(error, PermissionError):
            have = f"{at} refused the keys, or what they may do: {said}."
            try_ = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the policy of the bucket: read, write, list."
        elif isinstance(error, FileNotFoundError):
            bucket = url.partition("://")[2].partition("/")[0]
            have, try_ = (
                f"{at} has no bucket {bucket}.",
                "Make the bucket, or name another in OMC_AGENT_ARTIFACT_URL.",
            )
        elif "Connect" in name or "Timeout" in name or isinstance(error, (ConnectionError, TimeoutError)):
            have = f"{at} does not answer: {said}."
            try_ = "Check AWS_ENDPOINT_URL and the network, and try again."
        else:
            have, try_ = f"{at} answered: {said}.", "Try again later; nothing was lost."
        return RunError("run.artifact_store", given=given, have=have, try_=try_)
    return RunError("run.artifact_store", given=given, have=f"{name}: {said}.",
                    try_="Check the URL and what may be written there, or leave artifact_url out.")  # fmt: skip

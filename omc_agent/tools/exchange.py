"""Bars out of an exchange, page by page, through ccxt: asked politely, asked again where that helps, and checked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from typing import Any

from omc_agent.errors import DataError, UsageError
from omc_agent.secrecy import hide_secrets

# Bars of a week or a month do not lie on a fixed grid, and those of seconds are no market data that a goal needs.
TIMEFRAMES = {"1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14_400,
              "6h": 21_600, "8h": 28_800, "12h": 43_200, "1d": 86_400}  # fmt: skip
ATTEMPTS = 6  # of one page, with 1, 2, 4, 8 and 16 seconds between them
LONGEST_WAIT = 300.0  # seconds that are waited because the exchange asks for it
PAGE = 500  # bars, where the exchange does not say how many it gives
ANSWER_MS = 20_000
UNREACHED = "it cannot be reached from here"

Tell = Callable[[str], None]


class Exchange:
    """One exchange, its markets loaded.

    Parameters
    ----------
    name : str
        As ccxt calls it: ``binance``, ``kraken``, ...
    base_url : str
        Scheme and host, and the path before its own, in place of the exchange's: a mirror or a proxy.
    tell : callable, optional
        Told of waits, a line each.
    sleep : callable
        Waits that many seconds.

    Raises
    ------
    UsageError
        ``usage.value`` for an exchange that is not known, or one that gives no bars.
    DataError
        ``data.exchange`` when the package is missing, or the exchange cannot be reached or refuses.
    """

    def __init__(
        self, name: str, base_url: str = "", *, tell: Tell | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name, self._tell, self._sleep = name, tell or (lambda _: None), sleep
        self._ccxt = _ccxt()
        self._client = self._opened(base_url)
        self._answered = False
        self._asked(self._client.load_markets)

    @property
    def now_ms(self) -> int:
        """The moment, in milliseconds since the epoch: the earlier of this clock and the exchange's.

        A clock that is ahead would take the bar that is being made for one that is done.
        """
        mine = int(1000 * time.time())
        said = _header(self._client, "Date")
        try:
            theirs = int(1000 * parsedate_to_datetime(said).timestamp()) if said else mine
        except (TypeError, ValueError):
            theirs = mine
        # Seconds are all that the header has, so a second of difference is none.
        return min(mine, theirs + 1000)

    @property
    def page_bars(self) -> int:
        """Bars that one answer holds at most."""
        told = ((self._client.features or {}).get("spot") or {}).get("fetchOHLCV") or {}
        return int(told.get("limit") or PAGE)

    def market(self, symbol: str) -> tuple[str, str]:
        """A symbol in the exchange's spelling, and its base coin.

        Raises
        ------
        DataError
            ``data.exchange`` with near names.
        """
        there: dict[str, Any] = self._client.markets
        plain = re.sub(r"[/\-_\s]", "", symbol.upper())
        hits = [symbol.upper()] if symbol.upper() in there else [n for n in there if n.replace("/", "") == plain]
        if not hits:
            base = re.split(r"[/\-_:\s]", symbol.upper())[0]
            near = [name for name, each in there.items() if each["base"] == base][:5]
            near = near or get_close_matches(symbol.upper(), list(there), 3, 0.5) or sorted(there)[:3]
            raise DataError("data.exchange", given=f"The symbol was {symbol}.",
                            have=f"{self.name} has {len(there):,} markets, and none of that name.",
                            try_=f"Try {', or '.join(near)}." if near else "Try another exchange.")  # fmt: skip
        return hits[0], str(there[hits[0]]["base"]).upper()

    def check_timeframe(self, timeframe: str) -> int:
        """The seconds of a timeframe.

        Raises
        ------
        UsageError
            ``usage.value`` where the exchange does not have it.
        """
        there = [each for each in TIMEFRAMES if each in (self._client.timeframes or {})]
        if timeframe not in there:
            raise UsageError("usage.value", given=f"--timeframe {timeframe} cannot be had from {self.name}.",
                             have=f"It has {', '.join(there)}.", try_="Try --timeframe 5m.")  # fmt: skip
        return TIMEFRAMES[timeframe]

    def page(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> list[Any]:
        """Bars from `since_ms` on as ccxt gives them: time (ms), open, high, low, close, volume."""
        answer = self._asked(lambda: self._client.fetch_ohlcv(symbol, timeframe, since_ms, limit))
        return answer if isinstance(answer, list) else []

    def _opened(self, base_url: str) -> Any:
        known: Sequence[str] = self._ccxt.exchanges
        if self.name not in known:
            near = get_close_matches(self.name.lower(), known, 3, 0.5)
            raise UsageError("usage.value", given=f"--exchange {self.name} is not known.",
                             have=f"{len(known)} exchanges are, binance, coinbase and kraken among them.",
                             try_=f"Try {', or '.join(near)}." if near else "Try --exchange binance.")  # fmt: skip
        asked = {"enableRateLimit": True, "timeout": ANSWER_MS, "requests_trust_env": True}
        client = getattr(self._ccxt, self.name)({**asked, "enableLastJsonResponse": True})
        if client.has.get("fetchOHLCV") is not True:
            raise UsageError("usage.value", given=f"--exchange {self.name} gives no bars.",
                             have="It has trades only, or no past.", try_="Try --exchange binance.")  # fmt: skip
        client.has = {**client.has, "fetchCurrencies": False}  # a call that bars do not need
        kinds = client.options.get("fetchMarkets")
        if isinstance(kinds, dict) and "spot" in kinds.get("types", ()):
            client.options["fetchMarkets"] = {**kinds, "types": ["spot"]}
        if base_url:
            client.urls["api"] = _moved(client.urls["api"], base_url.rstrip("/"))
        return client

    def _asked(self, call: Callable[[], Any]) -> Any:
        """What `call` gives; asked again where the exchange is busy, slow or gone."""
        attempt = 0
        while True:
            try:
                return self._checked(call())
            except (self._ccxt.RateLimitExceeded, self._ccxt.DDoSProtection):
                why, last, wait = "it is asked too often", ATTEMPTS, self._wait_of(2.0**attempt)
            except self._ccxt.NetworkError as problem:
                if re.search(r" (?:403|451) |restricted location", str(problem)):  # asking again changes no place
                    raise self._failed(f"it refuses requests from here ({_said(problem)})") from None
                # Without a network nobody waits half a minute to hear of it.
                why, last, wait = self._why_gone(problem), ATTEMPTS if self._answered else 2, 2.0**attempt
            except self._ccxt.BaseError as problem:
                raise self._failed(_said(problem)) from None
            except (ValueError, TypeError, KeyError, IndexError, AttributeError):
                raise self._failed("its answer is not of the form that it promises") from None
            attempt += 1
            if attempt >= last:
                raise self._failed(why)
            self._tell(f"{self.name}: {why}; asked again in {wait:g} s")
            self._sleep(wait)

    def _checked(self, answer: Any) -> Any:
        said = self._client.last_json_response
        if said is None:  # ccxt takes such an answer for one without bars
            page = str(self._client.last_http_response or "").lstrip().startswith("<")
            raise self._failed("it answers with a web page: a sign-in, a proxy or a block stands in between" if page
                               else "its answer is cut off, or no JSON")  # fmt: skip
        if isinstance(said, list) and said and not any(isinstance(each, (list, dict)) for each in said):
            raise self._failed("what came are no bars")
        self._answered = True
        return answer

    def _wait_of(self, usual: float) -> float:
        """Seconds that the exchange asks to wait, or the usual ones."""
        asked = _header(self._client, "Retry-After")
        try:
            wait = max(float(asked), 0.0) if asked else usual
        except ValueError:  # a date
            wait = usual
        if wait > LONGEST_WAIT:
            raise self._failed(f"it asks to wait {wait:,.0f} s")
        return wait

    def _why_gone(self, problem: Exception) -> str:
        if isinstance(problem, self._ccxt.RequestTimeout):
            return f"it did not answer within {ANSWER_MS / 1000:g} s"
        if isinstance(problem, self._ccxt.ExchangeNotAvailable):
            return f"it is not available ({_said(problem)})"
        return UNREACHED

    def _failed(self, why: str) -> DataError:
        if why == UNREACHED and not self._answered:
            return DataError("data.exchange", given=f"Bars were asked of {self.name}.", have=f"The exchange: {why}.",
                             try_="Look at the network; HTTPS_PROXY and --base-url are heeded.")  # fmt: skip
        return DataError("data.exchange", given=f"Bars were asked of {self.name}.", have=f"The exchange: {why}.",
                         try_="Try again later: the table stays as it is, and the same command goes on.")  # fmt: skip


def _ccxt() -> Any:
    try:
        import ccxt
    except ImportError:
        raise DataError("data.exchange", given="Bars of an exchange are fetched through ccxt.",
                        have="It is not installed.", try_='pip install "omc-agent[exchange]"') from None  # fmt: skip
    return ccxt


def _moved(urls: Any, base: str) -> Any:
    """The addresses of an exchange, each with another scheme and host."""
    if isinstance(urls, dict):
        return {name: _moved(each, base) for name, each in urls.items()}
    return re.sub(r"^https?://[^/]+", base, urls) if isinstance(urls, str) else urls


def _header(client: Any, name: str) -> str:
    headers = client.last_response_headers or {}
    return str(headers.get(name) or "")


def _said(problem: Exception) -> str:
    """The exchange's own words, one line of them, without a key that may be in an address."""
    words = re.sub(r"^\w+ [A-Z]+ https?://\S+|<[^>]*>|\s+", " ", str(problem)).strip()
    return hide_secrets(words)[:200].rstrip(". ") or type(problem).__name__


def utc_text(milliseconds: int) -> str:
    """A moment for people, UTC.

    Examples
    --------
    >>> utc_text(1_704_067_500_000)
    '2024-01-01 00:05'
    """
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")

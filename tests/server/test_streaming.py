"""The ledger as it is written: nothing lost, nothing twice, whoever reads it and however slowly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import threading
import time

import psutil
import pytest
import requests
from tornado.websocket import websocket_connect

from omc_agent.events import RunFinished, Said
from omc_agent.server.feed import beating
from omc_agent.store.leases import Leases, new_owner
from tests.server.conftest import PREFIX, TOKEN

pytestmark = pytest.mark.timeout(120)


class Engine:
    """A run that this process drives: it has the lease, and writes what it is told."""

    def __init__(self, server) -> None:
        self.store, self.owner, self.count = server.store, new_owner(), 0
        self.id = str(server.seed(status="running")["id"])
        self.leases = Leases(self.store.engine)
        assert self.leases.take(self.id, self.owner)

    def say(self, *texts: str) -> None:
        """Write an event for each text, in one transaction."""
        told = [(f"said:{self.count + n}", Said(text=text)) for n, text in enumerate(texts)]
        self.count += len(told)
        self.store.append(self.id, self.id, told, owner=self.owner)

    def end(self, status: str = "finished") -> None:
        """End as a session does."""
        self.count += 1
        self.store.append(self.id, self.id, [(f"end:{self.count}", RunFinished(status=status))], owner=self.owner)
        self.store.update(self.id, status=status)
        self.leases.release(self.id, self.owner)

    def ledger(self, after: int = 0) -> list[int]:
        return [row["seq"] for row in self.store.told(self.id, after_seq=after)]


@pytest.fixture
def engine(server):
    made = Engine(server)
    yield made
    made.leases.end(made.owner)


def stream(server, run: str, headers: dict[str, str] | None = None, **query) -> requests.Response:
    """The open answer."""
    headers = {"Authorization": f"token {TOKEN}", **(headers or {})}
    url = f"{server.url}{PREFIX}/sessions/{run}/stream"
    return requests.get(url, headers=headers, params=query, stream=True, timeout=30)


def messages(answer: requests.Response):
    """Messages of ``text/event-stream``, as dicts of their fields."""
    held = b""
    for chunk in answer.iter_content(None):
        *whole, held = (held + chunk).split(b"\n\n")
        for text in whole:
            fields = dict(line.split(": ", 1) for line in text.decode().splitlines() if not line.startswith(":"))
            if "data" in fields:
                yield fields


def test_a_stream_tells_the_ledger_and_then_its_end(server, client, engine):
    engine.say(*(f"word {n}, with a\nnew line and an ä" for n in range(130)))
    engine.end()
    with stream(server, engine.id) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        *told, last = messages(answer)
    rows = client.get(f"/sessions/{engine.id}/messages", params={"limit": 1000}).json()["messages"]
    assert [json.loads(each["data"]) for each in told] == rows
    assert [(each["id"], each["event"]) for each in told] == [(str(row["seq"]), row["kind"]) for row in rows]
    assert last["event"] == "end"
    assert json.loads(last["data"]) == {"kind": "end", "status": "finished", "reason": "", "driven": False,
                                        "seq": rows[-1]["seq"]}  # fmt: skip
    with stream(server, engine.id, after_seq=rows[100]["seq"]) as answer:
        assert [each.get("id") for each in messages(answer)] == [str(row["seq"]) for row in rows[101:]] + [None]
    # A browser connects again after the end: it is told to stop that.
    assert stream(server, engine.id, {"Last-Event-ID": str(rows[-1]["seq"])}).status_code == 204


def test_nothing_is_lost_or_doubled_however_often_a_client_is_cut_off(server, engine):
    chance = random.Random(7)

    def work() -> None:
        for _ in range(60):
            engine.say(*("x" * chance.randrange(2000) for _ in range(chance.randrange(1, 9))))
            time.sleep(chance.random() * 0.05)
        engine.end()

    writer = threading.Thread(target=work)
    writer.start()
    got: list[int] = []
    cuts, over = 0, False
    while not over:
        last = got[-1] if got else 0
        how = {"headers": {"Last-Event-ID": str(last)}} if cuts % 2 else {"after_seq": last}
        most = chance.randrange(1, 40)
        with stream(server, engine.id, **how) as answer:
            for each, _ in zip(messages(answer), range(most), strict=False):
                over = each["event"] == "end"
                got += [int(each["id"])] if not over else []
        cuts += 1
    writer.join()
    assert got == engine.ledger()
    assert cuts > 8


async def test_a_websocket_tells_the_same_at_the_same_address(server, engine):
    engine.say("one", "two")
    url = f"{server.url.replace('http', 'ws', 1)}{PREFIX}/sessions/{engine.id}/stream"
    socket_ = await websocket_connect(f"{url}?token={TOKEN}&after_seq=1")
    first = json.loads(await socket_.read_message())
    assert (first["seq"], first["kind"], first["content"]) == (2, "said", "two")
    engine.say("three")
    assert json.loads(await socket_.read_message())["content"] == "three"
    engine.end("parked")
    assert json.loads(await socket_.read_message())["kind"] == "run_finished"
    assert json.loads(await socket_.read_message())["status"] == "parked"
    assert await socket_.read_message() is None
    assert socket_.close_code == 1000

    socket_.close()


def test_a_websocket_is_refused_to_nobody_and_to_other_pages(server, engine):
    shake = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    assert stream(server, engine.id, {**shake, "Authorization": ""}).status_code == 401
    assert stream(server, "nothere", shake).json()["code"] == "run.unknown"
    # A browser that is logged in sends its cookie, also from a page of somebody else.
    url = f"{server.url}{PREFIX}/sessions/{engine.id}/stream"
    with requests.Session() as browser:
        assert browser.get(server.url, params={"token": TOKEN}, timeout=30).ok
        other = browser.get(url, headers={**shake, "Origin": "https://example.org"}, timeout=30)
        own = browser.get(url, headers={**shake, "Origin": server.url}, timeout=30, stream=True)
        assert (other.status_code, own.status_code) == (403, 101)
        own.close()


def test_a_run_that_goes_on_is_told_on(server, engine):
    engine.say("before")
    engine.end("parked")
    assert engine.leases.take(engine.id, engine.owner)  # somebody resumes it at once
    with stream(server, engine.id) as answer:
        told = messages(answer)
        assert [next(told)["event"] for _ in range(2)] == ["said", "run_finished"]
        engine.say("after")
        assert next(told)["event"] == "said"
        engine.end()
        assert [each["event"] for each in told] == ["run_finished", "end"]


def test_a_run_whose_process_died_does_not_keep_its_followers(server, engine):
    engine.say("last words")
    engine.leases.release(engine.id, engine.owner)
    began = time.monotonic()
    with stream(server, engine.id) as answer:
        *_, end = messages(answer)
    assert json.loads(end["data"]) | {"seq": 0} == {"kind": "end", "status": "running", "reason": "", "driven": False,
                                                    "seq": 0}  # fmt: skip
    assert time.monotonic() - began < 20


def test_a_run_that_is_removed_ends_its_stream_with_the_error(server, engine):
    engine.say("one")
    with stream(server, engine.id) as answer:
        told = messages(answer)
        next(told)
        server.store._delete_rows(engine.id, engine.owner)  # `delete` refuses while an engine drives it
        (error,) = told
    assert (error["event"], json.loads(error["data"])["code"]) == ("error", "run.unknown")


def test_bad_requests_are_refused_before_a_stream_begins(server, engine):
    for query in ({"after_seq": -1}, {"after_seq": "x"}, {"after_seq": 2**40}, {"nothing": 1}):
        answer = stream(server, engine.id, **query)
        assert answer.status_code == 400
        assert answer.json()["code"] in ("usage.value", "usage.flag")
    assert stream(server, "nothere").json()["code"] == "run.unknown"
    assert stream(server, engine.id, {"Authorization": ""}).status_code == 401


def test_a_slow_client_costs_the_server_no_memory_and_the_others_no_time(server, engine):
    process = psutil.Process(server.process.pid)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(quiet(server, engine.id)) for _ in range(8)]
        answer = stack.enter_context(stream(server, engine.id))
        told = messages(answer)
        engine.say("first")
        assert next(told)["id"] == "1"
        before, sent = process.memory_info().rss, 1
        for _ in range(20):  # 20 MB to each
            engine.say(*("x" * 20_000 for _ in range(50)))
            sent += 50
            while int(next(told)["id"]) < sent:
                pass
        grown = process.memory_info().rss - before
        # Each may hold a page; 8 clients that take nothing are owed 160 MB.
        assert grown < 60_000_000, f"{grown / 1e6:.0f} MB"
        engine.end()
        text, found = b"", 0
        while b"event: end" not in text:
            text = text[-20:] + slow[0].recv(1 << 20)
            found += text.count(b"\nevent: said", 9 if found else 0)
    assert found == sent


@contextlib.contextmanager
def quiet(server, run: str):
    """A client that asks and takes nothing."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        made.settimeout(30)
        made.connect((host, int(port)))
        made.sendall(f"GET {PREFIX}/sessions/{run}/stream?token={TOKEN} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        yield made


async def test_signs_of_life_come_between_things_and_lose_none():
    async def things():
        for n in range(3):
            await asyncio.sleep(0.05)
            yield n

    got = [each async for each in beating(things(), 0.02)]
    assert [each for each in got if each is not None] == [0, 1, 2]
    assert got.count(None) >= 3

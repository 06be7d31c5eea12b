"""LangSmith and OpenTelemetry get the calls of a run when their variables are set, and nothing otherwise."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from omc_agent.llm import tracing
from omc_agent.llm.tracing import CAPTURE, Tracing, tracing_of
from omc_agent.sandbox.surroundings import child_environment

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
GOAL = "Predict whether ETH rises over the next hour"


class Receiver:
    """Whatever is sent to it, on loopback: path, headers, body."""

    def __enter__(self):
        self.got = got = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                packed = self.headers.get("Content-Encoding")
                body = gzip.decompress(body) if packed == "gzip" else _unpacked(body) if packed == "zstd" else body
                got.append((self.path, dict(self.headers), body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_PATCH = do_POST

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def spans(self):
        """Spans that came to the collector: name and attributes."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found = []
        for path, _, body in self.got:
            if path.endswith("/v1/traces"):
                sent = ExportTraceServiceRequest.FromString(body)
                spans = [s for r in sent.resource_spans for scope in r.scope_spans for s in scope.spans]
                found += [(s.name, {a.key: a.value.string_value for a in s.attributes}) for s in spans]
        return found

    def text(self):
        return b"\n".join(body for *_, body in self.got).decode(errors="replace")


def _unpacked(body):
    import zstandard

    return zstandard.ZstdDecompressor().stream_reader(body).read()


@pytest.fixture
def nothing_set(monkeypatch):
    """No variable of either house, and LangSmith's client made anew."""
    import os

    from langchain_core.tracers import langchain
    from langsmith import run_trees
    from langsmith.utils import get_env_var

    def fresh():
        get_env_var.cache_clear()
        for home, name in ((langchain, "_CLIENT"), (run_trees, "_CLIENT")):
            if hasattr(home, name):
                monkeypatch.setattr(home, name, None)
        tracing._otel_client.cache_clear()

    for name in [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_", "OTEL_"))]:
        monkeypatch.delenv(name)
    fresh()
    yield fresh
    monkeypatch.undo()
    get_env_var.cache_clear()
    tracing._otel_client.cache_clear()


def plan(run_id):
    """A run of three stages, in the engine's thread, with the offline model."""
    from omc_agent import face
    from omc_agent.config import settings_with

    settings = settings_with(None, approve="never", warm_spare=False)
    return face.start(GOAL, settings=settings, session_id=run_id, plan_only=True).wait()


def test_a_run_is_traced_to_langsmith_with_run_branch_and_stage(nothing_set, monkeypatch):
    with Receiver() as there:
        monkeypatch.setenv("LANGSMITH_TRACING", "true")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", there.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2-of-nobody")
        nothing_set()
        plan("traced")
        text = there.text()
    assert GOAL in text
    assert '"omc_run":"traced"' in text
    assert '"omc_branch":"traced"' in text
    for stage in ("understanding", "planning"):
        assert f'"omc_stage":"{stage}"' in text
    assert "OfflineChatModel" in text


def test_langsmith_hides_inputs_and_outputs_when_it_is_told_to(nothing_set, monkeypatch):
    with Receiver() as there:
        for name, value in {"TRACING": "true", "ENDPOINT": there.url, "API_KEY": "lsv2-of-nobody",
                            "HIDE_INPUTS": "true", "HIDE_OUTPUTS": "true"}.items():  # fmt: skip
            monkeypatch.setenv(f"LANGSMITH_{name}", value)
        nothing_set()
        plan("hidden")
        text = there.text()
    assert '"omc_run":"hidden"' in text
    assert GOAL not in text


@pytest.mark.parametrize("content", ["", "true"])
def test_a_run_is_traced_to_a_collector_and_its_words_only_when_asked_for(content, nothing_set, monkeypatch):
    with Receiver() as there, Receiver() as langsmith:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)
        monkeypatch.setenv("LANGSMITH_ENDPOINT", langsmith.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2-of-nobody")
        monkeypatch.setenv(CAPTURE, content)
        nothing_set()
        plan("spans")
        spans, text = there.spans(), there.text()
        headers = [head for _, head, _ in there.got]
    assert langsmith.got == [], "LangSmith is off"
    assert not any("lsv2-of-nobody" in str(head) for head in headers), "its key goes to nobody else"
    calls = [attributes for name, attributes in spans if "OfflineChatModel" in name]
    assert len(calls) >= 2
    assert {a["langsmith.metadata.omc_run"] for a in calls} == {"spans"}
    assert {a["langsmith.metadata.omc_stage"] for a in calls} >= {"understanding", "planning"}
    assert "omc_agent" in text
    assert (GOAL in text) == bool(content)


def test_a_collector_that_is_gone_does_not_fail_the_run(nothing_set, monkeypatch):
    with Receiver() as there:
        pass
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 0.2)
    nothing_set()
    assert plan("alone").status == "finished"


def test_with_nothing_set_nothing_is_sent_and_no_exporter_is_imported(nothing_set, own_home):
    # Packages that LangGraph imports import the names of OpenTelemetry; what sends is the exporter.
    code = (
        "import socket, sys\n"
        "def refuse(self, address, *more):\n"
        "    raise AssertionError(f'a connection to {address}')\n"
        "socket.socket.connect = refuse\n"
        "from tests.llm.test_tracing import plan\n"
        "print(plan('quiet').status, [n for n in sys.modules if n.startswith('opentelemetry.exporter')])\n"
        "print(omc_agent.llm.tracing.traced('r', 'b'))\n"
    ).replace("from tests", "import omc_agent.llm.tracing\nfrom tests")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split("\n")[:2] == ["finished []", "{}"], done.stderr


def test_the_sandbox_knows_nothing_of_it(monkeypatch):
    for name in ("LANGSMITH_TRACING", "LANGSMITH_API_KEY", "OTEL_EXPORTER_OTLP_ENDPOINT", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "secret-of-mine")
    assert "secret-of-mine" not in child_environment("home").values()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANGCHAIN_TRACING_V2": "true"}, Tracing(langsmith="https://api.smith.langchain.com")),
        ({"LANGSMITH_TRACING": "false", "LANGSMITH_ENDPOINT": "http://x"}, Tracing()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, Tracing()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, Tracing()),
        ({ENDPOINT.replace("OTLP", "OTLP_TRACES"): "http://t", CAPTURE: "1"}, Tracing("", "http://t", content=True)),
        (
            {ENDPOINT: "http://c", "LANGSMITH_TRACING": "true", "LANGSMITH_TRACING_MODE": "hybrid"},
            Tracing(langsmith="https://api.smith.langchain.com"),
        ),
        ({"OTEL_SERVICE_NAME": "mine"}, Tracing()),
    ],
)  # fmt: skip
def test_what_is_on_is_read_from_the_variables(environment, expected):
    assert tracing_of(environment) == expected


def test_a_collector_without_its_packages_is_missed_and_the_run_goes_on(nothing_set, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(tracing, "_is_installed", lambda: False)
    assert tracing_of().missing
    assert "callbacks" not in tracing.traced("r", "b")

"""Traces of a run for LangSmith or an OpenTelemetry collector: on when their variables are set, off otherwise.

LangSmith's own client is switched on by its own variables. What is here adds OpenTelemetry without LangSmith, says on
every span whose it is, and sends what waits when a run ends.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

FLUSH_SECONDS = 5.0  # a collector that is gone must not hold up a run
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_READ = (*_ENDPOINTS, CAPTURE, "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_SERVICE_NAME",
         "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_CERTIFICATE")  # fmt: skip


@dataclass(frozen=True)
class Tracing:
    """Where traces go. An empty address is off.

    Attributes
    ----------
    langsmith : str
        Address of LangSmith, switched on by ``LANGSMITH_TRACING``.
    collector : str
        Address of the OpenTelemetry collector.
    content : bool
        Whether prompts and answers go to the collector too, not only names, times and tokens.
    missing : bool
        Whether a collector is named, but the packages of OpenTelemetry are not installed.
    """

    langsmith: str = ""
    collector: str = ""
    content: bool = False
    missing: bool = False


def tracing_of(environment: Mapping[str, str] | None = None) -> Tracing:
    """What is switched on.

    Parameters
    ----------
    environment : mapping, optional
        The process's own by default.

    Examples
    --------
    >>> tracing_of({})
    Tracing(langsmith='', collector='', content=False, missing=False)
    >>> tracing_of({"LANGSMITH_TRACING": "true"}).langsmith
    'https://api.smith.langchain.com'
    """
    found = os.environ if environment is None else environment
    spelled = [f"{house}_{name}" for name in ("TRACING_V2", "TRACING") for house in ("LANGSMITH", "LANGCHAIN")]
    switch = next((found[name] for name in spelled if found.get(name)), "")
    address = found.get("LANGSMITH_ENDPOINT") or found.get("LANGCHAIN_ENDPOINT") or "https://api.smith.langchain.com"
    langsmith = address if switch == "true" else ""
    collector = next((found[name] for name in _ENDPOINTS if found.get(name)), "")
    off = found.get("OTEL_SDK_DISABLED", "").lower() == "true" or found.get("OTEL_TRACES_EXPORTER") == "none"
    if off or (langsmith and _langsmith_speaks_otel(found)):  # LangSmith's own client sends to the collector
        collector = ""
    content = found.get(CAPTURE, "").lower() in ("true", "1", "span_only", "span_and_event")
    return Tracing(langsmith, collector, content and bool(collector), bool(collector) and not _is_installed())


def traced(run_id: str, branch: str) -> dict[str, Any]:
    """What the graph's config needs so that each span says whose it is; empty when tracing is off.

    The stage is on the spans too, as ``omc_stage``: the graph gives it to its nodes.
    """
    found = tracing_of()
    if not (found.langsmith or found.collector):
        return {}
    config: dict[str, Any] = {
        "run_name": "omc_agent", "tags": ["omc_agent"], "metadata": {"omc_run": run_id, "omc_branch": branch},
    }  # fmt: skip
    if found.collector and not found.missing:
        from langchain_core.tracers.langchain import LangChainTracer

        client, _ = _otel_client(tuple(os.environ.get(name, "") for name in _READ))
        config["callbacks"] = [LangChainTracer(client=client)]
    return config


def send_what_waits() -> None:
    """Send the spans that wait, within `FLUSH_SECONDS` for each place; nothing when tracing is off."""
    found = tracing_of()
    if found.langsmith:
        from langchain_core.tracers.langchain import get_client

        get_client().flush(timeout=FLUSH_SECONDS)
    if found.collector and not found.missing:
        client, provider = _otel_client(tuple(os.environ.get(name, "") for name in _READ))
        client.flush(timeout=FLUSH_SECONDS)
        provider.force_flush(int(FLUSH_SECONDS * 1000))


@functools.lru_cache(maxsize=1)
def _otel_client(values: tuple[str, ...]) -> tuple[Any, Any]:
    """LangSmith's client as a translator of LangChain's runs into spans; it speaks to the collector only."""
    from langsmith import Client
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # A provider of our own: LangSmith's would send its key along to any collector.
    name = os.environ.get("OTEL_SERVICE_NAME") or "omc_agent"
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    hide = not tracing_of().content
    client = Client(
        api_url="http://127.0.0.1:9", api_key="none", info={}, tracing_mode="otel", otel_tracer_provider=provider,
        hide_inputs=hide, hide_outputs=hide,
    )  # fmt: skip
    return client, provider


def _langsmith_speaks_otel(found: Mapping[str, str]) -> bool:
    mode = found.get("LANGSMITH_TRACING_MODE", "").lower()
    legacy = [found.get(f"LANGSMITH_{name}", "").lower() for name in ("OTEL_ENABLED", "OTEL_ONLY")]
    return mode in ("otel", "hybrid") or (not mode and bool({"true", "1"} & set(legacy)))


def _is_installed() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter") is not None
    except ModuleNotFoundError:
        return False

"""What whoever looks after the service sees of it: metrics for Prometheus, a line a request, and whether it is ready.

Counts and times are by address as it was added (`/tables/{name}.csv`), never by what was asked for or by whom: that is
the log's (`state.log`), which not everybody may read.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import text
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bluelamp import __version__, live
from bluelamp.errors import BluelampError
from bluelamp.jobs import KINDS, STANDING_WORDS
from bluelamp.state import State
from bluelamp.state import jobs as kept_jobs
from bluelamp.store import Store
from bluelamp.web import request_lines

# Where the workers of one service put their counts together; the library asks for this name.
TOGETHER = "PROMETHEUS_MULTIPROC_DIR"
# Around what is promised: 99 of 100 answers within 0.4 s, and a what-if within a second.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 5.0, 15.0)
_OF_THIS_WORKER = CollectorRegistry()
_REQUESTS = Counter("bluelamp_requests", "Requests answered", ("method", "address", "status"), registry=_OF_THIS_WORKER)
_TIMES = Histogram(
    "bluelamp_request_seconds", "Seconds from a request to the end of its answer", ("address",), buckets=_SECONDS,
    registry=_OF_THIS_WORKER,
)  # fmt: skip
# Answers that stay open for as long as somebody looks: how long they took says nothing.
_OPEN_ENDED = "/api/live"
# Counted by name; others that somebody makes up would each be a line for ever.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# What other servers write where nobody waited for the answer.
_GONE = 499


class Observed:
    """The application with every answer counted, timed, told of, and given a name by which it can be asked about.

    What nobody foresaw is told on standard error, and answered with what `say_unforeseen` makes of a request.
    """

    def __init__(self, app: ASGIApp, say_unforeseen: Callable[[Request, str], Response]) -> None:
        self._app = app
        self._say_unforeseen = say_unforeseen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        began, status, length = time.perf_counter(), 0, 0

        async def observed(message: Message) -> None:
            nonlocal status, length
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            else:
                length += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except ClientDisconnect:
            # Somebody left in the middle of what they sent: no fault of the service, and nobody to tell it to.
            status = _GONE
        except Exception:
            request_lines.tell_unforeseen(scope["method"], _address_of(scope), request_id)
            if status:
                # Half an answer is out: only the connection's end says that it is no whole one.
                raise
            await self._say_unforeseen(Request(scope), request_id)(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - began
            address = _address_of(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            _REQUESTS.labels(method, address, str(status)).inc()
            if address != _OPEN_ENDED:
                _TIMES.labels(address).observe(seconds)
            request_lines.tell(scope["method"], address, status, 1000 * seconds, length, request_id)


def _address_of(scope: Scope) -> str:
    if scope["path"].startswith("/static/"):
        return "/static"
    # What nobody added has no name of its own, or each wrong guess would be a line for ever.
    return str(getattr(scope.get("route"), "path_format", "none"))


class _AsItIsNow(Collector):
    """What is asked of the store and the state when somebody looks."""

    def __init__(self, store: Store, state: State | None, current: Callable[[], live.Current | None]) -> None:
        self._store, self._state, self._current = store, state, current

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("bluelamp", "What answers", {"version": __version__})
        runs, batches = self._store.runs(), self._store.batches()
        yield GaugeMetricFamily("bluelamp_runs", "Runs that were published", runs.height)
        yield GaugeMetricFamily("bluelamp_imports", "Batches that were imported", batches.height)
        if runs.height:
            last = runs.sort("sequence").row(-1, named=True)
            yield _instant("bluelamp_run_made", "When the latest run was made", last["made_at"])
            yield _instant(
                "bluelamp_data_until", "The end of the last hour that the latest run knew", last["data_until"]
            )
        current = self._current()
        if current is not None:
            yield _instant("bluelamp_next_hours_made", "When the next hours were last made", current.made_at)
            yield _instant("bluelamp_known_until", "The latest moment that anything is known of", current.known_until)
            yield GaugeMetricFamily(
                "bluelamp_events_waiting", "Events that are seen, and not imported yet", current.events_waiting
            )
        if self._state is not None:
            yield from self._jobs(self._state)

    def _jobs(self, state: State) -> Iterator[Metric]:
        counted, oldest = kept_jobs.tally(state)
        jobs = GaugeMetricFamily("bluelamp_jobs", "Jobs of the last 90 days", labels=("kind", "state"))
        for kind in KINDS:
            for standing in STANDING_WORDS:
                jobs.add_metric((kind, standing), counted.get((kind, standing), 0))
        yield jobs
        if oldest is not None:
            yield _instant("bluelamp_oldest_job_asked", "When the oldest job that has not ended was asked for", oldest)


def _instant(name: str, words: str, at: datetime) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{name}_timestamp_seconds", words, at.timestamp())


def add_observed(app: FastAPI, store: Store, state: State | None, current: Callable[[], live.Current | None]) -> None:
    """Add the addresses: metrics, and whether the service can answer with figures."""

    @app.get("/metrics", summary="Counts and times of the service, and how old its figures are, for Prometheus")
    def metrics() -> Response:
        registry = CollectorRegistry()
        if TOGETHER in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            answer = generate_latest(registry)
        else:
            answer = generate_latest(_OF_THIS_WORKER)
        now = CollectorRegistry()
        now.register(_AsItIsNow(store, state, current))
        return Response(answer + generate_latest(now), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @app.get("/health/ready.json", summary="Whether the service can answer with figures now")
    def ready() -> Response:
        try:
            is_ready = store.runs().height > 0
            if state is not None:
                with state.reading() as connection:
                    connection.execute(text("select 1"))
        except BluelampError:
            is_ready = False
        return Response(orjson.dumps({"ready": is_ready}), 200 if is_ready else 503, media_type="application/json")

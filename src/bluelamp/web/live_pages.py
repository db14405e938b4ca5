"""Calls that arrive while people look: where they are sent, and how open pages hear of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
import polars as pl
from fastapi import FastAPI, Header, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from bluelamp import arriving, live
from bluelamp.errors import BadData, BluelampError, NoInput, TryAgain, UsageError
from bluelamp.live import Current
from bluelamp.store import Store
from bluelamp.web.admission import Admission
from bluelamp.web.squeezed import Squeezed, squeeze

LARGEST_REQUEST = 4_000_000
_LOOK_SECONDS = 0.5
# Proxies close what stays silent, and a browser that is gone is noticed when it is written to.
_BEAT_SECONDS = 15.0
KEY = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The sender's own name of this request, the same when sent again"),
]


class News:
    """What was last published, for all who look through one worker."""

    def __init__(self, folder: Path, admission: Admission) -> None:
        self.admission = admission
        self._store = Store(folder)
        self._guard, self._laying_out = threading.Lock(), threading.Lock()
        self._current: Current | None = None
        self._figures: tuple[int, Squeezed] | None = None
        # All who listen through a worker ask at about the same time, and one look answers them.
        self._mark: dict[str, Any] = {}
        self._believed_until = float("-inf")

    def current(self) -> Current | None:
        """Give the next hours as they were last made; nothing where nobody makes them."""
        if self.admission.state is None:
            return None
        with self._guard:
            newer = live.latest(self.admission.state, after=self._current.sequence if self._current else 0)
            self._current = newer or self._current
            return self._current

    def mark(self) -> dict[str, Any]:
        """Give what differs when there is something new to see: a run, an import, or the next hours made again."""
        if time.monotonic() >= self._believed_until:
            current, store = self.current(), self._store.snapshot()
            self._mark = {
                "imports": store.batches().height, "runs": store.runs().height,
                "made": current.sequence if current else 0, "is_live": current is not None,
            }  # fmt: skip
            self._believed_until = time.monotonic() + _LOOK_SECONDS
        return self._mark

    def figures(self) -> Squeezed:
        """Give the next hours as the map lays them over the plan. Raises NoInput where nobody makes them."""
        current = self.current()
        if current is None:
            raise NoInput("Nobody keeps the next hours current here: 'bluelamp serve' does so where people sign in.")
        # Every open map asks at the same moment: when they were made again.
        with self._laying_out:
            if self._figures is None or self._figures[0] != current.sequence:
                self._figures = current.sequence, squeeze(orjson.dumps(_figures_of(current)))
            return self._figures[1]


def add_live(app: FastAPI, admission: Admission, news: News) -> None:
    """Add the addresses."""

    async def take(request: Request, name: str, key: str | None) -> Response:
        if admission.state is None:
            raise NoInput("Nothing is taken here: the service is open to this machine alone. Start it with --sign-in.")
        if not key or len(key) > 200 or not key.isprintable():
            raise UsageError(
                "The header Idempotency-Key is missing, or longer than 200 characters. It holds the sender's own name "
                "of this request, so that one that is sent again is taken once."
            )
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_REQUEST:
                raise BadData(f"The request is larger than {LARGEST_REQUEST:,} bytes. Send it in parts.")
        who = request.state.asker.holder.name
        answer, is_new = await run_in_threadpool(arriving.accept, admission.state, who, key, name, body)
        headers = {} if is_new else {"Idempotent-Replayed": "true"}
        return Response(orjson.dumps(answer), 202, media_type="application/json", headers=headers)

    @app.post("/api/incidents", status_code=202, summary="Take events of incidents as they happen")
    async def take_incidents(request: Request, key: KEY = None) -> Response:
        return await take(request, "incidents", key)

    @app.post("/api/unit_status", status_code=202, summary="Take statuses of units as they are pressed")
    async def take_statuses(request: Request, key: KEY = None) -> Response:
        return await take(request, "unit_status", key)

    @app.get("/api/live.json", summary="The next hours as they were last made (format bluelamp-live/1)")
    def figures(request: Request) -> Response:
        return news.figures().answer(request)

    @app.get("/api/live", summary="Server-sent events: 'news' whenever there is something new to see")
    async def listen(request: Request) -> StreamingResponse:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(request, news), media_type="text/event-stream", headers=headers)


async def _events(request: Request, news: News) -> AsyncIterator[bytes]:
    mark = await run_in_threadpool(news.mark)
    yield b"retry: 3000\nevent: here\ndata: " + orjson.dumps(mark) + b"\n\n"
    silent = 0.0
    while not await request.is_disconnected():
        await asyncio.sleep(_LOOK_SECONDS)
        silent += _LOOK_SECONDS
        newer = await _still(news.mark, mark)
        if newer != mark:
            mark, silent = newer, 0.0
            yield b"event: news\ndata: " + orjson.dumps(mark) + b"\n\n"
        elif silent >= _BEAT_SECONDS:
            silent = 0.0
            # Whoever was signed out meanwhile hears no more.
            try:
                asker = await news.admission.asker_of(request)
            except TryAgain:
                continue
            if news.admission.needs_sign_in and not asker.holder.is_signed_in:
                return
            yield b": still here\n\n"


async def _still(look: Callable[[], dict[str, Any]], known: dict[str, Any]) -> dict[str, Any]:
    """Give what is new, and what is known where the database is away for a moment: listeners need not hear of it."""
    try:
        return await run_in_threadpool(look)
    except BluelampError:
        return known


def _figures_of(current: Current) -> dict[str, Any]:
    """Lay out the next hours in columns: by figure, place and hour, as the map has its own figures."""
    near = current.near
    hours = near.hours["hour_starting"].unique().sort()
    rows = near.hours.filter(pl.col("level").is_in(["pool", "force"]))
    places = rows.select("level", "place_id").unique().sort("level", "place_id")
    grades = [each for each in rows["grade_code"].unique().sort() if each != "all"]
    grid = places.join(pl.DataFrame({"hour_starting": hours}), how="cross")

    def laid_out(grade: str, field: str) -> list[list[float | None]]:
        found = grid.join(
            rows.filter(grade_code=grade), on=["level", "place_id", "hour_starting"], how="left",
            maintain_order="left",
        )  # fmt: skip
        values = found[field].cast(pl.Float64).round(4).to_list()
        return [values[first : first + len(hours)] for first in range(0, len(values), len(hours))]

    return {
        "format": "bluelamp-live/1",
        "made_at": int(current.made_at.timestamp()),
        "at": int(near.at.timestamp()),
        "run_id": near.run_id,
        "events_waiting": current.events_waiting,
        "arrivals_until": current.arrivals_until,
        "starting": hours.dt.epoch("s").to_list(),
        "places": places["place_id"].to_list(),
        "grades": {
            grade: {
                "late": laid_out(grade, "share_late"), "waiting": laid_out(grade, "logs_waiting_mean"),
                "waiting_p10": laid_out(grade, "logs_waiting_p10"), "waiting_p90": laid_out(grade, "logs_waiting_p90"),
            }
            for grade in ["all", *grades]
        },
        "units_on_duty": laid_out("all", "units_on_duty"),
        "units_at_work": laid_out("all", "units_at_work_mean"),
        "sentences": near.sentences,
    }  # fmt: skip

"""Who asks, and may they? Every request passes here before anything is looked up.

A request is let in where the access table has a row for its address, the asker's role may do what the row says, a
change comes from a page of this service or from a program with a key, and the log could be written. What is not logged
is not shown. Nobody is let in by forgetting: an answer to a request that did not pass here is thrown away.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bluelamp import state as kept
from bluelamp.access import NOBODY, Holder, Role, may
from bluelamp.errors import BluelampError, NotPermitted, TryAgain, UsageError
from bluelamp.settings import Settings
from bluelamp.state import accounts, log, sessions
from bluelamp.web import navigation
from bluelamp.web.access_table import Row, row_of
from bluelamp.web.kept import Kept

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; worker-src 'self' blob:; img-src 'self' data: blob:; "
        "connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "geolocation=(), camera=(), microphone=()",
}
_STATIC = "/static/"
# What a proxy adds when it passes on a request of somebody else.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
# Whoever is at the machine itself may do with figures, records and the crosswalk what its files let them do anyway.
_AT_THE_MACHINE: Role = "analyst"
# How long a worker believes what it read of a session: a sign-out on another worker holds after so long.
_BELIEVED_SECONDS = 2.0
_SESSIONS_REMEMBERED = 2_000
# A page asks for its figures again and again: the same person looking at the same figures is logged once in so long.
_SAME_LOOK = timedelta(minutes=10)
_LOOKS_REMEMBERED = 20_000
# Requests that one asker may make: so many at once, and so many a second after that.
_AT_ONCE, _A_SECOND = 400.0, 60.0
# Kinds whose every single look is logged.
_LOGGED_EACH = ("records", "people", "accounts", "log")


class NotSignedIn(NotPermitted):
    """Nobody knows yet who asks."""


@dataclass(frozen=True)
class Asker:
    """Whoever makes a request: the account or nobody, what its forms must carry, and how it is known."""

    holder: Holder
    form_token: str
    by_key: bool = False
    session_token: str | None = None


class Admission:
    """The door of one force's service.

    `state` is its database, or None where the service is open to this machine alone and nobody signs in.
    """

    def __init__(self, folder: Path, settings: Settings, state: kept.State | None) -> None:
        self.settings = settings
        self.state = state
        self.force_id = settings.force.id
        self.kept = Kept(folder)
        self._form_token = secrets.token_urlsafe(32)
        self._believed: OrderedDict[str, tuple[float, Asker]] = OrderedDict()
        self._looked: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._rates: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.scribe = None if state is None else Scribe(state)

    @property
    def needs_sign_in(self) -> bool:
        """Whether people have to say who they are."""
        return self.state is not None

    @property
    def cookie(self) -> str:
        """Name the cookie; browsers keep one with this prefix to https and to this host."""
        return "__Host-bluelamp" if self.settings.service.https else "bluelamp"

    async def __call__(self, request: Request) -> None:
        """Let a request in, and log it. Raises NotSignedIn, NotPermitted or TryAgain."""
        asker = await self.asker_of(request)
        request.state.asker = asker
        navigation.tell(asker.holder, self.force_id, request.query_params.get("run"))
        self._insist_on_pace(asker, request)
        path = request.scope["route"].path_format
        row = row_of(request.method, path, request.path_params)
        if row is None:
            raise NotPermitted("This address is in no row of the access table, so that nobody is let in.")
        try:
            self._insist_on_right(asker, row, request)
            if request.method not in ("GET", "HEAD"):
                await self._insist_on_own_page(asker, row, request)
        except NotPermitted as error:
            if self.scribe is not None and asker.holder.is_signed_in:
                await self._write(request, asker, "refusal", {"asked": request.method, "why": error.summary[:200]})
            raise
        if row.operation is not None and self._is_news(asker, row, request):
            try:
                await self._write(
                    request, asker, row.operation, {"asked": request.url.query} if request.url.query else {}
                )
            except BaseException:
                # Nobody was let in: the next look is the first.
                self._looked.pop(_look_of(asker, request), None)
                raise
        request.state.row = row
        request.scope["admitted"] = True

    async def answer(self, request: Request, make: Callable[[], Awaitable[Response]]) -> Response:
        """Let a request in, and give what is kept for it, or what `make` makes. Raises as letting it in does."""
        await self(request)
        row, holder = request.state.row, request.state.asker.holder
        # Named people are kept for nobody, and a supervisor's teams are nobody else's.
        if not row.is_kept or row.kind in _LOGGED_EACH:
            return await make()
        seen_by = (holder.role, holder.force_id, holder.districts)
        return await self.kept.answer(request, seen_by, make, is_of_run=row.is_of_run)

    async def asker_of(self, request: Request) -> Asker:
        """Say who asks: by a key, by a session, from this machine, or nobody."""
        if self.state is None:
            if any(name in request.headers for name in _FORWARDED):
                raise NotPermitted(
                    "The service is open to this machine alone, and a proxy passed on somebody else's request. Start "
                    "it with --sign-in, so that people say who they are."
                )
            return Asker(Holder("this machine", _AT_THE_MACHINE, self.force_id), self._form_token)
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return await self._remembered(key.strip(), self._by_key)
        token = request.cookies.get(self.cookie)
        return await self._remembered(token, self._by_session) if token else Asker(NOBODY, "")

    def forget(self, asker: Asker) -> None:
        """Believe no longer what was read of an account: it signed out, or was changed."""
        of_it = [
            token for token, (_, each) in self._believed.items() if each.holder.account_id == asker.holder.account_id
        ]
        for token in of_it:
            self._believed.pop(token, None)

    async def note(self, request: Request, who: Holder, operation: log.Operation, detail: dict[str, Any]) -> None:
        """Log something that only a page knows of, such as that somebody signed in."""
        if self.scribe is not None:
            await self.scribe.write(_happened(request, who, operation, detail))

    async def _remembered(self, token: str, read: Callable[[str], Asker]) -> Asker:
        known = self._believed.get(token)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        asker = await run_in_threadpool(read, token)
        if asker.holder.is_signed_in:
            self._believed[token] = (time.monotonic() + _BELIEVED_SECONDS, asker)
            while len(self._believed) > _SESSIONS_REMEMBERED:
                self._believed.popitem(last=False)
        else:
            self._believed.pop(token, None)
        return asker

    def _by_key(self, key: str) -> Asker:
        assert self.state is not None
        account = accounts.by_key(self.state, key)
        return Asker(NOBODY if account is None else account.holder, "", by_key=account is not None)

    def _by_session(self, token: str) -> Asker:
        assert self.state is not None
        idle = timedelta(minutes=self.settings.service.idle_minutes)
        session = sessions.find(self.state, token, idle=idle)
        return Asker(NOBODY, "") if session is None else Asker(session.holder, session.form_token, session_token=token)

    def _insist_on_right(self, asker: Asker, row: Row, request: Request) -> None:
        if row.kind is not None and may(asker.holder, row.kind, row.action, self.force_id):
            if not (row.whole_force and asker.holder.districts):
                return
            raise NotPermitted(
                f"This page speaks of the whole force, and your account of {', '.join(asker.holder.districts)} alone. "
                "The map and the tables show your districts."
            )
        if not asker.holder.is_signed_in:
            raise NotSignedIn("Sign in first: this address is not for everybody.")
        if not self.needs_sign_in:
            raise NotPermitted(
                f"Whoever sits at this machine may not {row.action} this ({row.kind}): it is for people who say who "
                "they are. Start the service with 'bluelamp serve FORCE --sign-in', and sign in as somebody who may."
            )
        whose = "your account" if asker.holder.force_id == self.force_id else "an account of another force"
        raise NotPermitted(
            f"{whose[0].upper()}{whose[1:]} may not {row.action} this ({row.kind}). Ask whoever makes the accounts, if "
            "your work needs it."
        )

    async def _insist_on_own_page(self, asker: Asker, row: Row, request: Request) -> None:
        """Take a change from a page of this service, or from a program with a key; never from a page elsewhere."""
        if asker.by_key:
            return
        origin, host = request.headers.get("origin"), request.headers.get("host", "")
        if origin not in (f"http://{host}", f"https://{host}"):
            raise NotPermitted(
                "The change did not come from this page, so that nothing was changed. Make it on a page of this "
                "service, or ask with a key."
            )
        # Who is nobody yet has no token: the sign-in itself is guarded by the origin, and by asking for a password.
        if row.kind != "public":
            given = request.headers.get("x-form-token") or (await form_of(request)).get("token", "")
            if not secrets.compare_digest(given.encode(), asker.form_token.encode()):
                raise NotPermitted(
                    "The page was loaded before you signed in, or before the service was started, so that nothing was "
                    "changed. Load it again and make the change there."
                )

    def _insist_on_pace(self, asker: Asker, request: Request) -> None:
        name = asker.holder.name if asker.holder.is_signed_in else f"from {address_of(request)}"
        now = time.monotonic()
        left, at = self._rates.pop(name, (_AT_ONCE, now))
        left = min(_AT_ONCE, left + (now - at) * _A_SECOND)
        self._rates[name] = (max(left - 1, 0), now)
        while len(self._rates) > _SESSIONS_REMEMBERED:
            self._rates.popitem(last=False)
        if left < 1:
            raise TryAgain("Too many requests in a short time. Wait a few seconds, then try again.")

    def _is_news(self, asker: Asker, row: Row, request: Request) -> bool:
        if row.operation != "consultation" or row.kind in _LOGGED_EACH:
            return True
        key = _look_of(asker, request)
        now = datetime.now(UTC)
        before = self._looked.pop(key, None)
        self._looked[key] = now if before is None or now - before >= _SAME_LOOK else before
        while len(self._looked) > _LOOKS_REMEMBERED:
            self._looked.popitem(last=False)
        return self._looked[key] == now

    async def _write(self, request: Request, asker: Asker, operation: log.Operation, detail: dict[str, Any]) -> None:
        if self.scribe is not None:
            await self.scribe.write(_happened(request, asker.holder, operation, detail))


def _look_of(asker: Asker, request: Request) -> tuple[str, str]:
    return f"{asker.holder.account_id} {asker.session_token}", request.url.path


def door_of(admission: Admission) -> type[APIRoute]:
    """Give the kind of route that every address of a service is: one that lets in whom it may, and then answers."""

    class Door(APIRoute):
        # What answers whoever was let in. A sheet asks for its page here, having been let in at its own door.
        behind: Callable[[Request], Coroutine[Any, Any, Response]]

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            self.behind = super().get_route_handler()

            async def answer(request: Request) -> Response:
                return await admission.answer(request, lambda: self.behind(request))

            return answer

    return Door


class Scribe:
    """Writes the log from a thread of its own: what many requests bring at once becomes one transaction."""

    def __init__(self, state: kept.State) -> None:
        self._state = state
        self._waiting: SimpleQueue[tuple[log.Happened, Callable[[BluelampError | None], None]]] = SimpleQueue()
        threading.Thread(target=self._keep_writing, daemon=True, name="scribe").start()

    async def write(self, happened: log.Happened) -> None:
        """Log something, and come back when it is kept. Raises TryAgain or InputOutputError where it could not be."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: BluelampError | None) -> None:
            def tell() -> None:
                if not done.done():
                    done.set_exception(error) if error else done.set_result(None)

            loop.call_soon_threadsafe(tell)

        self._waiting.put((happened, settle))
        await done

    def _keep_writing(self) -> None:
        while True:
            together = [self._waiting.get()]
            while not self._waiting.empty() and len(together) < 500:
                together.append(self._waiting.get())
            problem: BluelampError | None = None
            try:
                log.append(self._state, [happened for happened, _ in together])
            except BluelampError as error:
                problem = error
            except Exception as error:  # whoever waits must hear of it, whatever it was
                problem = TryAgain(f"The log could not be written ({type(error).__name__}). Try again in a moment.")
            for _, settle in together:
                settle(problem)


class Guarded:
    """The application as the world sees it: every answer with the security headers, and none that passed no door."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_static = scope["path"].startswith(_STATIC)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] < 300 and not is_static and not scope.get("admitted"):
                    raise AssertionError(f"{scope['path']} was answered without asking who asks")
                there = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"], *(each for each in self._headers if each[0] not in there),
                ]  # fmt: skip
            await send(message)

        await self._app(scope, receive, guarded)


LARGEST_FORM = 2_000_000


async def form_of(request: Request) -> dict[str, str]:
    """Give the fields of a form that a page sent, read once however often it is asked for. Raises UsageError."""
    from urllib.parse import parse_qsl

    known: dict[str, str] | None = getattr(request.state, "form", None)
    if known is not None:
        return known
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise UsageError("A form of the page was expected, so that nothing was changed.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise UsageError("The form is larger than any that a page sends, so that nothing was changed.")
    request.state.form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return dict(request.state.form)


def address_of(request: Request) -> str:
    """Say where a request comes from, as far as the server knows."""
    return request.client.host if request.client else "unknown"


def _happened(request: Request, who: Holder, operation: log.Operation, detail: dict[str, Any]) -> log.Happened:
    subject = f"{request.method} {request.url.path}" if request.method != "GET" else request.url.path
    return log.Happened(who.name, who.role or "nobody", operation, subject, detail, datetime.now(UTC))

"""The pages through which people come in and go out: set-up, sign-in, one's own account, and who may sign in."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from bluelamp import access
from bluelamp.access import NOBODY, Holder
from bluelamp.errors import BluelampError, NoInput, NotPermitted
from bluelamp.state import accounts, sessions
from bluelamp.state.accounts import Account
from bluelamp.web.admission import Admission, Asker, address_of, form_of
from bluelamp.web.templating import TEMPLATES

# The fingerprint of the code that lets the first account be made; the code itself is said once, where it was started.
SET_UP = "BLUELAMP_SET_UP"
# The browser sends no origin with a form where the page's policy is to send no referrer.
PAGE_HEADERS = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
NEXT = Query("/", alias="next", description="Where to go after signing in: an address of this service")


def make_set_up_code() -> str:
    """Make the code that lets the first account be made, and let the workers of this service know its fingerprint."""
    code = secrets.token_urlsafe(24)
    os.environ[SET_UP] = hashlib.sha256(code.encode()).hexdigest()
    return code


def add_sign_in(app: FastAPI, admission: Admission) -> None:
    """Add the pages."""
    force_name = admission.settings.force.name

    def render(template: str, status: int = 200, **told: Any) -> HTMLResponse:
        page = TEMPLATES.get_template(f"{template}.html").render(force_name=force_name, **told)
        return HTMLResponse(page, status, headers=PAGE_HEADERS)

    def come_in(account: Account, onward: str) -> Response:
        assert admission.state is not None
        longest = timedelta(hours=admission.settings.service.session_hours)
        token, _ = sessions.begin(admission.state, account, longest=longest)
        answer = RedirectResponse(onward, 303, headers=PAGE_HEADERS)
        answer.set_cookie(
            admission.cookie, token, max_age=int(longest.total_seconds()), path="/", httponly=True, samesite="lax",
            secure=admission.settings.service.https,
        )  # fmt: skip
        return answer

    app.state.come_in = come_in

    @app.get("/sign-in", response_class=HTMLResponse, summary="Sign in")
    def sign_in_page(request: Request, onward: str = NEXT) -> Response:
        if admission.state is None or request.state.asker.holder.is_signed_in:
            return RedirectResponse(own_address(onward), 303, headers=PAGE_HEADERS)
        openid = admission.settings.service.openid
        if openid is None and SET_UP in os.environ and not accounts.is_any(admission.state):
            return RedirectResponse("/set-up", 303, headers=PAGE_HEADERS)
        return render("sign_in", onward=own_address(onward), openid=openid, name="", error=None)

    @app.post("/sign-in", response_class=HTMLResponse, summary="Sign in with a name and a password")
    async def sign_in(request: Request) -> Response:
        if admission.state is None:
            raise NoInput("Nobody signs in here: the service is open to this machine alone.")
        form = await form_of(request)
        name, onward = form.get("name", "").strip(), own_address(form.get("next", "/"))
        try:
            account = await run_in_threadpool(
                accounts.sign_in, admission.state, name, form.get("password", ""), address_of(request)
            )
        except BluelampError as error:
            # Whatever was typed for a name may be a password, so that it is not logged.
            await admission.note(request, NOBODY, "sign_in", {"went": "wrong", "from": address_of(request)})
            status = 401 if isinstance(error, NotPermitted) else 429
            openid = admission.settings.service.openid
            return render("sign_in", status, onward=onward, openid=openid, name=name, error=str(error))
        await admission.note(request, account.holder, "sign_in", {"went": "well", "from": address_of(request)})
        return await run_in_threadpool(come_in, account, onward)

    @app.post("/sign-out", summary="Sign out")
    async def sign_out(request: Request) -> Response:
        asker: Asker = request.state.asker
        if admission.state is not None and asker.session_token:
            await run_in_threadpool(sessions.end, admission.state, asker.session_token)
            admission.forget(asker)
            await admission.note(request, asker.holder, "sign_in", {"went": "out"})
        answer = RedirectResponse("/sign-in", 303, headers=PAGE_HEADERS)
        answer.delete_cookie(admission.cookie, path="/", secure=admission.settings.service.https, httponly=True)
        return answer

    @app.get("/set-up", response_class=HTMLResponse, summary="Make the first account")
    def set_up_page(
        code: str = Query("", description="The code that was said where the service was started"),
    ) -> Response:
        _insist_on_set_up(admission)
        return render("set_up", code=code, name="", error=None)

    @app.post("/set-up", response_class=HTMLResponse, summary="Make the first account")
    async def set_up(request: Request) -> Response:
        _insist_on_set_up(admission)
        assert admission.state is not None
        form = await form_of(request)
        code, name, password = form.get("code", ""), form.get("name", "").strip(), form.get("password", "")
        try:
            if not secrets.compare_digest(hashlib.sha256(code.encode()).hexdigest(), os.environ.get(SET_UP, "")):
                raise NotPermitted("The code is not the one that was said where the service was started.")
            if password != form.get("again", ""):
                raise NotPermitted("The two passwords are not the same.")
            account = await run_in_threadpool(accounts.add_first, admission.state, name, password, admission.force_id)
        except BluelampError as error:
            return render("set_up", 400, code=code, name=name, error=str(error))
        os.environ.pop(SET_UP, None)
        await admission.note(request, account.holder, "administration", {"made": account.name, "role": account.role})
        return await run_in_threadpool(come_in, account, "/accounts")

    @app.get("/account", response_class=HTMLResponse, summary="One's own account")
    def account_page(request: Request) -> Response:
        return render("account", **_own(admission, request.state.asker), said=None, error=None)

    @app.post("/account/password", response_class=HTMLResponse, summary="Change one's own password")
    async def change_password(request: Request) -> Response:
        asker: Asker = request.state.asker
        if admission.state is None:
            raise NoInput("There is no password here: the service is open to this machine alone.")
        form, name = await form_of(request), asker.holder.name
        try:
            await run_in_threadpool(
                accounts.sign_in, admission.state, name, form.get("password", ""), address_of(request)
            )
            if form.get("new", "") != form.get("again", ""):
                raise NotPermitted("The two new passwords are not the same.")
            account = await run_in_threadpool(
                lambda: accounts.change(admission.state, name, password=form.get("new", ""))  # type: ignore[arg-type]
            )
        except BluelampError as error:
            return render("account", 400, **_own(admission, asker), said=None, error=str(error))
        admission.forget(asker)
        return await run_in_threadpool(come_in, account, "/account")

    @app.get("/accounts", response_class=HTMLResponse, summary="Who may sign in")
    def accounts_page(request: Request) -> Response:
        return render("accounts", **_accounts(admission, request.state.asker), said=None, error=None, given={})

    @app.post("/accounts", response_class=HTMLResponse, summary="Make an account")
    async def add_account(request: Request) -> Response:
        form = await form_of(request)
        return await change_accounts(request, form, lambda state: accounts.add(
            state, form.get("name", "").strip(), form.get("role", ""),
            form.get("force", "").strip() or admission.force_id,
            password=form.get("password", ""), districts=_words(form, "districts"), teams=_words(form, "teams"),
        ), "made")  # fmt: skip

    @app.post("/accounts/{name}", response_class=HTMLResponse, summary="Change an account, close it or open it again")
    async def change_account(request: Request, name: str) -> Response:
        form = await form_of(request)
        wanted: dict[str, Any] = {"close": {"is_open": False}, "open": {"is_open": True}}.get(
            form.get("action", ""), {}
        )
        if not wanted:
            wanted = {
                "role": form.get("role"), "districts": _words(form, "districts"), "teams": _words(form, "teams"),
                "password": form.get("password") or None,
            }  # fmt: skip
        return await change_accounts(request, form, lambda state: accounts.change(state, name, **wanted), "changed")

    async def change_accounts(request: Request, form: Mapping[str, str], do: Any, word: str) -> Response:
        asker: Asker = request.state.asker
        if admission.state is None:
            raise NoInput("There are no accounts here: the service is open to this machine alone.")
        try:
            account: Account = await run_in_threadpool(do, admission.state)
        except BluelampError as error:
            told = await run_in_threadpool(_accounts, admission, asker)
            return render("accounts", 400, **told, said=None, error=str(error), given=form)
        await admission.note(request, asker.holder, "administration", {
            word: account.name, "role": account.role, "force": account.force_id, "districts": account.districts,
            "teams": account.teams, "open": account.is_open,
        })  # fmt: skip
        told = await run_in_threadpool(_accounts, admission, asker)
        return render("accounts", **told, said=f"The account '{account.name}' was {word}.", error=None, given={})


def own_address(address: str) -> str:
    """Give an address of this service, and the map for any other: nobody is sent elsewhere after signing in."""
    parts = urlsplit(address)
    is_own = not parts.scheme and not parts.netloc and address.startswith("/") and not address.startswith(("//", "/\\"))
    return quote(address, safe="/?&=:,.%~-_+@*'") if is_own and address.isprintable() else "/"


def _insist_on_set_up(admission: Admission) -> None:
    if admission.state is None:
        raise NoInput("There is nothing to set up: the service is open to this machine alone.")
    if SET_UP not in os.environ or accounts.is_any(admission.state):
        raise NotPermitted("The service is set up already. Sign in with an account that there is.")


def _own(admission: Admission, asker: Asker) -> dict[str, Any]:
    holder: Holder = asker.holder
    can = [
        (kind, [action for action in access.ACTIONS if access.may(holder, kind, action, admission.force_id)])
        for kind in access.KINDS
        if kind != "public"
    ]
    account = None if admission.state is None else accounts.named(admission.state, holder.name)
    return {
        "asker": asker, "holder": holder, "needs_sign_in": admission.needs_sign_in,
        "role_words": access.ROLE_WORDS[holder.role] if holder.role else "",
        "rights": [each for each in can if each[1]],
        "has_password": account is not None and account.has_password, "shortest": accounts.SHORTEST_PASSWORD,
    }  # fmt: skip


def _accounts(admission: Admission, asker: Asker) -> dict[str, Any]:
    there = [] if admission.state is None else accounts.every(admission.state)
    may_change = access.may(asker.holder, "accounts", "change", admission.force_id)
    return {
        "asker": asker, "accounts": there, "roles": access.ROLE_WORDS, "may_change": may_change,
        "force_id": admission.force_id, "shortest": accounts.SHORTEST_PASSWORD,
    }  # fmt: skip


def _words(form: Mapping[str, str], field: str) -> list[str]:
    return [each for each in form.get(field, "").replace(",", " ").split() if each]

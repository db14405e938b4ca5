"""Signing in with the force's own accounts, through an OpenID provider: authorization code flow with PKCE.

Authlib does the flow and checks the tokens. What is ours is which signatures are taken (asymmetric ones alone), that
the provider is the one that force.toml names, and what a person's claims mean here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from bluelamp import addresses
from bluelamp.access import NOBODY
from bluelamp.errors import NoInput, NotPermitted, TryAgain
from bluelamp.extensions import optional
from bluelamp.settings import OpenIdPart
from bluelamp.state import accounts, sessions
from bluelamp.web.admission import Admission, address_of
from bluelamp.web.sign_in_pages import NEXT, own_address

# Signatures that a provider makes with a key of its own. With a shared secret, whoever knows it could make a token;
# with none, anybody could.
_SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
# How far the two clocks may differ.
_LEEWAY_SECONDS = 30
_UNDER_WAY_SECONDS = 600


def add_openid(app: FastAPI, admission: Admission) -> None:
    """Add the two addresses of the flow; without a provider in force.toml they say so."""
    wanted = admission.settings.service.openid
    client = None
    if wanted is not None and admission.state is not None:
        client = _client(wanted)
        # It needs a package that comes with the extra.
        with_sessions = optional("starlette.middleware.sessions", "openid", "sign-in through a provider")
        app.add_middleware(
            with_sessions.SessionMiddleware, secret_key=sessions.shared_secret(admission.state, "openid"),
            session_cookie="bluelamp-openid", max_age=_UNDER_WAY_SECONDS, path="/openid", same_site="lax",
            https_only=admission.settings.service.https,
        )  # fmt: skip

    def provider() -> tuple[OpenIdPart, Any]:
        if wanted is None or client is None:
            raise NoInput("Nobody signs in through a provider here: force.toml names none under [service.openid].")
        return wanted, client

    @app.get("/openid/sign-in", summary="Sign in with the force's own account")
    async def begin(request: Request, onward: str = NEXT) -> Response:
        part, using = provider()
        await _know_provider(part, using)
        request.session["next"] = own_address(onward)
        back = request.url_for("come_back")
        if admission.settings.service.https:
            back = back.replace(scheme="https")
        try:
            answer: Response = await using.authorize_redirect(request, str(back))
        except Exception as error:
            raise _not_reached(error) from None
        return answer

    @app.get("/openid/back", summary="Where the provider sends people back to")
    async def come_back(
        request: Request,
        code: str | None = Query(None, description="What the provider gives for the token"),
        state: str | None = Query(None, description="What ties the answer to the question"),
        error: str | None = Query(None, description="Why the provider lets nobody in"),
    ) -> Response:
        part, using = provider()
        await _know_provider(part, using)
        try:
            claims = await _claims_of(request, part, using)
            account = await run_in_threadpool(_account_of, admission, part, claims)
        except NotPermitted as refused:
            detail = {"went": "wrong", "from": address_of(request), "why": refused.summary[:200]}
            await admission.note(request, NOBODY, "sign_in", detail)
            raise
        await admission.note(request, account.holder, "sign_in", {"went": "well", "by": part.issuer})
        onward = own_address(str(request.session.pop("next", "/")))
        answer: Response = await run_in_threadpool(app.state.come_in, account, onward)
        return answer


def _client(part: OpenIdPart) -> Any:
    starlette_client = optional("authlib.integrations.starlette_client", "openid", "sign-in through a provider")
    return starlette_client.OAuth().register(
        "force", client_id=part.client_id,
        client_secret=None if part.client_secret is None else addresses.filled(part.client_secret),
        server_metadata_url=part.issuer.rstrip("/") + "/.well-known/openid-configuration",
        client_kwargs={
            "scope": " ".join(part.scopes), "code_challenge_method": "S256",
            "token_endpoint_auth_method": "none" if part.client_secret is None else "client_secret_basic",
        },
    )  # fmt: skip


async def _know_provider(part: OpenIdPart, client: Any) -> None:
    """Read what the provider says of itself, once. Raises TryAgain, or NotPermitted where it is another one."""
    try:
        said = await client.load_server_metadata()
    except Exception as error:
        raise _not_reached(error) from None
    if said.get("issuer") != part.issuer:
        raise NotPermitted(
            "The sign-in service calls itself something else than force.toml does under [service.openid] issuer, so "
            "that nobody is let in. Whoever looks after the service should compare the two."
        )
    offered = said.get("id_token_signing_alg_values_supported") or ["RS256"]
    said["id_token_signing_alg_values_supported"] = [each for each in offered if each in _SIGNATURES]


async def _claims_of(request: Request, part: OpenIdPart, client: Any) -> Mapping[str, Any]:
    import httpx
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError

    options = {
        "iss": {"essential": True, "value": part.issuer}, "aud": {"essential": True, "value": part.client_id},
        "exp": {"essential": True}, "sub": {"essential": True}, "nonce": {"essential": True},
    }  # fmt: skip
    try:
        token = await client.authorize_access_token(request, claims_options=options, leeway=_LEEWAY_SECONDS)
    except httpx.HTTPError as error:
        raise _not_reached(error) from None
    except (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError) as error:
        # The kind of the error says enough; its text may hold what a token says of a person.
        raise NotPermitted(
            f"The sign-in service's answer does not hold ({type(error).__name__}), so that nobody was let in. Sign in "
            "once more from the beginning; if it happens again, tell whoever looks after the service."
        ) from None
    claims = token.get("userinfo")
    if not claims or not claims.get("sub"):
        raise NotPermitted("The sign-in service did not say who you are, so that nobody was let in.")
    found: Mapping[str, Any] = claims
    return found


def _account_of(admission: Admission, part: OpenIdPart, claims: Mapping[str, Any]) -> accounts.Account:
    assert admission.state is not None
    theirs = _listed(claims.get(part.roles_claim))
    roles = {part.roles[each] for each in theirs if each in part.roles}
    if not roles:
        raise NotPermitted(
            "Your account at the force has no role here. Ask whoever looks after the service which group you need."
        )
    if len(roles) > 1:
        raise NotPermitted(
            f"Your account at the force has several roles here ({', '.join(sorted(roles))}), and what you see would "
            "hang on chance. Ask whoever looks after the service to leave you one."
        )
    districts = _listed(claims.get(part.districts_claim)) if part.districts_claim else ()
    if part.districts_claim and not districts:
        raise NotPermitted(
            "The sign-in service did not say which districts you may see, so that nobody was let in. Ask whoever looks "
            "after the service."
        )
    return accounts.tie(
        admission.state, part.issuer, str(claims["sub"]), str(claims.get(part.name_claim) or claims["sub"]),
        roles.pop(),
        admission.force_id,
        districts=districts,
        teams=_listed(claims.get(part.teams_claim)) if part.teams_claim else (),
    )  # fmt: skip


def _listed(claim: Any) -> tuple[str, ...]:
    if claim is None:
        return ()
    return (claim,) if isinstance(claim, str) else tuple(str(each) for each in claim)


def _not_reached(error: Exception) -> TryAgain:
    return TryAgain(
        f"The sign-in service can't be reached just now ({type(error).__name__}). Try again in a moment, or sign in "
        "with an account of this service."
    )

"""The page about codes: what the crosswalk makes of them, what a change would do, and saving it as the next version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from bluelamp import codes, settings, sources, tables
from bluelamp.errors import BluelampError, UsageError
from bluelamp.web.admission import form_of
from bluelamp.web.templating import TEMPLATES

CODES_ON_A_PAGE = 300
# The browser sends no origin with a form where the page's policy is to send no referrer.
_HEADERS = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}


def add_codes(app: FastAPI, folder: Path) -> None:
    """Add the page and its addresses."""

    def show(
        token: str,
        change: codes.Change | None = None,
        author: str = "",
        error: str | None = None,
        saved: int | None = None,
    ) -> str:
        seen = _Seen(folder)
        return TEMPLATES.get_template("codes.html").render(
            force=settings.read(folder).force.name, token=token, used=seen.used, before=seen.before,
            codes=seen.code_lines(change), rules=seen.rule_lines(change), left_out=seen.left_out, author=author,
            effect=seen.effect(change), decides=seen.used.decides, error=error, saved=saved, classes=sources.classes(),
            origins=tables.table("incidents").by_name["origin"].enum,
        )  # fmt: skip

    @app.get("/codes", response_class=HTMLResponse, summary="The codes, and what the crosswalk makes of them")
    def page(
        request: Request,
        saved: int | None = Query(None, description="The version that was just saved; 0 for incidents mapped again"),
    ) -> HTMLResponse:
        return HTMLResponse(show(request.state.asker.form_token, saved=saved), headers=_HEADERS)

    @app.get("/codes.json", summary="The same as JSON")
    def as_json(request: Request) -> Response:
        return Response(orjson.dumps(codes.check(folder).to_dict()), media_type="application/json", headers=_HEADERS)

    @app.get("/codes.csv", summary="Every code as CSV")
    def as_csv(request: Request) -> Response:
        headers = _HEADERS | {"Content-Disposition": 'attachment; filename="codes.csv"'}
        return Response(codes.check(folder).to_csv(), media_type="text/csv; charset=utf-8", headers=headers)

    @app.post("/codes/effect.json", summary="What a change on the page would do; nothing is written")
    async def effect(request: Request) -> Response:
        form = await form_of(request)

        def answer() -> bytes:
            seen = _Seen(folder)
            return orjson.dumps(seen.effect(_change_in(form, seen)))

        return Response(await run_in_threadpool(answer), media_type="application/json", headers=_HEADERS)

    @app.post("/codes", summary="Save a change on the page as the next version, or map stored incidents again")
    async def post(request: Request) -> Response:
        form = await form_of(request)
        return await run_in_threadpool(_do, form, request.state.asker.form_token)

    def _do(form: Mapping[str, str], token: str) -> Response:
        if form.get("action") == "apply":
            codes.apply(folder)
            return RedirectResponse("/codes?saved=0", 303, headers=_HEADERS)
        seen = _Seen(folder)
        change = _change_in(form, seen)
        author = form.get("author", "").strip()[:200]
        try:
            if form.get("action") != "save":
                return HTMLResponse(show(token, change, author), headers=_HEADERS)
            if change.is_empty:
                raise UsageError("Nothing is changed, so that there is nothing to save.")
            today = datetime.now().astimezone().date()
            codes.save(folder, change, today=today, author=author or None)
        except BluelampError as error:
            # Shown on the page with the change still in it, so that it need not be made again.
            kept = change if change.version == seen.used.version else None
            return HTMLResponse(show(token, kept, author, error=str(error)), 409, headers=_HEADERS)
        return RedirectResponse(f"/codes?saved={codes.in_use(folder).version}", 303, headers=_HEADERS)


class _Seen:
    """The force's codes as the page shows them: a line for each, the unmapped on top, then by incidents."""

    def __init__(self, folder: Path) -> None:
        self.used = codes.in_use(folder)
        self._counted = codes.count_codes(folder)
        self._origins = settings.read(folder).demand.origins
        self.before = codes.check_counted(self._counted, self.used, self._origins)
        each = self.before.codes.with_columns(
            incidents=pl.col("incidents").sum().over("code"), parts=pl.len().over("code")
        ).unique("code", keep="first", maintain_order=True)
        is_left = pl.col("rule").is_null()
        ordered = each.sort(is_left, "incidents", descending=True, maintain_order=True)
        self._codes = ordered.head(CODES_ON_A_PAGE).to_dicts()
        self.left_out = ordered.height - len(self._codes)

    def meaning_of(self, code: str) -> codes.Meaning | None:
        """Class and origin that a code has; nothing where it is not on the page."""
        found = next((row for row in self._codes if row["code"] == code), None)
        return None if found is None else (found["class_code"], found["origin"])

    def code_lines(self, change: codes.Change | None) -> list[dict[str, Any]]:
        """The lines of the table of codes, with the change in them."""
        return [
            row
            | {"share": row["incidents"] / self.before.incidents}
            | _chosen(row, change.codes.get(row["code"]) if change else None)
            for row in self._codes
        ]

    def rule_lines(self, change: codes.Change | None) -> list[dict[str, Any]]:
        """The lines of the table of rules, with the change in them."""
        return [
            row
            | {"speaks_of": _said(rule), "note": rule.note}
            | _chosen(row, change.rules.get(row["rule"]) if change else None)
            for row, rule in zip(self.before.rules.iter_rows(named=True), self.used.rules, strict=True)
        ]

    def effect(self, change: codes.Change | None) -> dict[str, Any] | None:
        """What a change does; nothing where there is none."""
        if change is None or change.is_empty:
            return None
        after = codes.check_counted(self._counted, codes.changed(self.used, change), self._origins)
        return codes.effect(self.before, after)


def _chosen(row: Mapping[str, Any], meaning: codes.Meaning | None) -> dict[str, str]:
    chosen = meaning or (row["class_code"], row["origin"])
    return {"chosen_class": chosen[0], "chosen_origin": chosen[1]}


def _said(rule: sources.CodeRule) -> str:
    shown = [*rule.codes, *rule.patterns, *(f"“{words}”" for words in rule.words)]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


def _change_in(form: Mapping[str, str], seen: _Seen) -> codes.Change:
    """Read what a form changes: where a class or an origin is not what the code or the rule has."""
    of_codes: dict[str, codes.Meaning] = {}
    of_rules: dict[int, codes.Meaning] = {}
    for name, code in form.items():
        kind, _, number = name.partition(".")
        meaning = form.get(f"class.{number}", ""), form.get(f"origin.{number}", "")
        if kind == "code" and seen.meaning_of(code) not in (None, meaning):
            of_codes[code] = meaning
        elif kind == "rule" and number.startswith("r") and number[1:].isdecimal() and len(number) < 8:
            rule = int(number[1:])
            if rule > len(seen.used.rules) or seen.used.rules[rule - 1].meaning != meaning:
                of_rules[rule] = meaning
    version = form.get("version", "")
    return codes.Change(int(version) if version.isdecimal() and len(version) < 9 else -1, of_codes, of_rules)

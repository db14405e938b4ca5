"""Answers with a tag by which a browser or a program finds that its own still hold; some compressed once and kept."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response


@dataclass(frozen=True)
class Squeezed:
    """JSON, gzipped, with its ETag."""

    content: bytes
    tag: str

    def answer(self, request: Request) -> Response:
        """Answer a request: with nothing where the browser has the same, else compressed where it can be."""
        headers = {"ETag": self.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if holds_already(request, self.tag):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.content, media_type="application/json", headers=headers | {"Content-Encoding": "gzip"})
        return Response(gzip.decompress(self.content), media_type="application/json", headers=headers)


def squeeze(data: bytes) -> Squeezed:
    """Compress JSON; the same data has the same bytes and the same tag."""
    return Squeezed(gzip.compress(data, compresslevel=6, mtime=0), _tag(data))


def tagged(request: Request, content: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with content and the tag of it; without the content (304) where the request says that it has the same.

    The answer is for this asker alone, and is to be asked for again each time.
    """
    headers = {**(headers or {}), "ETag": _tag(content), "Cache-Control": "private, no-cache"}
    if holds_already(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def holds_already(request: Request, tag: str) -> bool:
    """Say whether one of the tags that a request names is this one, by RFC 9110's weak comparison."""
    named = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return tag in named or "*" in named


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'

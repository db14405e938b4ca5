"""Figures that go out compressed once and are kept, with a tag by which a browser finds that its own still hold."""

from __future__ import annotations

import gzip
import hashlib
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
        if request.headers.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.content, media_type="application/json", headers=headers | {"Content-Encoding": "gzip"})
        return Response(gzip.decompress(self.content), media_type="application/json", headers=headers)


def squeeze(data: bytes) -> Squeezed:
    """Compress JSON; the same data has the same bytes and the same tag."""
    return Squeezed(gzip.compress(data, compresslevel=6, mtime=0), f'"{hashlib.sha256(data).hexdigest()[:32]}"')

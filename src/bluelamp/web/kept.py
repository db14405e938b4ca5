"""Pages and tables that are made once and given to everybody who asks, until what they show changes.

A page of figures is a function of the force's files, its address, what the asker may see, and for some the time. So it
is kept, compressed and with a tag, under these; whoever asks again gets the same bytes, or is told that the browser's
own still hold. What is under way is made once, however many ask for it at the same time. A run's own tables stay as
they are whatever is imported: where calls arrive all the time, they would else be made again every few minutes.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.background import BackgroundTask

from bluelamp.store import Store
from bluelamp.web.squeezed import holds_already

# A worker's pages together may take so much memory; one larger than a tenth of it is not kept.
MOST_BYTES = 200_000_000
# Pages that say how old something is are made again as often, and are then at most twice as old.
_MINUTE = 60
# Larger ones take less time to make than to compress well.
_LARGE_BYTES = 1_000_000
# Made anew by every answer, or by whoever answers.
_OWN_HEADERS = ("content-length", "etag", "cache-control", "vary", "content-encoding")
_STORE = "store"
# Written while the service runs, or read by imports alone: no part of what pages show.
_APART = ("state", "extracts", "feeds", "truth")


@dataclass(frozen=True)
class _Page:
    content: bytes  # compressed
    tag: str
    headers: tuple[tuple[str, str], ...]
    minute: int  # in which it was made

    def answer(self, request: Request) -> Response:
        """Answer with nothing where the browser has the same, else compressed where it can be."""
        headers = {
            **dict(self.headers),
            "ETag": self.tag,
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Encoding",
        }
        if holds_already(request, self.tag):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.content, headers={**headers, "Content-Encoding": "gzip"})
        return Response(gzip.decompress(self.content), headers=headers)


class Kept:
    """The pages that one worker keeps for the force in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = Store(folder)
        self._pages: OrderedDict[Hashable, _Page] = OrderedDict()
        self._bytes = 0
        self._under_way: dict[Hashable, asyncio.Lock] = {}
        self._is_renewing = False

    async def answer(
        self,
        request: Request,
        seen_by: Hashable,
        make: Callable[[], Awaitable[Response]],
        *,
        is_of_run: bool = False,
    ) -> Response:
        """Give the page that is asked for, made now where it is not kept; `seen_by` is what else it depends on.

        A page of the minute before is given while one is made that tells ages anew, one page at a time: nobody waits
        for it, and the pages that a minute ends for are not all made at once.
        """
        # Links that are whole begin with the name by which the asker came.
        stamp = self._stamp_now(is_of_run=is_of_run)
        key = (request.headers.get("host"), request.url.path, request.url.query, seen_by, stamp)
        oldest = 0 if is_of_run else _minute() - 1
        page, follows = self._find(key, oldest), None
        if page is None:
            lock = self._under_way.setdefault(key, asyncio.Lock())
            try:
                async with lock:
                    page = self._find(key, oldest)
                    if page is None:
                        response = await make()
                        page = await _page_of(response)
                        if page is None:
                            return response
                        # What a page makes ready once it is out is made ready by the first who asks for it.
                        follows = response.background
                        self._keep(key, page)
            finally:
                self._under_way.pop(key, None)
        answer = page.answer(request)
        answer.background = follows
        if page.minute <= oldest and not is_of_run and not self._is_renewing:
            answer.background = BackgroundTask(self._renew, key, make)
        return answer

    async def _renew(self, key: Hashable, make: Callable[[], Awaitable[Response]]) -> None:
        # Who was given the old page at the same time asks for the same.
        if self._is_renewing:
            return
        self._is_renewing = True
        try:
            page = await _page_of(await make())
        except Exception:
            # The answer is out already. Whoever asks when the old page is too old is told what is wrong.
            page = None
        finally:
            self._is_renewing = False
        if page is not None:
            self._keep(key, page)

    def _find(self, key: Hashable, oldest: int) -> _Page | None:
        page = self._pages.get(key)
        if page is None or page.minute < oldest:
            return None
        self._pages.move_to_end(key)
        return page

    def _keep(self, key: Hashable, page: _Page) -> None:
        if len(page.content) > MOST_BYTES // 10:
            return
        before = self._pages.pop(key, None)
        self._pages[key] = page
        self._bytes += len(page.content) - (0 if before is None else len(before.content))
        while self._bytes > MOST_BYTES:
            _, gone = self._pages.popitem(last=False)
            self._bytes -= len(gone.content)

    def _stamp_now(self, *, is_of_run: bool) -> tuple[object, ...]:
        """Give what differs whenever a file of the force does that pages are made from."""
        files = sorted(_changes(self._folder, depth=2))
        if not is_of_run:
            return tuple(files)
        store = str(self._folder / _STORE)
        beside = (each for each in files if not each[0].startswith(store))
        return self._store.runs().height, self._store.erasures().height, *beside


def _changes(folder: Path, depth: int) -> list[tuple[str, int, int]]:
    found = []
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    for each in entries:
        if each.name in _APART or each.name.startswith(".writing"):
            continue
        try:
            status = each.stat()
        except FileNotFoundError:
            continue
        found.append((each.path, status.st_mtime_ns, status.st_size))
        # Of the store one file says whether anything in it counts that did not before.
        if each.name == _STORE:
            found += [one for one in _changes(Path(each.path), 1) if one[0].endswith(".head")]
        elif depth > 1 and each.is_dir():
            found += _changes(Path(each.path), depth - 1)
    return found


async def _page_of(response: Response) -> _Page | None:
    body = getattr(response, "body", None)
    headers = response.headers
    if response.status_code != 200 or body is None or "no-store" in headers.get("cache-control", ""):
        return None
    content = bytes(body)
    is_gzipped = headers.get("content-encoding") == "gzip"
    if "content-encoding" in headers and not is_gzipped:
        return None
    if not is_gzipped:
        # Not here, where everybody else's answers would wait for it.
        level = 1 if len(content) > _LARGE_BYTES else 5
        content = await run_in_threadpool(gzip.compress, content, level, mtime=0)
    tag = headers.get("etag") or f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    own = tuple((name, value) for name, value in headers.items() if name not in _OWN_HEADERS)
    return _Page(content, tag, own, _minute())


def _minute() -> int:
    return int(time.time() // _MINUTE)

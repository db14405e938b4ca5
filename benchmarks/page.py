"""How soon the page shows itself, and how soon an hour follows a key, in a real browser that draws in software.

What counts as drawn is decided in the page, and strictly. A step is over when three things have happened: the map has
sent a frame with that hour (`window.bluelamp.drawnHour()` is set when the map's own `render` is told, never before);
one pixel of the map has been read back, for which the browser must first finish drawing all that was asked of it; and
the browser has begun its next frame, so that the one with the hour has been handed to the screen. It begins with the
key event's own time stamp, or with the start of the navigation. The reading back and the wait for the next frame are
counted against us: each figure is an upper bound.

`pictures_agree` checks the page's word: at the moment that it calls an hour drawn, the pixels of the map must be those
that are there once all has come to rest, and other than those of the hour before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, ViewportSize, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
VIEW: ViewportSize = {"width": 1280, "height": 900}
# Short and long pauses between keys, in milliseconds, so that what the page puts off until a person rests (the chart
# at 140 ms, the address at 250 ms) falls among the presses too.
PAUSES = (30, 120, 160, 200, 280)
HELD_EVERY = 33

_WATCH = Path(__file__).with_name("watch.js")
_KEEP_PICTURE = Path(__file__).with_name("keep_picture.js")


@dataclass(frozen=True)
class Keys:
    """Milliseconds from each key press until its hour was drawn and handed over, and as the browser itself told."""

    handed: list[float]
    ready: list[float]
    painted: list[float]


@dataclass(frozen=True)
class Held:
    """A key held down: milliseconds by which the map lags behind, and hours that it drew each second.

    Nothing is read back here, so that the lags are those of frames that were handed over.
    """

    lags: list[float]
    hours_a_second: float


@dataclass(frozen=True)
class View:
    """One first view: seconds until drawn, megabytes that came for it, and requests that left this machine."""

    seconds: float
    megabytes: float
    strangers: list[str]


def chromium() -> str | None:
    """Find the browser: the one that CHROMIUM names, or Debian's."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


@contextmanager
def _browser() -> Iterator[Browser]:
    """Start a browser with a profile of its own, empty, as for somebody who opens the page for the first time."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _opened(browser: Browser, address: str, areas: int, *scripts: Path) -> Iterator[tuple[Page, list[str]]]:
    """Open the page and wait until it is drawn; gives it with the addresses elsewhere that it asked for."""
    page = browser.new_page(viewport=VIEW, color_scheme="light")
    strangers: list[str] = []
    faults: list[str] = []
    home = address.split("?")[0].split("#")[0]

    def note(request: str) -> None:
        if not request.startswith((home, "data:", "blob:")):
            strangers.append(request)

    page.on("request", lambda request: note(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.add_init_script(f"window.areasToSee = {areas};")
    for script in (*scripts, _WATCH):
        page.add_init_script(path=script)
    try:
        page.goto(address, wait_until="commit")
        page.evaluate("window.watch.viewed()")
        yield page, strangers
    except Error as error:
        raise RuntimeError(f"The page at {address} was not drawn. {error} {' '.join(faults)}") from error
    finally:
        page.close()


def browser_version() -> str:
    """Give the browser's name and version, as it says them itself."""
    said = subprocess.run([str(chromium()), "--version"], capture_output=True, text=True, check=True)
    return said.stdout.strip()


def first_views(address: str, areas: int, times: int) -> list[View]:
    """Open the page so many times, each in a new browser, until all areas are drawn and the figures stand beside."""
    views = []
    for _ in range(times):
        with _browser() as browser, _opened(browser, address, areas) as (page, strangers):
            got = page.evaluate(
                "[performance.getEntriesByType('navigation'), performance.getEntriesByType('resource')].flat()"
                ".reduce((sum, each) => sum + each.transferSize, 0)"
            )
            views.append(View(page.evaluate("window.watch.firstView") / 1e3, got / 1e6, list(strangers)))
    return views


def press_keys(address: str, areas: int, presses: int, held: int) -> tuple[Keys, Held]:
    """Press the right arrow from the first hour on, waiting for each hour; then hold it down for `held` repeats."""
    with _browser() as browser, _opened(browser, address, areas) as (page, _):
        page.keyboard.press("Home")
        page.wait_for_timeout(1000)
        for number in range(presses):
            page.keyboard.press("ArrowRight")
            page.evaluate("count => window.watch.drawn(count)", number + 1)
            page.wait_for_timeout(PAUSES[number % len(PAUSES)])
        keys = page.evaluate("window.watch.keys")
        painted = page.evaluate("window.watch.painted")
        page.keyboard.press("Home")
        page.wait_for_timeout(1000)
        # Reading back would hold up the next frames: here it is their number that counts.
        page.evaluate("window.watch.keys = [], window.watch.readsBack = false")
        began = page.evaluate("performance.now()")
        for _number in range(held):
            page.keyboard.down("ArrowRight")
            page.wait_for_timeout(HELD_EVERY)
        page.keyboard.up("ArrowRight")
        page.evaluate("count => window.watch.drawn(count)", held)
        seconds = (page.evaluate("performance.now()") - began) / 1e3
        lags = page.evaluate("window.watch.keys")
    return (
        Keys([each["handed"] for each in keys], [each["ready"] for each in keys], painted),
        Held([each["handed"] for each in lags], len({each["drawn"] for each in lags}) / seconds),
    )


def pictures_agree(address: str, areas: int, hours: Sequence[int]) -> tuple[int, int]:
    """Compare the map's pixels when it calls an hour drawn with those at rest: hours that agree, different pictures."""
    with _browser() as browser, _opened(browser, address, areas, _KEEP_PICTURE) as (page, _):
        # The pointer rests nowhere and nothing is chosen, so that only the hour changes.
        page.wait_for_timeout(1000)
        agreeing, pictures = 0, set()
        for hour in hours:
            at_once = page.evaluate("hour => window.pictureWhenDrawn(hour)", hour)
            page.wait_for_timeout(600)
            agreeing += at_once == page.evaluate("window.pictureOfMap()")
            pictures.add(at_once)
    return agreeing, len(pictures)

"""Draw the pictures of every view that the docs show: made-up forces, planned and served, seen in headless Chromium.

    python docs/make_screenshots.py [FOLDER]      docs/images by default

Each view once on a desktop (1280 × 800), and where it differs there 400 px wide and in the dark; the screen on a
control room's wall at 1920 × 1080. The pages' clock stands at a fixed time, so that the age of the data that the map
tells does not depend on when the pictures are drawn.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
import zlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from bluelamp import backtest, hotspot_trial, intake, plan, reading, validation
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.state import accounts, open_state
from bluelamp.store import Store
from bluelamp.web.app import make_app

IMAGES = Path(__file__).parent / "images"
FIRST_DAY = date(2026, 11, 23)
PASSWORD = "made up for pictures"
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DESKTOP, PHONE, WALL = (1280, 800), (400, 860), (1920, 1080)
# The chart is loaded after the map is there.
_OF_THE_MAP = "#chart canvas, #chart svg"
# Two units more by night, or the same two taken from the late shift.
_TWO_CHANGES = "what-if?units=R-N1%4023-7%3D%2B2&b_units=R-N1%4023-7%3D%2B2%3BR-D1%4015-23%3D-2"
LARGEST_BYTES = 250_000
_COLOURS = 256
_KEPT_EXACTLY = 96


class Picture(NamedTuple):
    """One picture: its file, the view's address, whose force it is of, and what of it comes last."""

    name: str
    path: str = ""
    force: str = "planned"
    last: str = _OF_THE_MAP
    scheme: str = "light"
    size: tuple[int, int] = DESKTOP


PICTURES = [
    Picture("desktop-light"),
    Picture("desktop-dark", scheme="dark"),
    Picture("phone-light", size=PHONE),
    Picture("phone-dark", scheme="dark", size=PHONE),
    Picture("hotspots-light", "#hotspots=violence,hour,0.01"),
    Picture("wall-dark", "now", "watched", "svg.hours-chart", "dark", WALL),
    Picture("what-if", "what-if?service=1.2", last="svg.plan-hours"),
    Picture("what-if-two", _TWO_CHANGES, last="#sums"),
    Picture("what-if-phone", "what-if?service=1.2", last="#change", size=PHONE),
    Picture("contacts-dark", "contacts?day=2026-11-24", "watched", ".contact-chart svg", "dark"),
    Picture("strength", "strength", "watched", "table"),
    Picture("outlook", "outlook", last="svg.fan"),
    Picture("outlook-phone", "outlook", last="#whole", size=PHONE),
    Picture("hotspot-scores", "hotspots?class=violence", last="table"),
    Picture("backtest", "backtest", last="table"),
    Picture("validation", "validation", "watched", "table"),
    Picture("scoreboard", "scoreboard", last="table"),
    Picture("data", "data", "watched", "[data-table=received]"),
    Picture("codes", "codes", "watched", "table"),
    Picture("tables", "tables", last="table"),
    Picture("areas", "areas", "watched", "table"),
    Picture("area", "areas/{area_id}", "planned", "svg.week-picture"),
    Picture("runs", "runs", "watched", "table"),
    Picture("run", "runs/{run_id}", "watched", "table"),
    Picture("map-without-script", "map", "watched", "svg.paper-map"),
    Picture("duties", "duties?day=2026-11-23", "asking", "table"),
    Picture("jobs", "jobs", "asking", "form"),
    Picture("sign-in", "sign-in", "asking", "form"),
    Picture("accounts", "accounts", "asking", "table"),
    Picture("log", "log", "asking", "table"),
]
# Who looks where people sign in; nobody yet at the sign-in.
_READERS = {
    "accounts": "administrator",
    "log": "auditor",
    "jobs": "administrator",
    "duties?day=2026-11-23": "planner",
}


def make_force(folder: Path) -> None:
    """Make up a force and plan for it."""
    write_twin(folder, make_twin(areas=40, days=365, seed=7, until=FIRST_DAY))
    for table, path, map_name in intake.extracts_of(folder):
        intake.import_extract(folder, path, table=table, map_name=map_name)
    hotspot_trial.try_maps(folder, weeks=13, methods=["counts", "kernel_density"])
    backtest.backtest(folder, origins=3, paths=50, methods=["pooled", "slot_mean_8", "last_week"])
    plan.plan(folder, now=lambda: NOW)


def make_watched_force(folder: Path) -> None:
    """Make up a force whose units press buttons, and plan for it: what waits now is known."""
    made = make_twin(areas=24, days=56, seed=7, until=FIRST_DAY, weekly_incidents=2400, feed_days=56)
    write_twin(folder, made, mornings=1)
    for table, path, map_name in intake.extracts_of(folder):
        intake.import_extract(folder, path, table=table, map_name=map_name)
    plan.plan(folder, now=lambda: NOW)
    validation.validate(folder)


def serve(folder: Path, *, sign_in: bool = False) -> tuple[uvicorn.Server, str]:
    """Serve the force on a free port of this machine; the screen on the wall says that it is just past midnight."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    app = make_app(folder, sign_in=sign_in)
    app.state.wall.clock = lambda: NOW.replace(hour=0, minute=4)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return server, f"http://127.0.0.1:{listening.getsockname()[1]}/"


def draw(browser: Browser, address: str, picture: Picture, cookies: list[Any]) -> bytes:
    """Give a view as a PNG of few colours, once what comes last is there."""
    context = browser.new_context(
        viewport={"width": picture.size[0], "height": picture.size[1]}, color_scheme=cast("Any", picture.scheme),
        reduced_motion="reduce", locale="en-GB", timezone_id="Europe/London",
    )  # fmt: skip
    context.add_cookies(cookies)
    page = context.new_page()
    page.clock.set_fixed_time(NOW)
    page.goto(f"{address}{picture.path}")
    # Not wait_for_function: the page's Content-Security-Policy lets no text be run as script again and again.
    page.locator(picture.last).first.wait_for(timeout=60_000)
    page.wait_for_timeout(1_500)
    drawn = page.screenshot()
    context.close()
    return write_png(reduce_colours(_pixels(browser, drawn)))


def _named(path: str, folder: Path) -> str:
    """Put an area, and the latest run, in the place of what stands for them in an address."""
    areas = reading.read_table(folder, "areas").filter(level="area")["area_id"].sort()
    return path.format(area_id=areas[areas.len() // 2], run_id=Store(folder).latest_run()["run_id"])


def sign_in(browser: Browser, address: str, name: str) -> list[Any]:
    """Give the cookies of whoever has signed in by that name."""
    context = browser.new_context()
    fields = {"name": name, "password": PASSWORD, "next": "/account"}
    context.request.post(f"{address}sign-in", form=fields, headers={"origin": address.rstrip("/")})
    cookies = context.cookies()
    context.close()
    return list(cookies)


def _pixels(browser: Browser, picture: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Let the browser unpack a PNG: height × width × red, green, blue."""
    page = browser.new_page()
    width, height, packed = page.evaluate(
        """async (source) => {
          const image = new Image();
          image.src = source;
          await image.decode();
          const canvas = document.createElement('canvas');
          [canvas.width, canvas.height] = [image.width, image.height];
          const context = canvas.getContext('2d');
          context.drawImage(image, 0, 0);
          const { data } = context.getImageData(0, 0, image.width, image.height);
          let text = '';
          for (let at = 0; at < data.length; at += 32768) text += String.fromCharCode(...data.subarray(at, at + 32768));
          return [image.width, image.height, btoa(text)];
        }""",
        "data:image/png;base64," + base64.b64encode(picture).decode(),
    )
    page.close()
    return np.frombuffer(base64.b64decode(packed), dtype=np.uint8).reshape(height, width, 4)[:, :, :3]


def reduce_colours(
    pixels: np.ndarray[Any, np.dtype[np.uint8]],
) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.uint8]]]:
    """Give a picture as a palette of at most 256 colours, and each pixel's place in it.

    The most frequent colours are kept as they are; the rest (softened edges of letters) is split by median cut.
    """
    flat = pixels.reshape(-1, 3)
    colours, place, counts = np.unique(flat, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    if len(colours) <= _COLOURS:
        palette = colours
    else:
        boxes = [order[_KEPT_EXACTLY:]]
        while len(boxes) < _COLOURS - _KEPT_EXACTLY:
            widest = max(range(len(boxes)), key=lambda box: _spread(colours[boxes[box]], counts[boxes[box]]))
            box = boxes.pop(widest)
            channel = int(np.argmax(np.ptp(colours[box].astype(int), axis=0)))
            along = box[np.argsort(colours[box, channel], kind="stable")]
            half = int(np.searchsorted(np.cumsum(counts[along]), counts[along].sum() / 2))
            half = min(max(half, 1), len(along) - 1)
            boxes += [along[:half], along[half:]]
        means = [np.average(colours[box], axis=0, weights=counts[box]) for box in boxes]
        palette = np.concatenate([colours[order[:_KEPT_EXACTLY]], np.round(means).astype(np.uint8)])
    away = ((colours[:, None, :].astype(int) - palette[None, :, :].astype(int)) ** 2).sum(axis=2)
    return palette, away.argmin(axis=1).astype(np.uint8)[place.ravel()].reshape(pixels.shape[:2])


def _spread(colours: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]) -> float:
    return float(np.ptp(colours.astype(int), axis=0).max() * np.sqrt(counts.sum())) if len(colours) > 1 else -1.0


def write_png(picture: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> bytes:
    """Write a palette and the pixels' places in it as a PNG."""
    palette, places = picture
    height, width = places.shape
    lines = np.concatenate([np.zeros((height, 1), dtype=np.uint8), places], axis=1).tobytes()

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"PLTE", palette.astype(np.uint8).tobytes()),
            chunk(b"IDAT", zlib.compress(lines, 9)),
            chunk(b"IEND", b""),
        ]
    )


def main(arguments: list[str]) -> int:
    """Draw every picture; fails where Chromium is missing or a picture is too large for the docs."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("Chromium is not there. Install it, or name it: CHROMIUM=/path/to/it", file=sys.stderr)
        return 1
    target = Path(arguments[0]) if arguments else IMAGES
    target.mkdir(parents=True, exist_ok=True)
    too_large = []
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as players:
        forces = {name: Path(scratch) / name for name in ("planned", "watched", "asking")}
        make_force(forces["planned"])
        make_watched_force(forces["watched"])
        shutil.copytree(forces["watched"], forces["asking"])
        for role in set(_READERS.values()):
            accounts.add(open_state(forces["asking"]), role, role, "LV", password=PASSWORD)
        served = {name: serve(folder, sign_in=name == "asking") for name, folder in forces.items()}
        browser = players.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        for picture in PICTURES:
            _, address = served[picture.force]
            picture = picture._replace(path=_named(picture.path, forces[picture.force]))
            reader = _READERS.get(picture.path)
            drawn = draw(browser, address, picture, sign_in(browser, address, reader) if reader else [])
            (target / f"{picture.name}.png").write_bytes(drawn)
            print(f"{picture.name}.png: {len(drawn):,} bytes")
            too_large += [picture.name] if len(drawn) > LARGEST_BYTES else []
        browser.close()
        for server, _ in served.values():
            server.should_exit = True
    if too_large:
        print(f"Too large for the docs (over {LARGEST_BYTES:,} bytes): {', '.join(too_large)}.", file=sys.stderr)
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

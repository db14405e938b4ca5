"""Draw the pictures of the page that the docs show: a made-up force, planned and served, seen in headless Chromium.

    python docs/make_screenshots.py [FOLDER]      docs/images by default

Light and dark, on a desktop (1280 × 800) and 400 px wide; the layer of hotspots; and the screen on a control room's
wall (1920 × 1080), of a smaller force that has a status log. The page's clock stands at a fixed time, so that the age
of the data that it tells does not depend on when the pictures are drawn.
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
from typing import Any

import numpy as np
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from bluelamp import hotspot_trial, intake, plan
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.web.app import make_app

IMAGES = Path(__file__).parent / "images"
FIRST_DAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SIZES = {"desktop": (1280, 800), "phone": (400, 860)}
WALL = (1920, 1080)
# The chart is loaded after the map is there.
_OF_THE_MAP = "#chart canvas, #chart svg"
LARGEST_BYTES = 250_000
_COLOURS = 256
_KEPT_EXACTLY = 96


def make_force(folder: Path) -> None:
    """Make up a force and plan for it."""
    write_twin(folder, make_twin(areas=40, days=365, seed=7, until=FIRST_DAY))
    for table, path, map_name in intake.extracts_of(folder):
        intake.import_extract(folder, path, table=table, map_name=map_name)
    hotspot_trial.try_maps(folder, weeks=13, methods=["counts", "kernel_density"])
    plan.plan(folder, now=lambda: NOW)


def make_watched_force(folder: Path) -> None:
    """Make up a force whose units press buttons, and plan for it: what waits now is known."""
    made = make_twin(areas=24, days=56, seed=7, until=FIRST_DAY, weekly_incidents=2400, feed_days=56)
    write_twin(folder, made, mornings=1)
    for table, path, map_name in intake.extracts_of(folder):
        intake.import_extract(folder, path, table=table, map_name=map_name)
    plan.plan(folder, now=lambda: NOW)


def serve(folder: Path, at: datetime | None = None) -> tuple[uvicorn.Server, str]:
    """Serve the force on a free port of this machine; the screen on the wall says that it is `at`."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    app = make_app(folder)
    if at is not None:
        app.state.wall.clock = lambda: at
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return server, f"http://127.0.0.1:{listening.getsockname()[1]}/"


def draw(browser: Browser, address: str, scheme: Any, size: tuple[int, int], last: str = _OF_THE_MAP) -> bytes:
    """Give the page as a PNG of few colours, once what comes `last` is there."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce",
        locale="en-GB", timezone_id="Europe/London",
    )  # fmt: skip
    page = context.new_page()
    page.clock.set_fixed_time(NOW)
    page.goto(address)
    # Not wait_for_function: the page's Content-Security-Policy lets no text be run as script again and again.
    page.wait_for_selector("body[data-phase='ready']", state="attached", timeout=60_000)
    page.wait_for_selector(last, timeout=60_000)
    page.wait_for_timeout(1_500)
    picture = page.screenshot()
    context.close()
    return write_png(reduce_colours(_pixels(browser, picture)))


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
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "force"
        make_force(folder)
        server, address = serve(folder)
        with sync_playwright() as players:
            browser = players.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
            )
            for name, size in SIZES.items():
                for scheme in ("light", "dark"):
                    picture = draw(browser, address, scheme, size)
                    (target / f"{name}-{scheme}.png").write_bytes(picture)
                    print(f"{name}-{scheme}.png: {len(picture):,} bytes")
                    too_large += [f"{name}-{scheme}.png"] if len(picture) > LARGEST_BYTES else []
            picture = draw(browser, f"{address}#hotspots=violence,hour,0.01", "light", SIZES["desktop"])
            (target / "hotspots-light.png").write_bytes(picture)
            print(f"hotspots-light.png: {len(picture):,} bytes")
            too_large += ["hotspots-light.png"] if len(picture) > LARGEST_BYTES else []
            server.should_exit = True
            watched = Path(scratch) / "watched"
            make_watched_force(watched)
            server, address = serve(watched, NOW.replace(hour=0, minute=4))
            picture = draw(browser, f"{address}now", "dark", WALL, "svg.hours-chart")
            (target / "wall-dark.png").write_bytes(picture)
            print(f"wall-dark.png: {len(picture):,} bytes")
            too_large += ["wall-dark.png"] if len(picture) > LARGEST_BYTES else []
            browser.close()
        server.should_exit = True
    if too_large:
        print(f"Too large for the docs (over {LARGEST_BYTES:,} bytes): {', '.join(too_large)}.", file=sys.stderr)
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

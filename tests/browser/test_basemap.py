"""The force's own base map in headless Chromium: under its areas, from this service alone, with whose it is."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

from bluelamp.base_tiles import box_of, make_base_tiles
from bluelamp.reading import read_table
from tests.basemaps import write_picture, write_shapes
from tests.browser.serving import serving
from tests.browser.test_page import Page
from tests.test_base_tiles import write_package
from tests.web.served import copied

pytestmark = pytest.mark.browser

TOKENS = Path(__file__).parents[2] / "frontend" / "src" / "tokens.json"


def given(small_force: Path, folder: Path, write) -> Path:
    force = copied(small_force, folder / "lantern")
    write(force / "roads.pmtiles")
    with (force / "force.toml").open("a", encoding="utf-8") as file:
        file.write('\n[map]\nbasemap = "roads.pmtiles"\n')
    return force


def beside_the_force(page: Page) -> str:
    """The colour of the map in its corner, where no area lies."""
    box = page.page.locator("#map").bounding_box()
    clip = {"x": box["x"] + 6, "y": box["y"] + 6, "width": 1, "height": 1}
    picture = page.page.screenshot(clip=clip)
    at = picture.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", picture[at - 8 : at - 4])
    # The stream ends in a part of its own. Of the only line: how it was filtered, then red, green, blue.
    return "#" + zlib.decompressobj().decompress(picture[at : at + length])[1:4].hex()


def test_shapes_lie_under_the_areas_in_the_theme_s_colours_and_say_whose_they_are(browser, small_force, tmp_path):
    water = json.loads(TOKENS.read_text(encoding="utf-8"))["colour"]["under-water"]
    with serving(given(small_force, tmp_path, write_shapes)) as at:
        page = Page(browser, f"{at}/")
        page.page.locator(".map-credit").wait_for()
        assert page.page.inner_text(".map-credit") == "Contains made-up data"
        page.until(lambda: beside_the_force(page) == water["light"], "water beside the force")
        assert page.page.evaluate("window.bluelamp.renderedAreas()") == 8
        page.press("d")
        page.until(lambda: beside_the_force(page) == water["dark"], "dark water beside the force")
        assert [url for url in page.requests if not url.startswith((at, "blob:", "data:"))] == []
        assert page.complaints == []
        page.context.close()


def test_a_picture_lies_under_them_too(browser, small_force, tmp_path):
    ground = json.loads(TOKENS.read_text(encoding="utf-8"))["colour"]["map-ground"]["light"]
    with serving(given(small_force, tmp_path, write_picture)) as at:
        page = Page(browser, f"{at}/")
        page.page.locator(".map-credit").wait_for()
        page.until(lambda: beside_the_force(page) != ground, "a picture beside the force")
        red, green, _ = bytes.fromhex(beside_the_force(page)[1:])
        assert 0 < red - green < 80, "the picture is muted"
        assert page.complaints == []
        page.context.close()


def test_water_of_a_geopackage_on_the_national_grid_lies_under_them(browser, small_force, tmp_path):
    from shapely.geometry import box

    water = json.loads(TOKENS.read_text(encoding="utf-8"))["colour"]["under-water"]
    package = write_package(
        tmp_path / "coast.gpkg", {"surfacewater": ("Polygon", [box(100_000, 100_000, 900_000, 900_000)])}
    )

    def make(out: Path) -> None:
        make_base_tiles(package, out, box_of(read_table(out.parent, "areas")))

    with serving(given(small_force, tmp_path, make)) as at:
        page = Page(browser, f"{at}/")
        page.page.locator(".map-credit").wait_for()
        page.until(lambda: beside_the_force(page) == water["light"], "water beside the force")
        assert page.complaints == []
        page.context.close()


def test_a_file_that_is_spoilt_while_it_is_served_leaves_the_map_as_it_was(browser, small_force, tmp_path):
    force = given(small_force, tmp_path, write_shapes)
    with serving(force) as at:
        whole = (force / "roads.pmtiles").read_bytes()
        (force / "roads.pmtiles").write_bytes(b"\0" * len(whole))
        page = Page(browser, f"{at}/")
        page.page.locator(".map-credit").wait_for()
        assert page.page.inner_text(".map-credit") == "The base map could not be drawn."
        assert page.page.evaluate("window.bluelamp.renderedAreas()") == 8
        page.context.close()

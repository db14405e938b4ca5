"""The map without a script: the same figures, classes and colours as the one that the browser draws."""

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bluelamp.web import map_figures
from bluelamp.web.app import make_app
from bluelamp.web.map_figures import (
    colour_of,
    gap_scale,
    ink_on,
    late_bounds,
    plain,
    round_bounds,
    signed,
    steps_of,
)
from bluelamp.web.wording import chance
from tests.web.served import copied

TOKENS = Path(__file__).parents[2] / "frontend" / "src" / "tokens.json"


@pytest.fixture(scope="module")
def client(small_force, tmp_path_factory):
    return TestClient(make_app(copied(small_force, tmp_path_factory.mktemp("map") / "lantern")))


def test_its_colours_are_those_of_the_front_end():
    tokens = json.loads(TOKENS.read_text(encoding="utf-8"))
    assert steps_of("gap") == tuple(tokens["ramp"]["gap"]["light"])
    assert colour_of("no-figure") == tokens["colour"]["no-figure"]["light"]


def test_hours_are_said_as_the_front_end_says_them_when_clocks_change():
    # As frontend/tests/periods.test.ts has them.
    def span(local, zones, *asked):
        hours = {"starting": list(range(len(local))), "local": local, "zone": zones}
        nothing = {"pool_of_area": {"patterns": []}, "hours": hours}
        return map_figures.Figures(nothing).span(*asked)

    autumn = [f"2026-10-25T{each}" for each in ("00:00", "01:00", "01:00", "02:00")]
    zones = ["BST", "BST", "GMT", "GMT"]
    assert span(autumn, zones, 0) == "Sun 25 Oct 00:00–01:00 BST"
    assert span(autumn, zones, 1) == "Sun 25 Oct 01:00 BST–01:00 GMT"
    assert span(autumn, zones, 3) == "Sun 25 Oct 02:00–03:00 GMT"
    assert span(autumn, zones, 0, 4) == "Sun 25 Oct 00:00 BST–03:00 GMT", "four hours, not three"
    spring = [f"2026-03-29T{each}" for each in ("00:00", "02:00")]
    assert span(spring, ["GMT", "BST"], 0) == "Sun 29 Mar 00:00 GMT–02:00 BST"


def test_its_scales_are_those_of_the_front_end():
    # As frontend/tests/scales.test.ts has them.
    small = gap_scale(4)
    assert small.labels == ("≤ −4", "−3", "−2", "−1", "0", "+1", "+2", "+3", "≥ +4")
    assert [small.class_of(each) for each in (-9, -4, -1, 0, 1, 4, 30)] == [0, 0, 3, 4, 5, 8, 8]
    large = gap_scale(8)
    assert large.labels[:5] == ("≤ −7", "−6 to −5", "−4 to −3", "−2 to −1", "0")
    assert [large.class_of(each) for each in (-1, -2, -3, -6, -7)] == [3, 3, 2, 1, 0]
    assert round_bounds([each / 100 for each in range(100)]) == [0.2, 0.4, 0.6, 0.8]
    assert round_bounds([0, 0, 0]) == round_bounds([]) == [1]
    assert 0.15 in late_bounds(0.15)
    assert len(late_bounds(0.15)) == len(late_bounds(None)) == 6
    assert [plain(each) for each in (0.62, 3.44, 14.2, 0)] == ["0.62", "3.4", "14", "0"]
    assert [chance(each) for each in (0.0004, 0.004, 0.38, 0.997, 1)] == ["<0.1%", "0.4%", "38%", ">99%", "100%"]
    assert [signed(each) for each in (-3, 0, 2)] == ["−3", "0", "+2"]
    assert (ink_on("#ffffff"), ink_on("#11427a")) == ("#000000", "#ffffff")


def test_it_has_the_figures_of_the_table_for_the_hour_that_is_asked(client):
    data = client.get("/api/map.json").json()
    hour = 30
    at = data["hours"]["local"][hour]
    starting = client.get("/tables/coverage.json?level=pool").json()
    utc = map_figures.datetime.fromtimestamp(data["hours"]["starting"][hour], map_figures.UTC)
    page = client.get(f"/map?hour={utc:%Y-%m-%dT%H:%MZ}&figure=demand").text
    pools = page.partition('id="pools-title"')[2].partition("</section>")[0]
    assert f"{at[11:16]}–" in page
    rows = [row for row in starting if row["hour_starting"].startswith(f"{utc:%Y-%m-%dT%H:%M}")]
    told = 0
    for row in rows:
        if row["units_required"] is not None and row["place_id"] in data["pools"]["id"]:
            name = data["pools"]["name"][data["pools"]["id"].index(row["place_id"])]
            cells = re.search(rf'<tr><th scope="row">{re.escape(name)}</th>(.*?)</tr>', pools)
            if cells:
                told += 1
                assert f'<td class="number">{row["units_required"]}</td>' in cells[1]
    assert told > 0


def test_a_shortage_has_a_hatch_and_a_number_and_not_a_colour_alone(client):
    page = client.get("/map").text
    data = client.get("/api/map.json").json()
    if not data["run"]["has_duties"]:
        pytest.skip("nothing can be short")
    assert 'fill="url(#' in page
    assert re.search(r">[\w-]+ −\d+</text>", page)


@pytest.mark.parametrize("figure", ["demand", "officer_hours", "late", "delay"])
def test_every_figure_of_the_map_has_its_page(client, figure):
    page = client.get(f"/map?figure={figure}")
    assert page.status_code == 200
    assert map_figures.VIEWS[figure].title in page.text
    assert page.text.count("<title>") > 168

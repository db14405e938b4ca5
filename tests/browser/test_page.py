"""The page in headless Chromium, served and as one file from disk: drawn, moved by keys, read, and quiet."""

import json
import time
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from bluelamp import cli
from bluelamp.reading import read_table

pytestmark = pytest.mark.browser


class Page:
    """A page that is ready, with what it asked the network for and what it complained of."""

    def __init__(self, browser, address, *, drawn=True, now=None, **context):
        self.address = address
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | context))
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        if now is not None:
            self.page.clock.set_fixed_time(now)
        self.page.goto(address)
        self.page.evaluate("window.bluelamp.ready")
        if drawn:
            self.wait("window.bluelamp.renderedAreas() > 0")

    def _hear(self, message):
        if message.type == "error" or "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def wait(self, condition):
        # Asked again and again from here, because the page's Content-Security-Policy lets no text be run as script.
        self.until(lambda: self.page.evaluate(condition), condition)

    def until(self, is_so, what="what was waited for"):
        """Ask until it is so: a busy machine takes its time."""
        end = time.monotonic() + 15
        while not is_so():
            assert time.monotonic() < end, f"never came true: {what}"
            self.page.wait_for_timeout(40)

    @property
    def hour(self) -> int:
        return self.page.evaluate("window.bluelamp.state().hour")

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def figures(self) -> list[dict[str, str]]:
        """What the panel of the chosen place says, each figure with its place, hour and exact value."""
        return self.page.eval_on_selector_all(
            "#panel [data-figure]", "all => all.map(each => ({...each.dataset, shown: each.innerText}))"
        )


@pytest.fixture(params=["served", "single_file"])
def page(request, browser):
    """The page as it is served and as one file, each by itself."""
    yield from _open(browser, request.getfixturevalue(request.param))


@pytest.fixture
def file_page(browser, single_file):
    """The page as one file: what does not depend on where its figures come from."""
    yield from _open(browser, single_file)


def _open(browser, address):
    opened = Page(browser, address)
    yield opened
    opened.context.close()
    outside = [url for url in opened.requests if not url.startswith(("data:", "blob:", opened.address.split("#")[0]))]
    origin = opened.address if opened.address.startswith("http") else "file:///"
    assert [url for url in outside if not url.startswith(origin)] == [], "a request left the machine"
    if opened.address.startswith("file:"):
        assert outside == [], "the single file asked for another file"
    assert opened.complaints == []


def test_the_areas_are_drawn_and_the_first_view_says_where_it_is_short(page):
    assert page.page.evaluate("window.bluelamp.renderedAreas()") == 8
    assert "Lantern Valley" in page.page.inner_text("h1")
    assert page.page.inner_text("body").count("short") > 1


def test_keys_move_the_hour_and_the_map_follows(page):
    # From the first hour: a day that begins on the clock-change night in the middle of these weeks has 25.
    page.press("Home")
    start = page.hour
    page.press("ArrowRight")
    page.press("ArrowRight")
    page.press("ArrowLeft")
    assert page.hour == start + 1
    page.press("Shift+ArrowRight")
    assert page.hour == start + 25
    page.wait(f"window.bluelamp.drawnHour() === {start + 25}")
    page.press("Home")
    assert page.hour == 0
    # Fourteen local days, one of 25 hours.
    page.press("End")
    assert page.hour == 336
    page.wait("window.bluelamp.drawnHour() === 336")


def test_a_day_onwards_is_the_same_hour_by_the_clock_on_the_night_that_has_25(file_page):
    # The fortnight begins on Monday 19 October 2026; the clock goes back on Sunday the 25th at 02:00.
    saturday_noon = 5 * 24 + 12
    file_page.page.evaluate(f"window.bluelamp.setHour({saturday_noon})")
    file_page.press("Shift+ArrowRight")
    assert file_page.hour == saturday_noon + 25


def test_slider_grid_and_csv_hold_fourteen_local_days_over_the_clock_change(page):
    assert "Mon 19 Oct 00:00 BST – Mon 2 Nov 00:00 GMT" in page.page.inner_text("#about-run")
    assert page.page.get_attribute("#slider", "max") == "336"
    cells = []
    for week in ("This week", "Next week"):
        page.page.click(f"#weeks button:text-is('{week}')")
        page.wait(f"document.querySelector('#weeks [aria-pressed=true]').textContent === '{week}'")
        assert page.page.locator("#week-grid .week-day").count() == 7
        cells += page.page.eval_on_selector_all("#week-grid [data-hour]", "all => all.map(each => each.dataset.hour)")
    assert sorted(map(int, cells)) == list(range(337))
    last = page.page.get_attribute("#week-grid [data-hour='336']", "aria-label")
    assert last.startswith("Sun 1 Nov 23:00–00:00 GMT")
    page.press("e")
    page.page.check("[name=export-scope][value=force]")
    page.page.check("[name=export-hours][value=all]")
    with page.page.expect_download() as download:
        page.page.click("text=Save CSV")
    rows = pl.read_csv(download.value.path())
    assert (rows.height, rows["hour_starting_local"][-1]) == (337, "2026-11-01 23:00")


def test_a_key_held_down_loses_no_hour(file_page):
    file_page.press("Home")
    for _ in range(40):
        file_page.page.keyboard.down("ArrowRight")
    file_page.page.keyboard.up("ArrowRight")
    assert file_page.hour == 40
    file_page.wait("window.bluelamp.drawnHour() === 40")
    file_page.until(lambda: {figure["hour"] for figure in file_page.figures()} == {"2026-10-20T15:00:00Z"})


def test_a_key_held_down_in_the_grid_loses_no_hour(file_page):
    file_page.press("Home")
    file_page.page.locator("#week-grid [aria-selected=true]").focus()
    for _ in range(20):
        file_page.page.keyboard.down("ArrowRight")
    file_page.page.keyboard.up("ArrowRight")
    assert file_page.hour == 20
    file_page.wait("document.activeElement.dataset.hour === '20'")


def click_an_area(page) -> str:
    """Click a point inside the first area that can be clicked; gives its code."""
    for area in range(8):
        point = page.page.evaluate(f"window.bluelamp.areaPoint({area})")
        if point is None:
            continue
        x, y = point.values() if isinstance(point, dict) else point
        page.page.mouse.click(x, y)
        # A busy machine takes its time to see a click; a point that another thing covers is never seen.
        for _ in range(25):
            state = page.page.evaluate("window.bluelamp.state()")
            if state["place"]["scope"] == "area":
                return state["place_id"]
            page.page.wait_for_timeout(40)
    raise AssertionError("no area could be clicked")


def compare_with_the_table(page, table: pl.DataFrame) -> int:
    compared = 0
    for figure in page.figures():
        rows = table.filter(
            pl.col("level") == figure["scope"],
            pl.col("place_id") == figure["place"],
            pl.col("hour_starting") == pl.lit(figure["hour"]).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"),
            pl.col("role_code") == "response",
        )
        assert rows.height == 1, figure
        value = rows[figure["figure"]].item()
        if value is None:
            assert figure["value"] == "", figure
        elif isinstance(value, str):
            assert figure["value"] == value, figure
        else:
            assert float(figure["value"]) == value, figure
        compared += 1
    return compared


def test_the_panel_shows_who_waits_who_is_short_and_what_decides(browser, served):
    opened = Page(browser, served)
    opened.wait("document.querySelectorAll('#place-figures [data-waiting]').length > 0")
    state = opened.page.evaluate("window.bluelamp.state()")
    told = opened.page.request.get(f"{served}api/backlog.json").json()
    start = int(datetime.fromisoformat(state["hour_starting"]).timestamp())
    cells = opened.page.eval_on_selector_all("#panel [data-waiting]", "all => all.map(each => ({...each.dataset}))")
    assert {int(cell["start"]) for cell in cells} == {start, start + 3600}
    for cell in cells:
        place = told["places"].index(cell["place"] if cell["place"] in told["places"] else "all")
        values = told["figures"]["waiting_before"]["values"][place]
        assert float(cell["waiting"]) == values[told["starting"].index(int(cell["start"]))] / 100
    panel = opened.page.inner_text("#panel")
    assert "officer" in panel.split("short at this hour, by")[1][:20]
    for words in ("Requirement set by", "Rung of the ladder", "not held against recorded weeks yet"):
        assert words in panel
    tried = opened.page.get_by_role("link", name="Try a change at this hour").get_attribute("href")
    assert f"at={state['hour_starting'][:13]}%3A00Z" in tried
    assert opened.complaints == []
    opened.context.close()


def test_what_a_click_on_an_area_shows_is_what_the_coverage_table_says(page, small_force, capsysbinary):
    with pytest.raises(SystemExit):
        cli_table(small_force)
    text = capsysbinary.readouterr().out
    table = pl.read_csv(text, schema_overrides={"binding_grade": pl.String}).with_columns(
        pl.col("hour_starting").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    )
    area = click_an_area(page)
    assert area in set(table.filter(pl.col("level") == "area")["place_id"])
    assert compare_with_the_table(page, table) >= 15
    page.press("Shift+ArrowRight")
    page.press("ArrowRight")
    hour = page.page.evaluate("window.bluelamp.state().hour_starting").replace(".000Z", "Z")
    page.until(lambda: {figure["hour"] for figure in page.figures()} == {hour})
    assert compare_with_the_table(page, table) >= 15


def cli_table(folder):
    """Run `bluelamp table coverage FORCE --csv`."""
    import sys
    from unittest import mock

    with mock.patch.object(sys, "argv", ["bluelamp", "table", "coverage", str(folder), "--csv"]):
        cli.main()


def test_the_table_twin_has_every_area(file_page):
    file_page.press("t")
    file_page.page.locator("table tbody tr").first.wait_for()
    rows = file_page.page.eval_on_selector_all("table tbody tr", "rows => rows.map(row => row.innerText)")
    names = {row.split("\t")[0].strip() for row in rows}
    assert len(names) >= 8


def test_sorting_the_table_keeps_the_chosen_row_marked(file_page):
    click_an_area(file_page)
    file_page.press("t")
    file_page.page.locator("table.twin tr.is-chosen").wait_for()
    for header in ("Incidents", "Area"):
        file_page.page.click(f"table.twin thead button:has-text('{header}') >> nth=0")
        assert file_page.page.locator("table.twin tr.is-chosen").count() == 1


def test_tab_leads_from_the_search_box_to_the_button_after_it(file_page):
    file_page.press("/")
    file_page.press("Tab")
    assert file_page.page.evaluate("document.activeElement.id") == "table-button"


def test_the_tip_follows_the_hour_while_the_pointer_rests(file_page):
    file_page.page.check("#figures [value=demand]", force=True)
    file_page.page.evaluate("window.bluelamp.setHour(3)")
    x, y = file_page.page.evaluate("window.bluelamp.areaPoint(0)").values()
    file_page.page.mouse.move(x, y)
    file_page.wait("!document.getElementById('map-tip').hidden")
    by_night = file_page.page.inner_text("#map-tip")
    file_page.page.evaluate("window.bluelamp.setHour(17)")
    file_page.wait("window.bluelamp.drawnHour() === 17")
    by_day = file_page.page.inner_text("#map-tip")
    assert by_night.splitlines()[0] == by_day.splitlines()[0]
    assert by_night.splitlines()[1] != by_day.splitlines()[1]


def test_the_address_keeps_the_whole_state(page, browser):
    click_an_area(page)
    page.press("Shift+ArrowRight")
    state = page.page.evaluate("window.bluelamp.state()")
    # The address follows a moment later, and a busy machine takes its time.
    page.wait(f"location.hash.includes('hour={state['hour_starting'][:13]}')")
    again = Page(browser, page.page.url)
    assert again.page.evaluate("window.bluelamp.state()") == state
    again.context.close()


def camera(page) -> dict[str, float] | None:
    return page.page.evaluate("window.bluelamp.state().camera")


def where_it_rests(page) -> dict[str, float] | None:
    """The part of the map that is seen once it has stopped gliding and stands in the address."""
    seen: list[object] = []

    def rests() -> bool:
        page.page.wait_for_timeout(500)
        seen.append((camera(page), page.page.evaluate("location.hash")))
        return len(seen) > 1 and seen[-1] == seen[-2] and "map=" in seen[-1][1]

    page.until(rests, "the map rests")
    return camera(page)


def test_the_address_keeps_the_part_of_the_map_that_is_seen(page, browser):
    assert camera(page) is None
    page.page.click("#zoom-in")
    page.page.mouse.move(*page.page.evaluate("window.bluelamp.areaPoint(0)").values())
    page.page.mouse.wheel(0, -300)
    seen = where_it_rests(page)
    point = page.page.evaluate("window.bluelamp.areaPoint(0)")
    again = Page(browser, page.page.url)
    assert camera(again) == seen
    there = again.page.evaluate("window.bluelamp.areaPoint(0)")
    assert abs(there["x"] - point["x"]) < 3
    assert abs(there["y"] - point["y"]) < 3
    # Back in its frame, the map is what everybody sees who opens the page.
    again.page.click("#zoom-fit")
    again.wait("window.bluelamp.state().camera === null")
    again.wait("!location.hash.includes('map=')")
    again.context.close()


def test_back_and_forward_go_through_what_was_chosen(page):
    first = page.page.evaluate("window.bluelamp.state()")
    area = click_an_area(page)
    page.press("Shift+ArrowRight")
    hour = page.hour
    page.page.check("#figures [value=demand]", force=True)
    page.press("t")
    page.page.locator("table.twin tbody tr").first.wait_for()
    page.page.go_back()
    page.wait("window.bluelamp.state().view === 'map'")
    page.page.go_back()
    page.wait(f"window.bluelamp.state().figure === '{first['figure']}'")
    # The hour is no step of its own: it is where it was when the next choice was made.
    assert (page.hour, page.page.evaluate("window.bluelamp.state().place_id")) == (hour, area)
    page.page.go_back()
    page.wait("window.bluelamp.state().place.scope === 'force'")
    assert page.hour == first["hour"]
    page.page.go_forward()
    page.wait("window.bluelamp.state().place.scope === 'area'")
    assert (page.hour, page.page.evaluate("window.bluelamp.state().place_id")) == (hour, area)


def test_a_link_into_the_page_does_not_take_the_place_of_what_is_shown(file_page):
    area = click_an_area(file_page)
    file_page.page.evaluate("document.querySelector('.skip-link[href=\"#panel\"]').click()")
    file_page.wait(f"location.hash.includes('place=area:{area}')")


def test_play_stops_for_people_who_asked_for_less_motion(browser, served):
    opened = Page(browser, served, reduced_motion="reduce")
    start = opened.hour
    opened.press("Space")
    opened.page.wait_for_timeout(900)
    assert opened.hour in (start, start + 1)
    opened.context.close()


def test_play_moves_the_hour_by_itself(browser, served):
    opened = Page(browser, served)
    opened.press("Home")
    opened.press("Space")
    opened.wait("window.bluelamp.state().hour > 2")
    opened.press("Space")
    assert opened.hour > 2
    opened.context.close()


def test_without_duties_the_map_shows_requirement_alone_and_says_so(browser, small_force, tmp_path):
    from bluelamp.reports.map import make_map_data, render_page
    from bluelamp.web.app import Published

    published = Published(small_force)
    run = dict(published.run(None))
    results = published.results_for_map(run["run_id"])
    bare = results["coverage"].with_columns(
        pl.lit(None, dtype=pl.Int64).alias(name)
        for name in ("units_on_duty", "units_gap", "units_gap_p10", "units_gap_p90", "officers_on_duty", "officers_gap")
    )
    run["notes"] = json.dumps(["No duties are on hand: the map shows what is required, not what is short."])
    out = tmp_path / "bare.html"
    out.write_text(render_page("Bare", data=make_map_data(results | {"coverage": bare}, run, published.force())))
    opened = Page(browser, out.as_uri())
    assert "what is required, not what is short" in opened.page.inner_text("body")
    assert not opened.page.query_selector_all("[data-figure='units_gap']")
    opened.context.close()


def page_of(browser, small_force, out: Path, *, areas=None, pools=None, **context) -> Page:
    """The small force's map as a file, its areas or pools changed."""
    from bluelamp.reports.map import make_map_data, render_page
    from bluelamp.web.app import Published

    published = Published(small_force)
    run = published.run(None)
    results = published.results_for_map(run["run_id"])
    results |= {name: change(results[name]) for name, change in {"areas": areas, "pools": pools}.items() if change}
    data = make_map_data(results, run, published.force())
    out.write_text(render_page("Changed", data=data))
    return Page(browser, out.as_uri(), drawn=areas is None, **context)


def without_boundaries(areas: pl.DataFrame) -> pl.DataFrame:
    return areas.with_columns(boundary=pl.lit(None, dtype=pl.String))


def test_areas_known_by_name_alone_are_in_table_and_search_though_they_are_not_drawn(browser, small_force, tmp_path):
    opened = page_of(browser, small_force, tmp_path / "names.html", areas=without_boundaries)
    text = opened.page.inner_text("#summary-frame")
    assert "known by name alone, so they can’t be drawn" in text
    assert "counted as one" not in opened.page.inner_text("body")
    named = read_table(small_force, "areas").filter(level="area")["area_name"].to_list()
    opened.press("t")
    opened.page.locator("table.twin tbody th").first.wait_for()
    rows = opened.page.eval_on_selector_all("table.twin tbody th", "all => all.map(each => each.innerText)")
    assert set(named) <= set(rows)
    opened.press("/")
    opened.page.keyboard.type(named[0])
    opened.press("Enter")
    assert opened.page.evaluate("window.bluelamp.state().place.scope") == "area"
    assert opened.page.inner_text("#place-name") == named[0]
    assert opened.complaints == []
    opened.context.close()


def test_a_force_of_one_area_says_that_there_is_no_map_to_draw(browser, small_force, tmp_path):
    def one(areas: pl.DataFrame) -> pl.DataFrame:
        return without_boundaries(areas.filter(level="area").head(1))

    opened = page_of(browser, small_force, tmp_path / "one.html", areas=one)
    assert "counted as one area, so there is no map to draw" in opened.page.inner_text("#summary-frame")
    opened.context.close()


def test_choosing_a_pool_with_a_long_name_leaves_the_map_where_it_is(browser, small_force, tmp_path):
    def renamed(pools: pl.DataFrame) -> pl.DataFrame:
        return pools.with_columns(
            pool_name=pl.lit("Response of the county of ") + pl.col("pool_id") + " and its parishes"
        )

    opened = page_of(browser, small_force, tmp_path / "long.html", pools=renamed)
    before = opened.page.evaluate("document.getElementById('map').clientHeight")
    opened.page.click(".pool-chip >> nth=0")
    assert opened.page.inner_text("#place-name").endswith("and its parishes")
    assert opened.page.evaluate("document.getElementById('map').clientHeight") == before
    opened.context.close()


def test_a_plan_that_is_over_asks_for_newer_incidents_before_another_plan(browser, single_file):
    opened = Page(browser, single_file, now="2027-01-10T12:00:00Z")
    warning = opened.page.inner_text("#notes .is-warning")
    assert "it ended Mon 2 Nov 2026 00:00 GMT, because the data ends on Sunday 18 October 2026." in warning
    assert "Import newer incidents, then plan again." in warning
    opened.context.close()


@pytest.mark.parametrize("width", [1280, 400])
def test_pool_labels_keep_apart_and_inside_the_map(browser, served, width):
    opened = Page(browser, served, viewport={"width": width, "height": 900})
    for hour in (2, 14):
        opened.page.evaluate(f"window.bluelamp.setHour({hour})")
        opened.wait(f"window.bluelamp.drawnHour() === {hour}")
        opened.page.wait_for_timeout(300)
        frame, *chips = opened.page.evaluate(
            "[document.getElementById('map'), ...document.querySelectorAll('.pool-chip')].map(each => {"
            "const {left, right, top, bottom} = each.getBoundingClientRect(); return [left, right, top, bottom]; })"
        )
        assert chips
        for at, (left, right, top, bottom) in enumerate(chips):
            assert left >= frame[0]
            assert right <= frame[1]
            assert top >= frame[2]
            assert bottom <= frame[3]
            for other in chips[:at]:
                assert left >= other[1] or right <= other[0] or top >= other[3] or bottom <= other[2]
    opened.context.close()


def test_the_figures_that_the_page_reads_are_the_run_that_is_stored(browser, served, small_force):
    opened = Page(browser, served)
    run = json.loads(opened.page.evaluate("fetch('/api/map.json').then(answer => answer.text())"))["run"]
    assert run["run_id"] == read_table(small_force, "runs")["run_id"][-1]
    opened.context.close()

"""A real browser: Debian's Chromium, headless, software rendering, with every request written down."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.serving import serving
from tests.forces import made_once

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    # Pages are put together without a made-up graphics card, which is work for nothing; maps are drawn on one.
    "--disable-gpu-compositing",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("CHROMIUM ABSENT: the page was not seen in a real browser. 'apt-get install chromium' brings it.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def served(small_force: Path) -> Iterator[str]:
    """The address at which the small force is served."""
    with serving(small_force) as at:
        yield f"{at}/"


@pytest.fixture(scope="session")
def single_file(small_force: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the map as one file on disk."""
    from bluelamp.reports.map import make_map_data, render_page
    from bluelamp.web.app import Published

    published = Published(small_force)
    run = published.run(None)
    data = make_map_data(published.results_for_map(run["run_id"]), run, published.force())
    out = tmp_path_factory.mktemp("single") / "map.html"
    out.write_text(render_page("Lantern Valley", data=data), encoding="utf-8")
    return out.as_uri()


@pytest.fixture(scope="session")
def scored_force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up force whose forecast was scored on its own past; tests must not change it."""
    from datetime import date

    from bluelamp import backtest, intake
    from bluelamp.sources.twin import make_twin, write_twin

    def make(folder: Path) -> None:
        write_twin(folder, make_twin(areas=6, days=240, seed=3, until=date(2026, 11, 23)))
        for table, path, map_name in intake.extracts_of(folder):
            if table in ("incidents", "areas", "events"):
                intake.import_extract(folder, path, table=table, map_name=map_name)
        backtest.backtest(folder, origins=3, paths=20, methods=["slot_mean", "last_week", "slot_mean_8"])

    return made_once(tmp_path_factory, "scored", make)

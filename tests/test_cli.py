"""The commands as a person at a terminal meets them: their output and their exit codes."""

import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import polars as pl
import pytest
import shapely

from bluelamp import cli, plan, tables
from tests.forces import forecast_quickly

COLUMNS = "id,received,arrived,cleared,code,beat"


class Said(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def bluelamp(*arguments: object) -> Said:
    """Run a command in this process, as the entry point does: starting Python for each costs most of a second."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.object(sys, "argv", ["bluelamp", *map(str, arguments)]),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
        mock.patch.object(sys, "stdin", io.StringIO()),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main()
    return Said(ended.value.code or 0, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())


def process(*arguments: object, threads: int) -> Said:
    """Run a command in a process of its own, with so many threads."""
    environment = os.environ | {"POLARS_MAX_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    ended = subprocess.run(
        [sys.executable, "-c", "from bluelamp.cli import main; main()", *map(str, arguments)],
        capture_output=True, text=True, env=environment, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Said(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def force(tmp_path: Path) -> Path:
    """A force in London with a column map for the little extracts below."""
    folder = tmp_path / "north"
    folder.mkdir()
    (folder / "force.toml").write_text(
        '[force]\nid = "north"\nname = "North"\ntime_zone = "Europe/London"\n'
        '[sources.incidents]\nmap = "north.toml"\nfile = "calls.csv"\n'
    )
    (folder / "north.toml").write_text(
        'title = "North"\ntable = "incidents"\ntime_zone = "force"\n'
        '[columns]\nincident_id = "id"\nreceived_at = "received"\narrived_at = "arrived"\ncleared_at = "cleared"\n'
        'opening_code = "code"\narea_id = "beat"\n'
        '[[crosswalk]]\nclass = "violence"\norigin = "public"\ncodes = ["V1"]\n'
    )
    return folder


def rows(count: int, start: int = 0, day: str = "2026-03-{:02d}") -> list[str]:
    return [
        f"I{number},{on} 10:{number % 60:02d},{on} 10:59,,V1,B{number % 3}"
        for number in range(start, start + count)
        for on in [day.format(1 + number % 28)]
    ]


def write(folder: Path, lines: list[str], name: str = "calls.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([COLUMNS, *lines]) + "\n")
    return path


def batches(folder: Path) -> pl.DataFrame:
    found = bluelamp("table", "batches", folder, "--csv")
    assert found.returncode == 0, found.stderr
    return pl.read_csv(found.stdout.encode())


def accounted(row: dict[str, int]) -> int:
    return sum(row[f"rows_{what}"] for what in ("accepted", "updated", "unchanged", "duplicate", "quarantined"))


def test_help_is_quick_and_begins_with_examples():
    found = bluelamp("--help")
    assert found.returncode == 0
    for command in ("demo", "init", "check", "import", "plan", "table", "map", "serve", "twin", "template", "doctor"):
        assert command in found.stdout
        told = bluelamp(command, "--help").stdout
        assert f"bluelamp {command}" in told


def test_every_row_of_an_import_is_accounted_for(force):
    lines = rows(40)
    write(force, [*lines, lines[0], "I50,,2026-03-01 10:59,,V1,B1", "I51,2026-03-02 09:00,,,??,B9"])
    found = bluelamp("import", force)
    assert found.returncode == 0, found.stderr
    (row,) = batches(force).to_dicts()
    assert row["rows_read"] == 43 == accounted(row)
    assert (row["rows_accepted"], row["rows_duplicate"], row["rows_quarantined"]) == (41, 1, 1)
    aside = pl.read_csv(bluelamp("table", "quarantine", force, "--csv").stdout.encode())
    assert aside["row_number"].to_list() == [43]
    assert aside["field"].to_list() == ["received_at"]


def test_importing_again_changes_nothing_and_a_new_version_updates(force):
    write(force, rows(20))
    assert bluelamp("import", force).returncode == 0
    assert bluelamp("import", force).returncode == 0
    changed = rows(20)
    changed[3] = changed[3].replace("10:59", "10:58")
    write(force, changed)
    assert bluelamp("import", force).returncode == 0
    kept = batches(force).sort("sequence")
    assert kept["rows_accepted"].to_list() == [20, 0, 0]
    assert kept["rows_unchanged"].to_list() == [0, 20, 19]
    assert kept["rows_updated"].to_list() == [0, 0, 1]
    now = pl.read_csv(bluelamp("table", "incidents", force, "--csv").stdout.encode())
    assert now.height == 20
    assert now.filter(pl.col("incident_id") == "I3")["arrived_at"].item().endswith("10:58:00Z")


def bad_missing(folder: Path) -> None:
    pass


def bad_empty(folder: Path) -> None:
    (folder / "calls.csv").write_bytes(b"")


def bad_cut(folder: Path) -> None:
    whole = gzip.compress(("\n".join([COLUMNS, *rows(5000)]) + "\n").encode())
    (folder / "calls.csv.gz").write_bytes(whole[: len(whole) // 2])
    text = (folder / "force.toml").read_text()
    (folder / "force.toml").write_text(text.replace("calls.csv", "calls.csv.gz"))


def bad_delimiter(folder: Path) -> None:
    (folder / "calls.csv").write_text("\n".join([COLUMNS, *rows(9)]).replace(",", "|"))
    text = (folder / "north.toml").read_text()
    (folder / "north.toml").write_text('delimiter = ";"\n' + text)


def bad_column(folder: Path) -> None:
    (folder / "calls.csv").write_text("\n".join([COLUMNS.replace("received", "recieved"), *rows(9)]))


def bad_mixed_dates(folder: Path) -> None:
    day_first = [f"D{number},{13 + number}/03/2026 10:00,,,V1,B1" for number in range(9)]
    month_first = [f"M{number},03/{13 + number}/2026 10:00,,,V1,B1" for number in range(9)]
    write(folder, day_first + month_first)


def bad_latin_1(folder: Path) -> None:
    text = "\n".join([COLUMNS, *rows(3), "I9,2026-03-01 10:00,,,V1,Café"])
    (folder / "calls.csv").write_bytes(text.encode("latin-1"))


def bad_setting(folder: Path) -> None:
    write(folder, rows(3))
    text = (folder / "force.toml").read_text()
    (folder / "force.toml").write_text(text.replace("time_zone", "time_zon"))


BAD = {
    bad_missing: (66, r"calls\.csv"),
    bad_empty: (65, r"empty"),
    bad_cut: (65, r"cut|broken off|ends"),
    bad_delimiter: (65, r"delimiter|separat"),
    bad_column: (65, r"'received'.*Did you mean 'recieved'"),
    bad_mixed_dates: (65, r"day.*month|month.*day"),
    bad_latin_1: (65, r"windows-1252"),
    bad_setting: (78, r"time_zon'.*Did you mean 'time_zone'"),
}


@pytest.mark.parametrize("break_it", BAD, ids=lambda each: each.__name__)
def test_bad_input_gets_a_sentence_and_its_exit_code_and_nothing_is_lost(force, break_it):
    good = write(force, rows(30), "earlier.csv")
    assert bluelamp("import", force, good).returncode == 0
    before = bluelamp("table", "incidents", force, "--csv").stdout
    break_it(force)
    code, words = BAD[break_it]
    found = bluelamp("import", force)
    assert found.returncode == code, found.stderr
    assert "Traceback" not in found.stderr
    assert found.stderr.startswith("bluelamp: ")
    assert re.search(words, found.stderr, re.S), found.stderr
    if break_it is bad_setting:
        text = (force / "force.toml").read_text()
        (force / "force.toml").write_text(text.replace("time_zon ", "time_zone "))
    assert bluelamp("table", "incidents", force, "--csv").stdout == before


def test_strange_times_are_repaired_or_set_aside_by_rules_that_are_counted(force):
    write(
        force,
        [
            *rows(50),
            "S1,2026-03-29 01:30,,,V1,B1",  # the hour that does not exist
            "S2,2025-10-26 01:30,,,V1,B1",  # the hour that comes twice
            "S3,2062-01-01 10:00,,,V1,B1",
            "S4,2026-03-01 10:00,2026-03-01 09:00,,V1,B1",
        ],
    )
    report = json.loads(bluelamp("check", force, "--json").stdout)
    told = json.dumps(report)
    for rule in ("time_is_skipped", "time_comes_twice", "impossible_time", "arrived_before_received"):
        assert rule in told, rule
    assert bluelamp("import", force).returncode == 0
    (row,) = batches(force).to_dicts()
    assert row["rows_read"] == 54 == accounted(row)
    assert row["rows_quarantined"] == 1


def test_a_folder_that_cannot_be_written_is_told(force, tmp_path):
    write(force, rows(5))
    locked = tmp_path / "locked"
    shutil.copytree(force, locked)
    if os.getuid() == 0:
        # Permissions do not stop root; a file where the folder should be does.
        (locked / "store").write_text("")
    else:
        locked.chmod(0o555)
    found = bluelamp("import", locked)
    assert found.returncode == 74, found.stderr
    assert "Traceback" not in found.stderr


def test_a_force_that_is_not_there_is_told(tmp_path):
    found = bluelamp("plan", tmp_path / "nowhere")
    assert found.returncode == 66
    assert "bluelamp init" in found.stderr


def test_an_import_killed_at_any_point_leaves_the_store_as_it_was_and_the_next_one_completes(force):
    first = write(force, rows(2_000), "first.csv")
    assert bluelamp("import", force, first).returncode == 0
    before = bluelamp("table", "incidents", force, "--csv").stdout
    second = write(force, rows(60_000, start=1_000), "second.csv")
    code = "import sys; from bluelamp.cli import main; print('on', flush=True); sys.argv[1:] = sys.argv[1:]; main()"
    killed = 0
    for wait in (0.02, 0.15, 0.3, 0.45, 0.6):
        child = subprocess.Popen(
            [sys.executable, "-c", code, "import", str(force), str(second)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(wait)
        child.kill()
        killed += child.wait() == -9
        found = bluelamp("doctor", force)
        assert found.returncode == 0, found.stdout
        now = bluelamp("table", "incidents", force, "--csv").stdout
        assert now == before or now.count("\n") == 61_001
    assert killed >= 2
    assert bluelamp("import", force, second).returncode == 0
    after = batches(force)
    assert all(accounted(row) == row["rows_read"] for row in after.to_dicts())
    assert bluelamp("table", "incidents", force, "--csv").stdout.count("\n") == 61_001


def test_a_table_that_is_not_there_gets_the_nearest_name(small_force):
    found = bluelamp("table", "coverge", small_force)
    assert found.returncode == 2
    assert "Did you mean 'coverage'?" in found.stderr


def test_a_table_and_a_force_that_stand_the_wrong_way_round_are_told_with_the_command_that_was_meant(small_force):
    for force, name in ((small_force, "coverage"), (small_force, "coverge"), ("nowhere", "coverage")):
        found = bluelamp("table", force, name)
        assert found.returncode == 2
        assert "stand the wrong way round" in found.stderr
        assert f"Call: bluelamp table {name} {force}" in found.stderr
    unknown = bluelamp("table", "nowhere", small_force)
    assert "wrong way round" not in unknown.stderr


def test_a_table_named_in_front_of_its_file_is_told_with_the_option_that_names_it(force):
    write(force, rows(5), "targets.csv")
    found = bluelamp("import", force, "standards=targets.csv")
    assert found.returncode == 2
    assert "'standards=targets.csv' is no file." in found.stderr
    assert f"Call: bluelamp import {force} targets.csv --table standards" in found.stderr
    # A file may be called so, and what is no table is a file that is not there.
    write(force, rows(5), "incidents=1.csv")
    assert bluelamp("import", force, force / "incidents=1.csv", "--map", "north.toml").returncode == 0
    assert "There is no file" in bluelamp("import", force, "week=1.csv").stderr


def test_two_runs_give_the_same_figures_to_the_last_digit_on_one_and_two_threads(small_force, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_force, copy)
    toml = copy / "force.toml"
    toml.write_text(toml.read_text("utf-8").replace("days = 120", "path_days = 21\ndays = 42"), "utf-8")
    for threads in (1, 2):
        assert process("plan", copy, "-q", threads=threads).returncode == 0
    runs = pl.read_csv(bluelamp("table", "runs", copy, "--csv").stdout.encode()).tail(2)
    assert runs["results_sha256"].n_unique() == 1
    first, *others = [
        process("table", "coverage", copy, "--csv", "--run", run, threads=1 + number % 2).stdout
        for number, run in enumerate(runs["run_id"])
    ]
    assert first.count("\n") > 1000
    assert all(each == first for each in others)


def test_a_template_is_a_table_once_it_is_filled_in(force, tmp_path):
    for name in ("duties", "standards", "minimums", "pools", "people", "events"):
        filled = tmp_path / f"{name}.csv"
        filled.write_text(bluelamp("template", name).stdout)
        found = bluelamp("import", force, filled, "--table", name)
        assert found.returncode == 0, found.stderr
        kept = pl.read_csv(bluelamp("table", name, force, "--csv").stdout.encode())
        assert kept.columns == tables.table(name).columns
        assert kept.height == 1


def test_tables_come_as_csv_json_and_parquet_with_the_same_rows(small_force, tmp_path):
    wanted = ("--where", "level=force")
    text = pl.read_csv(bluelamp("table", "coverage", small_force, "--csv", *wanted).stdout.encode())
    data = json.loads(bluelamp("table", "coverage", small_force, "--json", *wanted).stdout)
    out = tmp_path / "coverage.parquet"
    assert bluelamp("table", "coverage", small_force, "--parquet", out, *wanted).returncode == 0
    assert text.height == len(data) == pl.read_parquet(out).height > 300
    assert [row["incidents_mean"] for row in data] == text["incidents_mean"].to_list()


def test_init_with_a_shipped_map_asks_nothing(tmp_path):
    extract = tmp_path / "incidents.csv"
    blank = bluelamp("template", "incidents").stdout
    extract.write_text(blank)
    zone = ("--time-zone", "Europe/London")
    found = bluelamp("init", tmp_path / "new", "--from", extract, "--map", "bluelamp", *zone, "--yes")
    assert found.returncode == 0, found.stderr
    assert bluelamp("import", tmp_path / "new").returncode == 0
    again = bluelamp("init", tmp_path / "new", "--from", extract, "--yes")
    assert again.returncode == 2
    assert "already" in again.stderr


def test_init_proposes_a_map_for_a_file_it_has_never_seen(tmp_path):
    lines = ["ref,call_time,on_scene,cleared,type,type_text,sector"]
    lines += [
        f"R{n},{1 + n % 28:02d}/03/2026 {n % 24:02d}:15,{1 + n % 28:02d}/03/2026 {n % 24:02d}:25,"
        f"{1 + n % 28:02d}/03/2026 {n % 24:02d}:55,A{n % 2},{'ASSAULT' if n % 2 else 'BURGLARY'},S{n % 4}"
        for n in range(400)
    ]
    extract = tmp_path / "strange.csv"
    extract.write_text("\n".join(lines) + "\n")
    folder = tmp_path / "strange"
    found = bluelamp("init", folder, "--from", extract, "--yes", "--time-zone", "Europe/London", "--id", "strange")
    assert found.returncode == 0, found.stderr
    assert bluelamp("import", folder).returncode == 0
    kept = pl.read_csv(bluelamp("table", "incidents", folder, "--csv").stdout.encode())
    assert kept.height == 400
    assert kept["received_at"].null_count() == kept["arrived_at"].null_count() == kept["cleared_at"].null_count() == 0
    assert set(kept["class_code"]) == {"violence", "burglary"}
    assert set(kept["area_id"]) == {"S0", "S1", "S2", "S3"}
    forecast_quickly(folder, days=28, paths=60)
    assert bluelamp("plan", folder, "-q").returncode == 0


def feed(folder: Path, dates: list[str], header: str = "ref,call_time,type") -> Path:
    path = folder / "feed.csv"
    path.write_text("\n".join([header, *(f"R{number},{on},A" for number, on in enumerate(dates))]) + "\n")
    return path


LONDON = ("--time-zone", "Europe/London")
EITHER = [f"0{1 + n % 9}/03/2026 {n % 24:02d}:15" for n in range(99)]
MIXED = [f"{13 + n % 9}/03/2026 10:00" if n % 2 else f"03/{13 + n % 9}/2026 10:00" for n in range(99)]
ISO = [f"2026-03-0{1 + n % 9} {n % 24:02d}:15" for n in range(99)]


@pytest.mark.parametrize(
    ("dates", "header", "options", "code", "words"),
    [
        # An option settles it: the command was incomplete, and says which option.
        (ISO, "ref,call_time,type", (), 2, "By which clock .* such as Europe/London \\(--time-zone\\)"),
        (EITHER, "ref,call_time,type", LONDON, 2, "day-first or month-first: .* or --date-order"),
        (EITHER, "ref,call_time,type", (), 2, "2 things have to be said first:.*--date-order.*--time-zone"),
        (ISO, "ref,call_time,type", ("--areas-crs", "EPSG:27700"), 2, "Name it with --areas"),
        # None does: the file can't be used.
        (["x", "y"], "ref,call_time,type", LONDON, 65, "No column of feed.csv reads as a time.*call_time"),
        (ISO, "ref,cleared,type", LONDON, 65, "Which column of feed.csv says when an incident was received"),
        (MIXED, "ref,call_time,type", LONDON, 65, "are mixed: 49 dates can only be day-first"),
        ([], "ref,call_time,type", LONDON, 65, "has columns and no row"),
        (None, "", LONDON, 66, "There is no file"),
        (ISO, "ref,call_time,type", (*LONDON, "--map", "oaklnd"), 66, "Did you mean 'oakland'"),
        (ISO, "ref,call_time,type", (*LONDON, "--areas", "none.geojson"), 66, "There is no file of areas"),
        (ISO, "ref,call_time,type", (*LONDON, "--areas", "x", "--areas-crs", "EPSG:2"), 78, "'areas.crs' is 'EPSG:2'"),
    ],
)
def test_init_tells_what_an_option_settles_from_what_is_wrong_with_the_file(
    tmp_path, dates, header, options, code, words
):
    extract = tmp_path / "none.csv" if dates is None else feed(tmp_path, dates, header)
    found = bluelamp("init", tmp_path / "new", "--from", extract, "--yes", *options)
    assert found.returncode == code, found.stderr
    assert re.search(words, found.stderr, re.DOTALL), found.stderr
    assert not (tmp_path / "new").exists()


def test_init_may_be_told_how_dates_are_written(tmp_path):
    extract = feed(tmp_path, EITHER)
    folder = tmp_path / "new"
    found = bluelamp("init", folder, "--from", extract, "--yes", *LONDON, "--date-order", "month_first")
    assert found.returncode == 0, found.stderr
    assert "dates = month-first: you said so (high confidence)" in found.stderr
    assert bluelamp("import", folder).returncode == 0
    kept = pl.read_csv(bluelamp("table", "incidents", folder, "--csv").stdout.encode())
    assert sorted({at[:7] for at in kept["received_at"]}) == [f"2026-0{month}" for month in range(1, 10)]


def boundaries(folder: Path, *, metres: bool = False, **names: str) -> Path:
    """Two areas in two districts, side by side in the sea; the second comes in two pieces."""
    corners = [(-2.6, 51.4), (-2.5, 51.4), (-2.4, 51.4)]
    if metres:
        corners = [(359000, 172000), (366000, 172000), (373000, 172000)]
    side = 7000 if metres else 0.1
    features = []
    for (x, y), code, district in zip(corners, ["W1", "W2", "W2"], ["COAST", "DOWNS", "DOWNS"], strict=True):
        ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
        said = {names.get("id", "area_id"): code, names.get("district", "district"): district, "kind": "rural"}
        features.append({"type": "Feature", "properties": said, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    path = folder / "wards.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_init_looks_at_boundaries_before_it_writes_and_says_what_it_found(tmp_path):
    extract, folder = feed(tmp_path, ISO), tmp_path / "new"
    wards = boundaries(tmp_path, metres=True, id="WARD", district="LPA")
    start = ("init", folder, "--from", extract, "--yes", *LONDON, "--areas", wards)

    found = bluelamp(*start)
    assert found.returncode == 65
    assert "Its properties are: LPA, WARD, kind." in found.stderr
    assert "--areas-property id=…" in found.stderr

    found = bluelamp(*start, "--areas-property", "id=WARD")
    assert found.returncode == 65
    assert "are not degrees" in found.stderr
    assert "--areas-crs" in found.stderr
    assert not folder.exists()

    found = bluelamp(*start, "--areas-property", "id=WARD", "--areas-crs", "EPSG:27700")
    assert found.returncode == 0
    assert "areas = 2 areas (2 rural) without districts" in found.stderr
    assert "No feature has the property 'district'" in found.stderr
    assert "The properties are: LPA, WARD, kind." in found.stderr

    shutil.rmtree(folder)
    more = ("--areas-property", "id=WARD", "--areas-property", "district=LPA", "--areas-crs", "EPSG:27700")
    found = bluelamp(*start, *more)
    assert found.returncode == 0, found.stderr
    assert "areas = 2 areas (2 rural) in 2 districts" in found.stderr
    assert bluelamp("import", folder).returncode == 0
    kept = pl.read_csv(bluelamp("table", "areas", folder, "--csv").stdout.encode())
    assert kept["area_id"].to_list() == ["COAST", "DOWNS", "W1", "W2", "force"]
    assert kept["centre_latitude"].is_between(51.4, 51.6).all()


def test_init_takes_a_geopackage_and_asks_for_the_layer(tmp_path):
    raw = pytest.importorskip("pyogrio.raw", reason="PYOGRIO ABSENT: no GeoPackage was read. It is in bluelamp[geo].")
    extract, folder, package = feed(tmp_path, ISO), tmp_path / "new", tmp_path / "force.gpkg"
    for layer, codes in (("beats", ["W1", "W2"]), ("old", ["V"])):
        squares = [shapely.box(359000 + 1000 * n, 172000, 360000 + 1000 * n, 173000) for n in range(len(codes))]
        raw.write(
            package, shapely.to_wkb(np.array(squares)), [np.array(codes, dtype=object)], ["area_id"], layer=layer,
            geometry_type="Polygon", crs="EPSG:27700", append=package.exists(),
        )  # fmt: skip
    start = ("init", folder, "--from", extract, "--yes", *LONDON, "--areas", package)
    found = bluelamp(*start)
    assert found.returncode == 65
    assert "force.gpkg has 2 layers: 'beats', 'old'. Name it as layer under [areas]" in found.stderr
    assert bluelamp(*start, "--areas-layer", "beat").returncode == 78
    assert not folder.exists()
    found = bluelamp(*start, "--areas-layer", "beats")
    assert found.returncode == 0, found.stderr
    assert "areas = 2 areas (2 neither urban nor rural) without districts" in found.stderr
    # By its name alone, an import tells that it holds areas.
    assert "areas: 2 rows read from force.gpkg: 2 accepted." in bluelamp("import", folder, package).stderr
    kept = pl.read_csv(bluelamp("table", "areas", folder, "--csv").stdout.encode())
    assert kept["area_id"].to_list() == ["W1", "W2", "force"]


def test_check_says_by_which_rule_incidents_find_their_area(force):
    boundaries(force)
    (force / "force.toml").write_text(
        (force / "force.toml").read_text()
        + """[areas]
file = "wards.geojson"
border_metres = 500

[[areas.default_points]]
name = "Station"
longitude = -2.55
latitude = 51.45
"""
    )
    header = "incident_id,received_at,class_code,origin,area_id,longitude,latitude"
    places = ["W1,,", "W2,-2.45,51.45", "W1,-2.55,51.45", ",-2.45,51.45", ",-2.6005,51.45", ",-2.8,51.45", "X,,", ",,"]
    lines = [f"I{n},2026-01-05T12:{n:02}:00Z,theft,public,{place}" for n, place in enumerate(places)]
    (force / "calls.csv").write_text("\n".join([header, *lines]) + "\n")
    found = bluelamp("check", force, force / "calls.csv", "--map", "bluelamp")
    assert found.returncode == 0, found.stderr
    said = found.stdout
    for words in (
        "2 (25.0%) count in the area that they name",
        "1 (12.5%) are put at a default point, and are shared out over its district",
        "1 (12.5%) count in the area that their point lies in",
        "1 (12.5%) lie outside every area, and count in the nearest",
        "1 (12.5%) lie outside the force, and count in no area",
        "1 (12.5%) name an area that the force does not have, and count in none",
        "1 (12.5%) have no place to go by, and count in no area",
    ):
        assert words in said, said
    rules = json.loads(bluelamp("check", force, force / "calls.csv", "--map", "bluelamp", "--json").stdout)[
        "place_rules"
    ]
    assert rules["default_point"] == {"rows": 1, "share": 0.125}
    assert sum(each["rows"] for each in rules.values()) == 8


def test_init_with_boundaries_says_nothing_of_derived_ones(tmp_path):
    header = "ref,call_time,beat,lon,lat"
    lines = [f"R{n},{on},B{n % 3},-2.{50 + n % 9},51.4{n % 9}" for n, on in enumerate(ISO)]
    extract = tmp_path / "feed.csv"
    extract.write_text("\n".join([header, *lines]) + "\n")
    assert bluelamp("init", tmp_path / "derived", "--from", extract, "--yes").returncode == 0
    assert "The force drew no boundaries" in (tmp_path / "derived" / "force.toml").read_text()
    found = bluelamp("init", tmp_path / "drawn", "--from", extract, "--yes", "--areas", boundaries(tmp_path))
    assert found.returncode == 0, found.stderr
    text = (tmp_path / "drawn" / "force.toml").read_text()
    assert "wards.geojson" in text
    assert "from_points" not in text
    assert "drew no boundaries" not in text


def test_boundaries_and_what_is_made_of_them_are_accounted_for_apart(force, tmp_path):
    (force / "force.toml").write_text((force / "force.toml").read_text() + '[areas]\nfile = "wards.geojson"\n')
    wards = boundaries(force)
    write(force, rows(5))
    for again in (False, True):
        found = bluelamp("import", force, wards, "--table", "areas")
        assert found.returncode == 0, found.stderr
        assert "areas: 3 rows read from wards.geojson: " in found.stderr
        assert "Made by joining them: 2 districts and the force." in found.stderr
        kept = batches(force).tail(2)
        assert kept["source_name"].to_list() == ["wards.geojson", "districts and force of wards.geojson"]
        assert kept["map_name"].to_list() == ["geojson", "derived"]
        assert kept["rows_read"].to_list() == [3, 3] == [accounted(row) for row in kept.to_dicts()]
        assert kept["rows_unchanged" if again else "rows_accepted"].to_list() == [2, 3]
        assert kept["rows_duplicate"].to_list() == [1, 0], "the second piece of W2"
    assert bluelamp("table", "areas", force, "--csv").stdout.count("\n") == 6
    assert bluelamp("doctor", force).returncode == 0


def test_areas_that_the_force_does_not_have_are_told_before_and_after_an_import(force):
    (force / "force.toml").write_text((force / "force.toml").read_text() + '[areas]\nfile = "wards.geojson"\n')
    boundaries(force)
    beats = ["W1", "w1", "W2", "OLD7", "OLD7", ""]
    write(force, [row.rsplit(",", 1)[0] + f",{beat}" for row, beat in zip(rows(6), beats, strict=True)])
    words = "3 rows name an area that the force does not have: 'OLD7' (2), 'w1' (1). They count as of unknown place"
    checked = bluelamp("check", force, "--json")
    assert any(words in note for note in json.loads(checked.stdout)["notes"])
    assert json.loads(checked.stdout)["unknown_areas"]["rows"] == 4
    assert words in bluelamp("import", force).stderr
    assert words in batches(force).filter(table_name="incidents")["notes"].item()


def test_areas_are_geojson_where_the_settings_say_so_whatever_the_file_is_called(force):
    boundaries(force).rename(force / "wards.txt")
    (force / "force.toml").write_text((force / "force.toml").read_text() + '[areas]\nfile = "wards.txt"\n')
    write(force, rows(5))
    assert bluelamp("import", force).returncode == 0


def test_an_extract_without_a_row_is_bad_data_and_nothing_is_committed(force):
    write(force, [])
    for command in ("import", "check"):
        found = bluelamp(command, force)
        assert found.returncode == 65
        assert "calls.csv has columns and no row" in found.stderr
    assert batches(force).is_empty()


def test_a_file_of_which_no_row_can_be_used_is_bad_data_and_its_rows_are_kept_to_be_read(force):
    header, row = bluelamp("template", "minimums").stdout.splitlines()
    wrong = header.split(",").index("from_hour")
    cells = row.split(",")
    hours = ["25", "26", "noon"]
    lines = [",".join([*cells[:wrong], hour, *cells[wrong + 1 :]]) for hour in hours]
    path = force / "minimums.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    found = bluelamp("import", force, path, "--table", "minimums")
    assert found.returncode == 65
    assert "Each of the 3 rows of minimums.csv had to be set aside" in found.stderr
    assert "'bluelamp table quarantine" in found.stderr
    assert "Row 4: 'from_hour'" in found.stderr
    (kept,) = batches(force).to_dicts()
    assert kept["batch_id"] in found.stderr
    assert (kept["rows_read"], kept["rows_quarantined"], accounted(kept)) == (3, 3, 3)
    aside = pl.read_csv(bluelamp("table", "quarantine", force, "--csv").stdout.encode())
    assert aside["row_number"].to_list() == [2, 3, 4]

    path.write_text("\n".join([header, *lines, row]) + "\n")
    assert bluelamp("import", force, path, "--table", "minimums").returncode == 0, "one row is of use"


def test_a_run_is_not_asked_of_a_table_that_belongs_to_none(small_force):
    for name in ("batches", "runs", "quarantine", "incidents", "duties"):
        found = bluelamp("table", name, small_force, "--run", "zzz")
        assert found.returncode == 2, name
        assert f"'{name}' does not belong to a run" in found.stderr
    for name in ("coverage", "areas"):
        assert bluelamp("table", name, small_force, "--run", "zzz").returncode == 66


def test_a_table_changed_since_the_run_that_is_shown_says_so_and_how_to_see_it(small_force, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_force, copy)
    shown = bluelamp("table", "standards", copy, "--csv")
    assert not shown.stderr
    standards = tmp_path / "standards.csv"
    head, first = shown.stdout.splitlines()[:2]
    standards.write_text(f"{head}\n{first.replace(',0.9,', ',0.8,')}\n")
    assert bluelamp("import", copy, standards, "--table", "standards").returncode == 0
    found = bluelamp("table", "standards", copy, "--csv")
    assert found.stdout == shown.stdout
    assert "1 import changed it since" in found.stderr
    stored = bluelamp("table", "standards", copy, "--csv", *re.search(r"(--as-of) (\S+)", found.stderr).groups())
    assert stored.stdout != shown.stdout
    assert not stored.stderr


def test_doctor_finds_a_flipped_bit(small_force, tmp_path):
    assert bluelamp("doctor", small_force).returncode == 0
    copy = tmp_path / "copy"
    shutil.copytree(small_force, copy)
    largest = max((copy / "store").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 4
    largest.write_bytes(content)
    found = bluelamp("doctor", copy)
    assert found.returncode == 74
    assert largest.name in found.stdout


def test_the_map_is_one_file_that_names_no_other_address(small_force, tmp_path):
    out = tmp_path / "map.html"
    assert bluelamp("map", small_force, out).returncode == 0
    page = out.read_text()
    assert page.count("<html") == 1
    # Scripts hold links as text (a library's own name); that no request is made is tested in a real browser.
    markup = re.sub(r"(?s)<script.*?</script>", "", page)
    assert len(markup) < len(page) / 2
    assert not re.search(r"""(?:src|href)=["']https?://""", markup)


def test_today_is_only_read_at_the_edge(tmp_path):
    for folder in ("a", "b"):
        made = bluelamp("twin", tmp_path / folder, "--areas", 5, "--days", 40, "--until", date(2026, 3, 1))
        assert made.returncode == 0
    for path in sorted((tmp_path / "a").rglob("*.*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path


def test_plan_says_which_days_it_forecasts_in_the_forces_own_time(tmp_path):
    folder = tmp_path / "summer"
    made = bluelamp("twin", folder, "--areas", 4, "--days", 30, "--until", date(2026, 6, 1))
    assert made.returncode == 0, made.stderr
    settings = (folder / "force.toml").read_text()
    (folder / "force.toml").write_text(f"{settings}\n[forecast]\npath_days = 15\ndays = 30\npaths = 20\n")
    assert bluelamp("import", folder).returncode == 0
    # Midnight in London is 23:00 UTC of Sunday.
    planned = bluelamp("plan", folder).stderr
    assert "forecast from Monday 1 June 2026, 15 days by the hour, 30 days by the day;" in planned
    assert re.search(r"data until Sunday 31 May 2026, 2\d:00 \(Europe/London\)\.$", planned, flags=re.MULTILINE)


def test_a_time_zone_that_is_none_is_told_before_anything_is_read(tmp_path):
    extract = tmp_path / "incidents.csv"
    extract.write_text(bluelamp("template", "incidents").stdout)
    found = bluelamp("init", tmp_path / "new", "--from", extract, "--yes", "--time-zone", "Europe/Lndon")
    assert found.returncode == 78
    assert "Did you mean 'Europe/London'?" in found.stderr
    assert not (tmp_path / "new").exists()


def test_a_parquet_file_in_a_place_that_is_no_folder_is_told(small_force):
    out = Path("/dev/full") / "coverage.parquet"
    found = bluelamp("table", "coverage", small_force, "--parquet", out)
    assert found.returncode == 74, found.stderr
    assert "could not be written" in found.stderr


def test_a_parquet_file_is_written_whole_or_not_at_all(small_force, tmp_path):
    out = tmp_path / "coverage.parquet"
    with mock.patch.object(pl.DataFrame, "write_parquet", side_effect=OSError(28, "No space left on device")):
        found = bluelamp("table", "coverage", small_force, "--parquet", out)
    assert found.returncode == 74, found.stderr
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_gets_a_sentence_and_leaves_nothing_half_done(small_force, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_force, copy)
    child = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
         "from bluelamp.cli import main; main()", "plan", str(copy)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(2.5)
    child.send_signal(signal.SIGINT)
    said = child.communicate()[1]
    assert child.returncode == 130
    assert "stopped. Nothing half done is left" in said
    assert bluelamp("doctor", copy).returncode == 0
    assert pl.read_csv(bluelamp("table", "runs", copy, "--csv").stdout.encode()).height == 1


def a_folder_of_extracts(folder: Path) -> Path:
    """Two days' logs, issued twice, the units' presses, and a file that is nobody's."""
    logs = [f"L{n},2026-03-{1 + n % 28:02d}T10:{n % 60:02d}:00Z,BURGLARY,B{n % 3}" for n in range(300)]
    presses = [f"AB{n % 9},2026-03-{1 + n % 28:02d}T10:{n % 60:02d}:30Z,At scene,L{n}" for n in range(300)]
    for day in ("2026-03-29", "2026-03-30"):
        place = folder / "feeds" / day
        place.mkdir(parents=True)
        (place / "logs.csv").write_text("\n".join(["log_ref,created,type,beat", *logs]) + "\n")
        (place / "status.csv").write_text("\n".join(["callsign,status_time,status,log_ref", *presses]) + "\n")
    (folder / "canteen.csv").write_text("dish,price\npie,3\n")
    return folder


def test_init_looks_at_a_folder_and_import_of_it_works_straight_after(tmp_path):
    extracts, folder = a_folder_of_extracts(tmp_path / "in [all]"), tmp_path / "new [1]"
    found = bluelamp("init", folder, extracts, "--yes", *LONDON)
    assert found.returncode == 0, found.stderr
    assert re.search(r"^feeds/\*/logs\.csv \(2 files\) +incidents +\w+ +4 of 4$", found.stderr, re.MULTILINE)
    assert re.search(r"^canteen\.csv +- +- +no column looks like one of ours$", found.stderr, re.MULTILINE)
    assert "unit_status.incident_id (log_ref) → incidents.incident_id: 100% of 600 rows, no orphan" in found.stderr
    assert f"bluelamp import {folder} {extracts}" in found.stderr

    done = bluelamp("import", folder, extracts)
    assert done.returncode == 0, done.stderr
    assert "canteen.csv: no name in force.toml fits it; it was left out." in done.stderr
    for table in ("incidents", "unit_status"):
        assert len(bluelamp("table", table, folder, "--csv").stdout.splitlines()) == 301
    again = bluelamp("import", folder)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("300 unchanged") == 4


def test_init_of_a_folder_says_which_tables_wait_for_pools_and_which_target_stands_in(tmp_path):
    extracts = a_folder_of_extracts(tmp_path / "in")
    for table in ("duties", "vehicles"):
        (extracts / f"{table}.csv").write_text(bluelamp("template", table).stdout)
    lacking = bluelamp("init", tmp_path / "lacking", extracts, "--yes", *LONDON)
    assert "There is no 'pools', so that 'duties' and 'vehicles' can't be used yet" in lacking.stderr
    share, minutes = plan.ASSUMED_STANDARD["target_share"], plan.ASSUMED_STANDARD["target_minutes"]
    told = f"no 'standards': {100 * share:.0f}% of all incidents within {minutes:.0f} minutes is assumed, whatever"
    assert told in lacking.stderr

    for table in ("pools", "standards"):
        (extracts / f"{table}.csv").write_text(bluelamp("template", table).stdout)
    whole = bluelamp("init", tmp_path / "whole", extracts, "--yes", *LONDON)
    assert whole.returncode == 0, whole.stderr
    assert "There is no '" not in whole.stderr


def test_init_of_a_folder_without_duties_does_not_speak_of_pools(tmp_path):
    found = bluelamp("init", tmp_path / "new", a_folder_of_extracts(tmp_path / "in"), "--yes", *LONDON)
    assert "'pools'" not in found.stderr


def test_init_of_a_folder_away_from_a_terminal_says_what_an_option_settles(tmp_path):
    extracts = a_folder_of_extracts(tmp_path / "in")
    found = bluelamp("init", tmp_path / "new", extracts)
    assert found.returncode == 2
    assert "--time-zone" in found.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name what to look at, once"),
        (("in", "--from", "in/canteen.csv"), "Name what to look at, once"),
        (("in", "--map", "oakland"), "--map names the column map of one extract"),
    ],
)
def test_init_looks_at_one_thing(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    a_folder_of_extracts(tmp_path / "in")
    found = bluelamp("init", "new", *arguments)
    assert found.returncode == 2
    assert words in found.stderr


def test_init_takes_one_extract_without_from(tmp_path):
    found = bluelamp("init", tmp_path / "new", feed(tmp_path, ISO), "--yes", *LONDON)
    assert found.returncode == 0, found.stderr


CALLS_WITH_UNITS = [
    "case_number,type,grid,clearance_code,officer_id,units,received_local,dispatched_local,arrived_local",
    '1,Theft,A1,X,7,"4267,4265",2021-09-14 10:00,2021-09-14 10:04,2021-09-14 10:11',
    "2,Welfare Check,A2,X,8,COM,2021-09-14 11:00,2021-09-14 11:02,2021-09-14 11:05",
    "3,Vandalism,A1,X,7,4270,2021-09-14 12:00,2021-09-14 12:30,",
]


@pytest.mark.parametrize("options", [(), ("--map", "san_luis_obispo")])
def test_init_of_one_file_that_fits_the_maps_of_two_tables_has_both_imported(tmp_path, options):
    extract, folder = tmp_path / "calls.csv", tmp_path / "new"
    extract.write_text("\n".join(CALLS_WITH_UNITS) + "\n")
    found = bluelamp("init", folder, "--from", extract, *options)
    assert found.returncode == 0, found.stderr
    assert "column map of 'unit_status' = san_luis_obispo_units: the same file has all the columns" in found.stderr

    done = bluelamp("import", folder)
    assert done.returncode == 0, done.stderr
    pressed = pl.read_csv(bluelamp("table", "unit_status", folder, "--csv").stdout.encode(), infer_schema=False)
    # Two units twice, one that never arrived, and none for the dispatcher's desk.
    assert sorted(pressed["unit_id"]) == ["4265", "4265", "4267", "4267", "4270"]
    assert "arrived" not in pressed["status"].to_list()
    # Named by its file, it is still of both tables.
    assert "unit_status: " in bluelamp("import", folder, extract).stderr


def test_init_by_a_map_of_ones_own_adds_no_table_that_nobody_asked_for(tmp_path):
    extract = tmp_path / "calls.csv"
    extract.write_text("\n".join(CALLS_WITH_UNITS) + "\n")
    own = tmp_path / "own.toml"
    own.write_text(
        'title = "Own"\ntable = "incidents"\ntime_zone = "America/Los_Angeles"\n'
        '[columns]\nincident_id = "case_number"\nreceived_at = "received_local"\n'
    )
    found = bluelamp("init", tmp_path / "new", "--from", extract, "--map", own)
    assert found.returncode == 0, found.stderr
    assert "unit_status" not in (tmp_path / "new" / "force.toml").read_text()


@pytest.mark.shared_data
def test_the_real_log_of_san_luis_obispo_lands_in_both_tables_by_init_and_a_plain_import(tmp_path, shared_data):
    extract, folder = shared_data / "san_luis_obispo" / "calls_first_half.csv.gz", tmp_path / "slo"
    assert bluelamp("init", folder, extract).returncode == 0
    assert bluelamp("import", folder, "--quiet").returncode == 0
    pressed = pl.read_csv(bluelamp("table", "unit_status", folder, "--csv").stdout.encode(), infer_schema=False)

    raw = pl.read_csv(extract, infer_schema=False).with_columns(
        unit=pl.col("units").str.split(",").list.eval(pl.element().str.strip_chars())
    ).explode("unit")  # fmt: skip
    sent = raw.filter(pl.col("unit").str.contains(r"^(COM\w*|CANCEL)$").not_(), pl.col("unit") != "")
    presses = pl.concat(
        sent.select("case_number", "unit", at=name).drop_nulls().unique()
        for name in ("dispatched_local", "arrived_local")
    )
    assert pressed.height == presses.height > 13_000
    assert set(pressed["unit_id"]) == set(presses["unit"])
    known = pl.read_csv(bluelamp("table", "incidents", folder, "--csv").stdout.encode(), infer_schema=False)
    assert known.height == 10_138
    assert set(pressed["incident_id"]) <= set(known["incident_id"])


def test_init_of_a_database_names_the_variable_and_never_shows_the_password(tmp_path):
    pytest.importorskip("sqlalchemy")
    found = bluelamp("init", tmp_path / "new", "postgresql+psycopg://reader:hunter2@127.0.0.1:9/cad", "--yes")
    assert found.returncode == 74
    assert "hunter2" not in found.stderr + found.stdout


def test_init_of_a_database_that_refuses_says_what_init_has_left_and_keeps_its_words_whole(tmp_path):
    pytest.importorskip("sqlalchemy")
    found = bluelamp("init", tmp_path / "new", "postgresql+psycopg://reader:a@127.0.0.1:9/cad", "--yes")
    assert found.returncode == 74
    assert "Nothing was written. Look at the address, the account and its password" in found.stderr
    assert "imported" not in found.stderr
    assert "connection failed" in found.stderr
    assert "***" not in found.stderr
    assert not (tmp_path / "new").exists()

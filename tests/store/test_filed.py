"""Forecasts filed before the fact: whatever is done to them afterwards is found, as far as it can be."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from bluelamp.errors import TryAgain
from bluelamp.store import disk, filed

MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)


def about(week: int) -> dict[str, object]:
    made_at = MONDAY + timedelta(weeks=week)
    return {
        "made_at": made_at, "data_until": made_at, "forecast_from": made_at, "first_at": made_at,
        "last_at": made_at + timedelta(days=7), "method": "pooled", "used": {}, "software_version": "0.1.0",
    }  # fmt: skip


def rows(week: int) -> pl.DataFrame:
    return pl.DataFrame({"hour_starting": [MONDAY + timedelta(weeks=week)], "mean": [1.5 + week]})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """Four forecasts, and the copies of their lines that runs keep."""
    folder = tmp_path_factory.mktemp("filed")
    return folder, {f"r{week + 1}": filed.file(folder, about(week), rows(week)) for week in range(4)}


@pytest.fixture
def case(whole: tuple[Path, dict[str, bytes]], tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    shutil.copytree(whole[0], tmp_path / "force")
    return tmp_path / "force", dict(whole[1])


def log_of(folder: Path) -> Path:
    return folder / "filed" / "log.jsonl"


def lines_of(folder: Path) -> list[bytes]:
    return log_of(folder).read_bytes().splitlines(keepends=True)


def second(folder: Path) -> Path:
    return filed.read(folder)[1].path


def test_what_is_filed_is_there_again_and_each_line_holds_the_hash_of_the_line_before(case):
    folder, copies = case
    found = filed.read(folder)
    assert [each.number for each in found] == [1, 2, 3, 4]
    assert all(each.rows().equals(rows(week)) for week, each in enumerate(found))
    assert filed.audit(folder, copies, [each.seal for each in found]) == []
    lines = [line.rstrip(b"\n") for line in lines_of(folder)]
    assert json.loads(lines[0])["previous"] == filed.FIRST
    for before, after in pairwise(lines):
        assert json.loads(after)["previous"] == hashlib.sha256(before).hexdigest()
    table = filed.as_table(found)
    assert table["previous"][1:].to_list() == table["seal"][:-1].to_list()


def flip(path: Path, place: int = 60) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def change_line(folder: Path, number: int, change: Callable[[dict], dict], *, mended: bool = False) -> None:
    """Change a line, and with `mended` all hashes after it, as somebody would who knows how they are made."""
    said = [json.loads(line) for line in lines_of(folder)]
    said[number - 1] = change(said[number - 1])
    lines = [json.dumps(each, sort_keys=True, separators=(",", ":")).encode() for each in said]
    if mended:
        for place in range(1, len(lines)):
            said[place]["previous"] = hashlib.sha256(lines[place - 1]).hexdigest()
            lines[place] = json.dumps(said[place], sort_keys=True, separators=(",", ":")).encode()
    log_of(folder).write_bytes(b"".join(line + b"\n" for line in lines))


def exchange(folder: Path) -> None:
    """Put another forecast in the place of the second, with its own hash in the log."""
    path = second(folder)
    rows(9).write_parquet(path)
    content = path.read_bytes()
    told = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    path.rename(path.with_name(f"000002-{told['sha256'][:8]}.parquet"))
    change_line(folder, 2, lambda line: line | told)


def cut(folder: Path) -> None:
    log_of(folder).write_bytes(b"".join(lines_of(folder)[:-1]))


HARM = {
    "a bit of a file": (lambda folder: flip(second(folder)), "Forecast 2, filed on 9 March 2026 at 06:00 UTC, is not"),
    "a file": (lambda folder: second(folder).unlink(), "Forecast 2, filed on 9 March 2026 at 06:00 UTC, is missing"),
    "a word of a line": (
        lambda folder: change_line(folder, 2, lambda line: line | {"method": "better"}),
        "Line 2 of the log, or one after it, was changed or taken out: forecast 3, filed on 16 March 2026",
    ),
    "a line that is nonsense": (
        lambda folder: log_of(folder).write_bytes(b"".join([lines_of(folder)[0], b"{\n", *lines_of(folder)[2:]])),
        "Line 2 of the log can't be read",
    ),
    "a line": (
        lambda folder: log_of(folder).write_bytes(b"".join(lines_of(folder)[:1] + lines_of(folder)[2:])),
        "was changed or taken out: forecast 3, filed on 16 March 2026 at 06:00 UTC, follows another line",
    ),
    "the first line": (
        lambda folder: log_of(folder).write_bytes(b"".join(lines_of(folder)[1:])),
        "The log's first line was changed or taken out: forecast 2",
    ),
    "the last line": (
        lambda folder: cut(folder),
        "no line like that of forecast 4, which run r4 filed on 23 March 2026 at 06:00 UTC",
    ),
    "the last line and its file": (
        lambda folder: (filed.read(folder)[-1].path.unlink(), cut(folder)),
        "no line like that of forecast 4",
    ),
    "a word of the last line": (
        lambda folder: change_line(folder, 4, lambda line: line | {"method": "better"}),
        "no line like that of forecast 4",
    ),
    "the order": (
        lambda folder: log_of(folder).write_bytes(b"".join([lines_of(folder)[place] for place in (0, 2, 1, 3)])),
        "Line 1 of the log, or one after it",
    ),
    "the whole log": (lambda folder: log_of(folder).unlink(), "no line like that of forecast 1"),
    "a forecast and its line": (exchange, "Line 2 of the log, or one after it"),
    "a line and all hashes after it": (
        lambda folder: change_line(folder, 2, lambda line: line | {"method": "better"}, mended=True),
        "no line like that of forecast 2, which run r2 filed on 9 March 2026",
    ),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_tampering_with_what_is_filed_is_found_and_said(case, harm):
    folder, copies = case
    do, words = HARM[harm]
    do(folder)
    assert words in "\n".join(filed.audit(folder, copies))


def test_a_forecast_that_is_not_what_was_filed_is_not_read(case):
    folder, _ = case
    flip(second(folder))
    assert [each.rows() is None for each in filed.read(folder)] == [False, True, False, False]


def test_who_rewrites_log_and_runs_alike_is_found_out_by_a_seal_that_another_has(case):
    folder, _ = case
    seals = [each.seal for each in filed.read(folder)]
    change_line(folder, 2, lambda line: line | {"method": "better"}, mended=True)
    rewritten = {str(number): line.rstrip(b"\n") for number, line in enumerate(lines_of(folder))}
    assert filed.audit(folder, rewritten) == [], "from the inside, it can't be known"
    assert filed.audit(folder, rewritten, [seals[0][:16]]) == []
    assert seals[3][:16] in filed.audit(folder, rewritten, [seals[3][:16]])[0]


def test_a_run_whose_own_copy_is_harmed_is_told(case):
    folder, copies = case
    assert filed.audit(folder, {**copies, "r2": None}) == [
        "The copy of its line that run r2 keeps is not what was stored."
    ]


def test_a_filing_that_was_broken_off_harms_none_before_and_the_next_goes_on(case):
    folder, copies = case
    with log_of(folder).open("ab") as log:
        log.write(b'{"number":5,"made')
    assert filed.audit(folder, copies) == []
    copies["r5"] = filed.file(folder, about(4), rows(4))
    assert [each.number for each in filed.read(folder)] == [1, 2, 3, 4, 5]
    assert filed.audit(folder, copies) == []


def test_a_run_that_is_made_again_has_the_line_that_was_filed_before_it_was_killed(case):
    folder, copies = case
    before = filed.read(folder)
    copies.pop("r4")
    later = about(3) | {"made_at": MONDAY + timedelta(weeks=3, minutes=2)}
    again = filed.file(folder, later, rows(3), is_of_a_run=lambda line: line in copies.values())
    assert filed.read(folder) == before
    assert filed.audit(folder, copies | {"r4": again}) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: {"rows": rows(5)},
        lambda folder: {"about": about(3) | {"method": "naive"}},
        lambda folder: {"is_of_a_run": lambda line: True},
        lambda folder: flip(filed.read(folder)[-1].path),
    ],
    ids=["other rows", "another method", "another run has it", "its file is harmed"],
)
def test_what_is_another_forecast_or_another_runs_is_filed_anew(case, change):
    folder, _ = case
    given = {"about": about(3), "rows": rows(3), "is_of_a_run": lambda line: False} | (change(folder) or {})
    filed.file(folder, given["about"], given["rows"], is_of_a_run=given["is_of_a_run"])
    assert [each.number for each in filed.read(folder)] == [1, 2, 3, 4, 5]


def test_one_forecast_is_filed_at_a_time(case):
    folder, _ = case
    with (
        disk.WriterLock(folder / "filed" / "lock", MONDAY),
        pytest.raises(TryAgain, match="only one may at a time"),
    ):
        filed.file(folder, about(4), rows(4))


def test_nothing_filed_is_nothing_wrong(tmp_path):
    assert filed.read(tmp_path) == []
    assert filed.audit(tmp_path, {}) == []
    assert filed.as_table([]).is_empty()

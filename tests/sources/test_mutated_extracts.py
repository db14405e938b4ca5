"""Whatever is done to a file, an import of it ends in rows accounted for or in a sentence; never in a traceback."""

import gzip
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bluelamp import sources, tables
from bluelamp.errors import BluelampError

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)


def a_feed() -> bytes:
    """Sixty made-up rows in the form of the Oakland feed."""
    rng = random.Random(1)
    lines = [
        "event_number,call_id,call_description,status,beat,police_beat,district,received_local,updated_local,lon,lat"
    ]
    for n in range(60):
        code, words = rng.choice([("242", "BATTERY"), ("415", '"DISTURBING, PEACE"'), ("ZZ", "é"), ("", "")])
        received = f"2026-{rng.randint(1, 11):02d}-{rng.randint(1, 28):02d} {rng.randint(0, 23):02d}:30:00"
        point = f"{-122.2 - rng.random() / 10:.3f},{37.8 + rng.random() / 10:.3f}" if n % 6 else ","
        lines.append(
            f"LOP{n:06d},{code},{words},{rng.choice('CPA')},0{n % 9}X,{n % 9},{n % 5},{received},{received},{point}"
        )
    return ("\n".join(lines) + "\n").encode()


def mutated(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0:
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif kind == 1:
            data = (
                data[:at] + rng.choice([b'"', b",", b"\n", b"\r", b"\0", b"\xff\xfe", b"=1+1", b"9" * 40]) + data[at:]
            )
        elif kind == 2:
            data = data[:at] + data[at + rng.randrange(30) :]
        elif kind == 3:
            data = data[:at] + data[max(at - 200, 0) :]
        elif kind == 4:
            lines = data.split(b"\n")
            rng.shuffle(lines)
            data = b"\n".join(lines) if rng.random() < 0.2 else data
        elif kind == 5:
            data = data.replace(b"2026-", rng.choice([b"2062-", b"0000-", b"13/13/", b"2026"]), rng.randrange(4))
        elif rng.random() < 0.3:
            data = data[:at]
    return data


def survive(folder: Path, seeds: range) -> int:
    feed, column_map, ended_well = a_feed(), sources.read_column_map("oakland"), 0
    for seed in seeds:
        rng = random.Random(seed)
        data = mutated(rng, feed)
        if seed % 5 == 0:
            data = gzip.compress(data)
            data = mutated(rng, data) if seed % 10 == 0 else data
        path = folder / "calls.csv"
        path.write_bytes(data)
        problem: BluelampError | None = None
        try:
            extract = sources.read_extract(
                path, column_map, time_zone="UTC", chunk_rows=rng.choice([5, 1000]), as_of=AS_OF
            )
            for chunk in extract:
                assert chunk.rows.height + chunk.quarantined.height == chunk.rows_read
                assert len(chunk.row_numbers) == chunk.rows.height
                tables.check(chunk.rows.unique("incident_id"), "incidents")
                tables.check(chunk.quarantined, "quarantine")
            ended_well += 1
        except BluelampError as error:
            problem = error
        assert problem is None or (problem.exit_code in (65, 66) and len(str(problem)) > 20), problem
        try:
            answers = {"time_zone": "UTC"}
            proposal = sources.propose(path, answers=answers)
            if [each.name for each in proposal.questions] == ["date_order"]:
                proposal = sources.propose(path, answers=answers | {"date_order": "day_first"})
            if proposal.is_complete:
                proposal.files()
        except BluelampError:
            pass
    return ended_well


def test_a_mutated_extract_ends_in_rows_or_in_a_sentence(tmp_path):
    assert 60 < survive(tmp_path, range(120)) < 120


@pytest.mark.soak
def test_five_thousand_mutated_extracts_end_in_rows_or_in_a_sentence(tmp_path):
    assert survive(tmp_path, range(120, 5_120)) > 1_000

"""Forecasts filed before their time: a file each, and a log in which every line holds the hash of the line before.

`filed/` lies beside the store, so that it can be handed to somebody who may see no incident. There is one Parquet file
a forecast, such as `000007-1f0c5a2e.parquet`; `log.jsonl` says of each when it was made, from what, and its SHA-256. A
line can't be changed, and a forecast can't be exchanged, without the next line telling; the run that used a forecast
keeps a copy of its line, sealed by the store's ledger, which tells where the last ones were changed or taken away. Who
rewrites all of it, log, files and store, is found out by a seal (the hash of a line) that somebody else wrote down.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import tables
from bluelamp.errors import InputOutputError
from bluelamp.store import disk

FOLDER = "filed"
LOG = "log.jsonl"
COPY = "filed.json"  # the run's artefact that holds its line
FIRST = "0" * 64  # stands for the line before the first
_INSTANTS = ("made_at", "data_until", "forecast_from", "first_at", "last_at")
# What differs where the same forecast is made again.
_OF_THE_MOMENT = ("made_at", "number", "previous")


@dataclass(frozen=True)
class Filed:
    """One forecast that was filed: its line of the log, and where its rows are."""

    line: Mapping[str, Any]
    seal: str  # SHA-256 of the line
    path: Path

    @property
    def number(self) -> int:
        """Number of the forecast, from 1 on."""
        return int(self.line["number"])

    @property
    def made_at(self) -> datetime:
        """When it was filed."""
        return datetime.fromisoformat(self.line["made_at"])

    def fault(self) -> str | None:
        """Say what is wrong with its file, if anything."""
        found = disk.check(self.path.parent, [disk.Sealed(self.path.name, self.line["bytes"], self.line["sha256"])])
        if not found:
            return None
        what = "is missing" if not self.path.exists() else "is not what was filed: its SHA-256 differs"
        return f"Forecast {self.number}, filed on {_told(self.line['made_at'])}, {what} ({self.path.name})."

    def rows(self) -> pl.DataFrame | None:
        """Give its rows; None where the file is not what was filed."""
        return None if self.fault() else pl.read_parquet(self.path)


def file(
    folder: Path | str,
    about: Mapping[str, Any],
    rows: pl.DataFrame,
    *,
    is_of_a_run: Callable[[bytes], bool] = lambda line: True,
) -> bytes:
    """File a forecast, and give its line of the log.

    `about` is what the line says of it; instants are written in UTC. The last line stands for it where that one says
    the same and `is_of_a_run` denies it: what made that run was killed before the run was there, and makes it again.
    Only who files forecasts writes to the folder, one at a time. Raises TryAgain while another process does,
    InputOutputError where the system can't write.
    """
    place = Path(folder) / FOLDER
    with disk.failures_told(f"Writing to '{place}'"):
        place.mkdir(exist_ok=True)
        with disk.WriterLock(place / "lock", datetime.now(UTC)):
            log = place / LOG
            written = log.read_bytes() if log.exists() else b""
            # What a killed writer began is no line.
            whole = written[: written.rfind(b"\n") + 1]
            lines = whole.splitlines()
            number = len(lines) + 1
            content = _as_parquet(rows)
            sha256 = hashlib.sha256(content).hexdigest()
            told = {name: _as_text(value) for name, value in about.items()} | {
                "number": number,
                "rows": rows.height,
                "bytes": len(content),
                "sha256": sha256,
                "previous": _hash(lines[-1]) if lines else FIRST,
            }
            if lines and _is_filed(place, lines[-1], told) and not is_of_a_run(lines[-1]):
                return lines[-1]
            path = _path(place, number, sha256)
            path.unlink(missing_ok=True)
            disk.write_new(path, content)
            disk.sync_folder(place)
            line = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
            with log.open("r+b" if log.exists() else "xb") as out:
                out.truncate(len(whole))
                out.seek(len(whole))
                out.write(line + b"\n")
                out.flush()
                os.fsync(out.fileno())
            disk.sync_folder(place)
    return line


def _is_filed(place: Path, text: bytes, told: Mapping[str, Any]) -> bool:
    """Say whether a line tells of the same forecast, made at whatever moment, and its file is what was filed."""
    line = _parsed(text)
    if line is None or any(line.get(name) != told.get(name) for name in {*line, *told} - {*_OF_THE_MOMENT}):
        return False
    return Filed(line, _hash(text), _path(place, line["number"], line["sha256"])).fault() is None


def read(folder: Path | str) -> list[Filed]:
    """Give the forecasts that the log tells of, in order, whether or not their files are what was filed.

    Lines that can't be read are left out: `audit` tells of them.
    """
    place = Path(folder) / FOLDER
    return [
        Filed(line, _hash(text), _path(place, line["number"], line["sha256"]))
        for text, line in _lines(place)
        if line is not None
    ]


def as_table(filed: Sequence[Filed]) -> pl.DataFrame:
    """Give `filed_forecasts`: a row for each forecast in the log."""
    rows = [
        {**each.line, "sequence": each.number, "used": json.dumps(each.line["used"], sort_keys=True), "seal": each.seal}
        for each in filed
    ]
    shape = tables.table("filed_forecasts").polars_schema
    text = pl.DataFrame(
        [{name: row.get(name) for name in shape} for row in rows],
        schema=shape | dict.fromkeys(_INSTANTS, pl.String()),
    )
    instants = pl.col(_INSTANTS).str.to_datetime("%Y-%m-%dT%H:%M:%S%:z", time_unit="us", time_zone="UTC")
    return tables.publish(text.with_columns(instants), "filed_forecasts")


def audit(folder: Path | str, copies: Mapping[str, bytes | None], seals: Sequence[str] = ()) -> list[str]:
    """Hold the log against its own chain, the files, the copies that runs keep, and seals written down elsewhere.

    `copies` has each run's copy of its line, or nothing where the copy itself is not what was stored. Gives a sentence
    for each thing that is not as it was filed; none means that all is.
    """
    place = Path(folder) / FOLDER
    found: list[str] = []
    lines = list(_lines(place))
    previous: bytes | None = None
    for number, (text, line) in enumerate(lines, start=1):
        words = _name(number, line)
        if line is None:
            found.append(f"Line {number} of the log can't be read: it was changed.")
        elif line["previous"] != (FIRST if previous is None else _hash(previous)):
            before = "The log's first line" if number == 1 else f"Line {number - 1} of the log, or one after it,"
            found.append(f"{before} was changed or taken out: {words} follows another line.")
        elif line["number"] != number:
            found.append(f"{words} stands in line {number} of the log: lines were added or taken out.")
        previous = text
    found += [fault for each in read(folder) if (fault := each.fault())]
    known = {text for text, _ in lines}
    for run_id, copy in copies.items():
        if copy is None:
            found.append(f"The copy of its line that run {run_id} keeps is not what was stored.")
        elif copy not in known:
            line = _parsed(copy) or {"number": 0, "made_at": ""}
            found.append(
                f"The log has no line like that of forecast {line['number']}, which run {run_id} filed on "
                f"{_told(line['made_at'])}: it was changed or taken out."
            )
    told = {_path(place, line["number"], line["sha256"]) for _, line in lines if line is not None}
    found += [
        f"No line of the log tells of {path.name}: its line was changed or taken out, or its filing was broken off."
        for path in sorted(place.glob("*.parquet"))
        if path not in told
    ]
    hashes = {_hash(text) for text in known}
    found += [f"No line of the log has the seal {seal}: it was changed, or is another log." for seal in seals
              if not any(each.startswith(seal) for each in hashes)]  # fmt: skip
    return found


def _lines(place: Path) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Give the whole lines of the log, each with what it says, where it can be read."""
    try:
        content = (place / LOG).read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputOutputError(f"{place / LOG} can't be read: {error.strerror}.") from error
    # Behind the last line's end is what a killed writer left.
    for text in content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]:
        yield text, _parsed(text)


def _path(place: Path, number: int, sha256: str) -> Path:
    return place / f"{number:06d}-{sha256[:8]}.parquet"


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
        for name in _INSTANTS:
            datetime.fromisoformat(line[name])
        whole = isinstance(line["number"], int) and isinstance(line["bytes"], int) and isinstance(line["used"], dict)
        return line if whole and {"sha256", "previous", "method", "rows"} <= set(line) else None
    except (ValueError, KeyError, TypeError):
        return None


def _name(number: int, line: Mapping[str, Any] | None) -> str:
    return f"line {number}" if line is None else f"forecast {line['number']}, filed on {_told(line['made_at'])},"


def _told(instant: str) -> str:
    try:
        at = datetime.fromisoformat(instant)
    except ValueError:
        return "a day that can't be read"
    return f"{at.day} {at:%B %Y} at {at:%H:%M} UTC"


def _as_text(value: Any) -> Any:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00") if isinstance(value, datetime) else value


def _as_parquet(rows: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    rows.write_parquet(out, compression="zstd")
    return out.getvalue()


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()

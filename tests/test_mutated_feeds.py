"""Related extracts, mutated in every format and brought in together: a sentence or rows, and no row lost in silence."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import shutil
import zipfile
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from bluelamp import intake, tables
from bluelamp.sources.twin import exports, make_twin, write_twin
from bluelamp.store import Store

openpyxl = pytest.importorskip("openpyxl", reason="OPENPYXL ABSENT: no workbook was mutated. It is in bluelamp[excel].")

ROWS = 30
SHEET = "xl/worksheets/sheet1.xml"
AS_TEXT = ("csv", "tsv", "json", "csv gzip", "json gzip", "csv zip")
FORMATS = (*AS_TEXT, "parquet", "excel")
SPOILS = [b'"', b'""', b",", b"\t", b"\n", b"\r", b"\0", b"{", b"}", b"9" * 40, b"\xff\xfe", b"=1+1", b"PK\3\4", b"<f>"]


@dataclass(frozen=True)
class Extract:
    """One file of a morning: its table and map, its text in each form, and the key that each of its rows gives."""

    table: str
    stem: str
    text: dict[str, bytes]
    packed: dict[str, bytes]
    cells: bytes  # the sheet of its workbook
    keys: list[tuple[object, ...]]


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Extract]]:
    """The force's settings and maps, and thirty rows of each of a made-up morning's twelve exports in every format."""
    force = tmp_path_factory.mktemp("force")
    write_twin(force, make_twin(areas=4, days=28, seed=9, until=date(2026, 11, 23), feed_days=3), mornings=1)
    settings = (force / "force.toml").read_text().replace(".csv.gz", "*").replace(".csv", "*").replace(".tsv", "*")
    (force / "force.toml").write_text(settings)
    for path in (force / "maps").glob("*.toml"):
        path.write_text(re.sub(r"(?m)^delimiter = .*\n", "", path.read_text()))
    found = []
    place = next((force / "feeds").iterdir())
    for file in exports.FILES:
        separator = "\t" if ".tsv" in file.name else ","
        whole = pl.read_csv(place / file.name, infer_schema=False, separator=separator)
        rows = whole.unique(maintain_order=True)[:: max(1, whole.height // ROWS)].head(ROWS)
        found.append(an_extract(force, file.table, file.name.split(".")[0], rows))
    shutil.rmtree(force / "store")
    shutil.rmtree(force / "feeds")
    return force, found


def an_extract(force: Path, table: str, stem: str, rows: pl.DataFrame) -> Extract:
    text = {"csv": rows.write_csv().encode(), "tsv": rows.write_csv(separator="\t").encode()}
    text["json"] = rows.fill_null("").write_ndjson().encode()
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in [rows.columns, *rows.rows()]:
        book.active.append(row)
    book.save(out)
    parquet = io.BytesIO()
    rows.write_parquet(parquet)
    path = force / f"{stem}.csv"
    path.write_bytes(text["csv"])
    done = intake.import_extract(force, path, table=table, map_name=f"maps/{stem}.toml")
    assert done.batch["rows_accepted"] == done.batch["rows_read"] == rows.height, done.batch
    path.unlink()
    with zipfile.ZipFile(out) as archive:
        cells = archive.read(SHEET)
    keys = Store(force).history(table).select(tables.table(table).key).rows()
    return Extract(table, stem, text, {"parquet": parquet.getvalue(), "excel": out.getvalue()}, cells, keys)


def mutated(chance: random.Random, data: bytes) -> tuple[bytes, set[int]]:
    """Change data in one to four places; gives the lines of the original that were touched."""
    ends = [at for at, byte in enumerate(data) if byte == 10]

    def lines(first: int, last: int) -> set[int]:
        """The lines that bytes lie in; a line's end belongs to the one after it, too."""
        return set(range(sum(end < first for end in ends), sum(end <= last for end in ends) + 1))

    touched: set[int] = set()
    cut_out = 0
    # From the end on, so that the lines before stay where they are.
    for at in sorted((chance.randrange(len(data)) for _ in range(chance.randint(1, 4))), reverse=True):
        touched |= lines(at, at)
        kind = chance.randrange(5)
        if kind == 0:
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + chance.choice(SPOILS) + data[at:]
        elif kind == 2:
            length = chance.randrange(1, 30)
            # What was cut out before lay behind this, so that this reaches further.
            cut_out += length
            touched |= lines(at, at + cut_out)
            data = data[:at] + data[at + length :]
        elif kind == 3:
            data = data[:at] + data[max(at - 100, 0) :]
            touched |= lines(at - 100, at)
        elif chance.random() < 0.2:
            data = data[:at]
            touched |= set(range(min(lines(at, at)), len(ends) + 1))
    return data, touched


def spoilt(chance: random.Random, extract: Extract) -> tuple[bytes, set[int] | None]:
    """Give a file of any format, spoilt in what it packs or as it is packed, and which lines of its text were touched.

    Where nobody can say which rows were touched, that is None.
    """
    kind = chance.choice(FORMATS)
    if kind in extract.packed:
        if kind == "excel" and chance.random() < 0.7:
            return repacked(extract.packed[kind], mutated(chance, extract.cells)[0]), None
        return mutated(chance, extract.packed[kind])[0], None
    form, _, packing = kind.partition(" ")
    data, touched = mutated(chance, extract.text[form])
    if packing == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("export.csv", data)
        data = out.getvalue()
    elif packing == "gzip":
        data = gzip.compress(data, 1)
    if packing and chance.random() < 0.2:
        return mutated(chance, data)[0], None
    # Line 0 of a delimited text is its header, without which nobody knows what rows hold.
    return data, None if form != "json" and 0 in touched else {line - (form != "json") for line in touched}


def repacked(book: bytes, cells: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as whole, zipfile.ZipFile(out, "w") as packed:
        for name in whole.namelist():
            packed.writestr(name, cells if name == SHEET else whole.read(name))
    return out.getvalue()


def survive(folder: Path, morning: tuple[Path, list[Extract]], rounds: range) -> Counter[str]:
    """Bring in whole mornings of spoilt files, and count how their files ended."""
    force, extracts = morning
    ended: Counter[str] = Counter()
    for seed in rounds:
        chance = random.Random(seed)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(force, folder)
        place = folder / "arriving"
        place.mkdir()
        touched = {}
        for extract in extracts:
            data, touched[extract.stem] = spoilt(chance, extract)
            (place / f"{extract.stem}.dat").write_bytes(data)
        said: list[str] = []
        intake.Watch(folder, [place]).look(said.append, settled=True)
        assert len(said) == len(extracts), (seed, said)
        ended["files"] += len(extracts)
        store = Store(folder)
        batches = {row["source_name"]: row for row in store.batches().to_dicts()}
        for extract in extracts:
            (sentence,) = (each for each in said if each.startswith(f"{extract.stem}.dat"))
            assert len(sentence) > 30, (seed, sentence)
            batch = batches.get(f"{extract.stem}.dat")
            assert (batch is None) <= ("could not be imported" in sentence), (seed, sentence)
            if batch is None:
                ended["refused"] += 1
                continue
            ended["imported"] += 1
            insist_on_account(store, extract, batch, touched[extract.stem], seed)
        if seed % 50 == 0:
            assert store.verify() == []
    return ended


def insist_on_account(
    store: Store, extract: Extract, batch: dict[str, object], touched: set[int] | None, seed: int
) -> None:
    """Every row that was read is accounted for, and every row that nobody touched is in the store or in quarantine."""
    parts = [batch[f"rows_{part}"] for part in ("accepted", "updated", "unchanged", "duplicate", "quarantined")]
    assert batch["rows_read"] == sum(parts), (seed, batch)  # type: ignore[arg-type]
    kept = set(store.history(extract.table).select(tables.table(extract.table).key).rows())
    aside = store.quarantined(batch_id=str(batch["batch_id"]))
    assert aside.height == batch["rows_quarantined"], (seed, batch)
    if touched is None:
        return
    set_aside = " ".join(aside["raw_row"].drop_nulls())
    for row, key in enumerate(extract.keys):
        if row not in touched and key not in kept:
            cells = json.loads(extract.text["json"].splitlines()[row]).values()
            assert all(cell in set_aside for cell in list(cells)[:2]), f"seed {seed}: {extract.stem} lost row {row}"


def test_mornings_of_mutated_extracts_end_in_rows_or_in_sentences(tmp_path, morning):
    ended = survive(tmp_path / "north", morning, range(4))
    assert ended["files"] == 4 * len(exports.FILES)
    assert ended["imported"] > 5
    assert ended["refused"] > 5


@pytest.mark.soak
def test_ten_thousand_mutated_related_extracts_end_in_rows_or_in_sentences(tmp_path, morning):
    ended = survive(tmp_path / "north", morning, range(100, 934))
    print(f"\n{dict(ended)}")
    assert ended["files"] >= 10_000
    assert ended["imported"] > 2_500

"""The base map that a force may give: found where it can be drawn, and told of where it can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluelamp import basemap, doctor, settings
from bluelamp.errors import BadData, BadSettings, BluelampError, NoInput
from tests.basemaps import write_picture, write_shapes

FORCE = '[force]\nid = "LV"\nname = "Lantern"\ntime_zone = "Europe/London"\n'
GIVEN = '[map]\nbasemap = "roads.pmtiles"\nattribution = "Contains made-up data"\n'


def force(folder: Path, text: str = GIVEN) -> settings.Settings:
    (folder / "force.toml").write_text(FORCE + text, encoding="utf-8")
    return settings.read(folder)


def test_there_is_none_until_the_force_gives_one(tmp_path):
    assert basemap.find(tmp_path, force(tmp_path, "")) is None


@pytest.mark.parametrize(("write", "tiles"), [(write_shapes, "vector"), (write_picture, "raster")])
def test_shapes_and_pictures_are_told_apart(tmp_path, write, tiles):
    write(tmp_path / "roads.pmtiles")
    found = basemap.find(tmp_path, force(tmp_path))
    assert found is not None
    assert found.for_map() == {
        "address": "/api/basemap.pmtiles", "tiles": tiles, "attribution": "Contains made-up data",
    }  # fmt: skip


def test_another_format_is_refused_with_what_is_wanted(tmp_path):
    with pytest.raises(BadSettings) as told:
        force(tmp_path, '[map]\nbasemap = "roads.gpkg"\n')
    assert "ends in .pmtiles" in str(told.value)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _no_pmtiles(path: Path) -> None:
    path.write_bytes(b"GeoPackage" * 20)


def _older(path: Path) -> None:
    path.write_bytes(b"PMTiles\x02" + path.read_bytes()[8:])


def _unknown_tiles(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[99] = 0
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (Path.unlink, NoInput, "can't be read: No such file or directory"),
        (_cut, BadData, "is cut off"),
        (_no_pmtiles, BadData, "is no PMTiles file"),
        (_older, BadData, "PMTiles of version 2; 3 is read"),
        (_unknown_tiles, BadData, "of a kind that isn't drawn"),
    ],
)
def test_a_file_that_cannot_be_drawn_is_told_of_in_a_sentence_and_by_doctor(tmp_path, spoil, kind, words):
    path = write_shapes(tmp_path / "roads.pmtiles")
    read = force(tmp_path)
    assert _told(tmp_path) == (True, "roads.pmtiles can be drawn")
    spoil(path)
    with pytest.raises(BluelampError) as told:
        basemap.find(tmp_path, read)
    assert isinstance(told.value, kind)
    assert words in str(told.value)
    assert _told(tmp_path) == (False, str(told.value))


def _told(folder: Path) -> tuple[bool, str]:
    (found,) = (each for each in doctor.examine(folder) if each.what == "base map")
    return found.is_well, found.words

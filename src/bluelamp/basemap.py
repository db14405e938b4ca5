"""The base map under the force's areas: one PMTiles file that the force gives, off until it does.

PMTiles v3 (https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md) is one file that holds all tiles of a map,
raster or vector, and is read by byte ranges. Only its head is read here, to say early whether a page can draw it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from bluelamp.errors import BadData, BluelampError, NoInput
from bluelamp.settings import Settings

ADDRESS = "/api/basemap.pmtiles"
_HEAD = 127
# Where the root directory, the metadata, the leaf directories and the tiles begin, and how long each is.
_EXTENTS = struct.Struct("<8Q")
_TILES = {1: "vector", 2: "raster", 3: "raster", 4: "raster", 5: "raster"}


@dataclass(frozen=True)
class Basemap:
    """A file that pages can draw: where it is, and whether its tiles are shapes or pictures."""

    path: Path
    tiles: str
    attribution: str | None

    def for_map(self) -> dict[str, str | None]:
        """Give what the map's page is told of it."""
        return {"address": ADDRESS, "tiles": self.tiles, "attribution": self.attribution}


def find(folder: Path | str, settings: Settings) -> Basemap | None:
    """Give the base map that the settings name, None where they name none.

    Raises NoInput where the file is not there, BadData where it is no PMTiles file or is cut off.
    """
    if settings.map.basemap is None:
        return None
    path = Path(folder) / settings.map.basemap
    wanted = "'bluelamp basemap' makes one; docs/how-to/put-a-base-map-under-the-areas.md says how."
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise NoInput(f"The base map '{settings.map.basemap}' can't be read: {error.strerror}. {wanted}") from error
    if len(head) < _HEAD or head[:7] != b"PMTiles":
        raise BadData(f"The base map '{settings.map.basemap}' is no PMTiles file. {wanted}")
    if head[7] != 3:
        raise BadData(f"The base map '{settings.map.basemap}' is PMTiles of version {head[7]}; 3 is read. {wanted}")
    parts = _EXTENTS.unpack_from(head, 8)
    end = max(begin + length for begin, length in zip(parts[::2], parts[1::2], strict=True))
    if end > size:
        raise BadData(
            f"The base map '{settings.map.basemap}' is cut off: {size:,} bytes of {end:,} are there. Copy it again."
        )
    if head[99] not in _TILES:
        raise BadData(f"The tiles of the base map '{settings.map.basemap}' are of a kind that isn't drawn. {wanted}")
    return Basemap(path, _TILES[head[99]], settings.map.attribution)


def find_or_say(folder: Path | str, settings: Settings) -> tuple[Basemap | None, str | None]:
    """Give the base map, or the sentence that says why there is none: the map is drawn without."""
    try:
        return find(folder, settings), None
    except BluelampError as error:
        return None, error.summary

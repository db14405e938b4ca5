"""Base maps of one tile that covers the world, of shapes or of a picture, and ones that can't be drawn."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

_HEADER = {
    "min_lon_e7": -1_800_000_000, "max_lon_e7": 1_800_000_000, "min_lat_e7": -850_000_000, "max_lat_e7": 850_000_000,
    "min_zoom": 0, "max_zoom": 0, "center_zoom": 0, "center_lon_e7": 0, "center_lat_e7": 0,
}  # fmt: skip


def write_shapes(path: Path, credit: str = '<a href="https://maps.example">Contains made-up data</a>') -> Path:
    """Write a base map whose world is all water."""
    metadata = {"attribution": credit, "vector_layers": [{"id": "surfacewater", "fields": {}}]}
    header = _HEADER | {"tile_type": TileType.MVT, "tile_compression": Compression.GZIP}
    return _write(path, gzip.compress(_water()), header, metadata)


def write_picture(path: Path) -> Path:
    """Write a base map whose world is one red picture."""
    header = _HEADER | {"tile_type": TileType.PNG, "tile_compression": Compression.NONE}
    return _write(path, _red(), header, {})


def _write(path: Path, tile: bytes, header: dict[str, object], metadata: dict[str, object]) -> Path:
    with path.open("wb") as file:
        writer = Writer(file)
        writer.write_tile(zxy_to_tileid(0, 0, 0), tile)
        writer.finalize(header, metadata)
    return path


def _water() -> bytes:
    """Give a Mapbox Vector Tile (2.1) with one square over all of it."""

    def part(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2]) + _number(len(content)) + content

    # Move to a corner, three lines, close; each step doubled, as zigzag has it.
    steps = [9, 0, 0, 26, 8192, 0, 0, 8192, 8191, 0, 15]
    square = bytes([3 << 3, 3]) + part(4, b"".join(map(_number, steps)))
    layer = part(1, b"surfacewater") + part(2, square) + bytes([5 << 3]) + _number(4096) + bytes([15 << 3, 2])
    return part(3, layer)


def _number(value: int) -> bytes:
    rest, low = value >> 7, value & 127
    return bytes([low]) if rest == 0 else bytes([low | 128]) + _number(rest)


def _red() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = (b"\0" + b"\xff\x20\x20" * 256) * 256
    header = struct.pack(">IIBBBBB", 256, 256, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")

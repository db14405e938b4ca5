"""Text, plain or gzip, from a file or from a member of an archive: decoded piece by piece, and any break in it said."""

from __future__ import annotations

import codecs
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

from bluelamp.errors import BadData, InputOutputError, count_of
from bluelamp.sources.files import open_file

LONGEST_LINE = 1_000_000
# What expands to more than this many times its size, once it is larger than that, was packed to fill a disk.
MOST_EXPANSION = 200
FREE_EXPANSION_BYTES = 1 << 26
_BLOCK_BYTES = 1 << 22
_HEAD_BYTES = 1 << 16
# NUL and other signs of control: tabs, line ends, form feeds and the old mark of a file's end (1A) do stand in text.
_NEVER_IN_TEXT = bytes({*range(9), *range(14, 32)} - {0x1A})


@dataclass(frozen=True)
class Bytes:
    """Where text comes from: a name, its size, and how to open it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]

    @classmethod
    def on_disk(cls, path: Path) -> Bytes:
        """Give a file's bytes. Raises what opening it raises."""
        with open_file(path) as source:
            size = os.fstat(source.fileno()).st_size
        return cls(path.name, size, lambda: open_file(path))


class Text:
    """Text in an encoding, in pieces of some megabytes that end with a line's end."""

    def __init__(self, source: Bytes, encoding: str) -> None:
        self.source = source
        self.encoding = encoding
        self.lines_read = 0
        self.share_read = 0.0
        self.ends_mid_line = False
        self._packed = ""

    def pieces(self) -> Iterator[str]:
        """Decode from the beginning; what breaks on the way is said."""
        name = self.source.name
        try:
            with self.source.open() as opened:
                yield from self._decoded(opened)
        except (EOFError, zlib.error) as error:
            said = f"has broken {self._packed} data"
            if isinstance(error, EOFError):
                said = f"is cut off: its {self._packed} data ends too early"
            raise BadData(
                f"{name} {said}, after {count_of(max(self.lines_read - 1, 0), 'row')}. None of it was imported; "
                f"copy it again."
            ) from None
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise BadData(f"{name} can't be unpacked: {error}. None of it was imported; pack it again.") from None
        except OSError as error:
            raise InputOutputError(f"{name} can't be read on: {error}.") from None

    def _decoded(self, opened: IO[bytes]) -> Iterator[str]:
        name = self.source.name
        head = opened.read(4)
        opened.seek(0)
        is_gzip = head[:2] == b"\x1f\x8b"
        self._packed = "gzip" if is_gzip else "packed"
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") and not self.encoding.lower().startswith("utf-16"):
            raise BadData(f'{name} is UTF-16 text. Write encoding = "utf-16" in its column map.')
        decoder = codecs.getincrementaldecoder(self.encoding)("strict")
        self.lines_read, self.share_read = 0, 0.0
        rest = ""
        position = 0
        blocks = _inflated(opened, name) if is_gzip else iter(lambda: opened.read(_BLOCK_BYTES), b"")
        for block in chain(blocks, [b""]):
            if position == 0 and block.startswith((b"PK\3\4", b"PAR1", b"\x1f\x8b")):
                raise BadData(f"{name} is no text, but an archive, a workbook or Parquet. Unpack what it lies in.")
            if position == 0:
                self._refuse_what_begins_unlike_text(block[:_HEAD_BYTES])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise self._wrong_encoding(error, position) from None
            text = rest + (text.removeprefix("\ufeff") if position == 0 else text)
            position += len(block)
            # A lone carriage return at the end may be half of a line end.
            end = (text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1) if block else len(text)
            text, rest = text[:end], text[end:]
            self.refuse_long_line(rest)
            if text:
                self.ends_mid_line = not text.endswith(("\n", "\r"))
                self.share_read = min(opened.tell() / max(self.source.size, 1), 1.0)
                yield text
                self.lines_read += text.count("\n")

    def refuse_long_line(self, line: str) -> None:
        """Raise BadData where a line is longer than any row."""
        if len(line) > LONGEST_LINE:
            raise BadData(
                f"{self.source.name} has a line of more than {count_of(LONGEST_LINE, 'character')} after line "
                f"{self.lines_read:,}. No row is that long: it is not a CSV file, or its line ends are lost."
            )

    def _refuse_what_begins_unlike_text(self, head: bytes) -> None:
        """Raise BadData where NUL bytes make up much of the first line; a stray one spoils no more than its row."""
        first_line = head.partition(b"\n")[0]
        if self.encoding.lower().startswith(("utf-16", "utf-32")) or first_line.count(0) <= len(first_line) / 10:
            return
        for order, unused in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
            if len(head) / 2.5 < unused.count(0) == head.count(0):
                raise BadData(
                    f"{self.source.name} is UTF-16 text that does not begin with its mark. Write encoding = "
                    f'"{order}" in its column map.'
                )
        raise self._no_text()

    def _no_text(self) -> BadData:
        return BadData(
            f"{self.source.name} is no text file: it holds bytes that no text has, as programs, pictures and databases "
            "do. Name the extract itself, exported as text or in another format that can be read."
        )

    def _wrong_encoding(self, error: UnicodeDecodeError, position: int) -> BadData:
        name = self.source.name
        if len(error.object.translate(None, _NEVER_IN_TEXT)) < 0.99 * len(error.object):
            return self._no_text()
        before = error.object[: error.start]
        line = self.lines_read + 1 + before.count(b"\n")
        byte = error.object[error.start]
        where = f"byte 0x{byte:02X} at position {position + error.start + 1:,} (line {line:,})"
        if self.encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig"):
            return BadData(
                f"{name} is not UTF-8 text: {where} can't be read. It is most likely a Windows export: write "
                f'encoding = "windows-1252" in its column map.'
            )
        return BadData(f"{name} is not {self.encoding} text: {where} can't be read. Put encoding right in its map.")


def refuse_bomb(name: str, packed: int, unpacked: int) -> None:
    """Raise BadData where packed data expand beyond what any export does."""
    if unpacked > FREE_EXPANSION_BYTES and unpacked > MOST_EXPANSION * max(packed, 1):
        raise BadData(
            f"{name} expands to more than {MOST_EXPANSION} times its size ({packed:,} bytes to {unpacked:,} and more), "
            "as no export does. Nothing of it was read. If it is a real extract, unpack it yourself and import that."
        )


def _inflated(opened: IO[bytes], name: str) -> Iterator[bytes]:
    """Unpack gzip data bit by bit, so that all that came before a cut is seen. Raises EOFError at the cut."""
    unpacker = zlib.decompressobj(31)
    packed_bytes = unpacked_bytes = 0
    while packed := opened.read(1 << 18):
        packed_bytes += len(packed)
        while packed:
            if unpacker.eof:
                # Padding after the end is allowed; another member may follow.
                packed = packed.lstrip(b"\0")
                if not packed:
                    break
                unpacker = zlib.decompressobj(31)
            block = unpacker.decompress(packed, _BLOCK_BYTES)
            if block:
                unpacked_bytes += len(block)
                refuse_bomb(name, packed_bytes, unpacked_bytes)
                yield block
            packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    while not unpacker.eof:
        more = unpacker.decompress(b"", _BLOCK_BYTES)
        if not more:
            raise EOFError
        yield more

"""The base map of a force, made from a file of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bluelamp.cli._shared import Folder, Quiet, app, message
from bluelamp.errors import count_of


@app.command()
def basemap(
    folder: Folder,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A GeoPackage (.gpkg) or MBTiles (.mbtiles)")],
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="Take this layer of a GeoPackage; may be repeated")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write; base.pmtiles in the force's folder without it"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Make the base map of a force: the part of a GeoPackage or of MBTiles where its areas lie, as PMTiles.

    \b
    bluelamp basemap north OS_Open_Zoomstack.gpkg --layer surfacewater --layer roads_national --layer rail
    bluelamp basemap north OS_Open_Zoomstack.mbtiles
    """
    from bluelamp import base_tiles, reading

    out = folder / "base.pmtiles" if out is None else out
    made = base_tiles.make_base_tiles(source, out, base_tiles.box_of(reading.read_table(folder, "areas")), layer or ())
    if quiet:
        return
    named = out.name if out.parent == folder else out.absolute()
    layers = f", layers {', '.join(made.layers)}" if made.layers else ""
    message.print(
        f"Wrote {out}: {count_of(made.tiles, 'tile')}, zooms {made.zooms[0]} to {made.zooms[1]}{layers}.", markup=False
    )
    message.print("In force.toml, with what its licence asks you to say, it is drawn under the areas:", markup=False)
    message.print(f'[map]\nbasemap = "{named}"\nattribution = "…"', markup=False)

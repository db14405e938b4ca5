"""The base map's file, given out by byte ranges, as pages ask for a handful of tiles at a time."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Header
from fastapi.responses import FileResponse

from bluelamp.basemap import ADDRESS, Basemap
from bluelamp.errors import NoInput

RANGE = Annotated[str | None, Header(alias="Range", description="Which bytes, such as bytes=0-16383; all without it")]


def add_basemap(app: FastAPI, found: Basemap | None, why_not: str | None) -> None:
    """Add the address; `why_not` says why a base map that the force gave can't be drawn."""

    @app.get(ADDRESS, summary="The base map under the areas, a PMTiles file")
    def base_map(_range: RANGE = None) -> FileResponse:
        if found is None:
            raise NoInput(why_not or "The force gave no base map. [map] basemap in force.toml names one.")
        # What is asked for by byte ranges must not change under those who read it: a new file has a new ETag.
        return FileResponse(found.path, media_type="application/vnd.pmtiles", headers={"Cache-Control": "no-cache"})

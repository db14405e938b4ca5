"""Addresses of databases as settings hold them: environment variables put in, and shown without who reads it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from bluelamp.errors import BadSettings

if TYPE_CHECKING:
    from sqlalchemy import URL

# Where the service keeps its own database, in the force's folder, when no address is given for it.
OWN_FILE = Path("state") / "bluelamp.sqlite"
VARIABLE = re.compile(r"\$\{(\w+)\}")


def read(written: str) -> URL:
    """Read an address, environment variables put in. Raises BadSettings; what is wrong is said without showing it."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    alone = VARIABLE.fullmatch(written.strip())
    try:
        url = make_url(_value_of(alone) if alone else written.strip())
    except (ArgumentError, ValueError):
        raise BadSettings(
            "The address of the database can't be read. One such as postgresql+psycopg://reader:${CAD_PASSWORD}@host/cad"
            " was expected, or ${CAD_URL} for the whole of it. (It is not shown, because it may hold a password.)"
        ) from None
    if alone:
        return url

    def whole(part: str | None) -> str | None:
        return part and filled(part)

    # Put in part by part, a password needs no escaping.
    return url.set(
        username=whole(url.username),
        password=whole(url.password),
        host=whole(url.host),
        database=whole(url.database),
    )


def filled(written: str) -> str:
    """Put environment variables into a secret that is written as `${NAME}`. Raises BadSettings where one is not set."""
    return VARIABLE.sub(_value_of, written)


def shown(url: URL) -> str:
    """Name a database without who reads it, and by which password."""
    from sqlalchemy.engine import URL

    return URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def _value_of(variable: re.Match[str]) -> str:
    value = os.environ.get(variable.group(1))
    if not value:
        raise BadSettings(
            f"The settings take the environment variable {variable.group(1)}, which is not set. Set it, and call the "
            "command again."
        )
    return value

"""What the service writes of itself to standard error: a line a request where it is asked to, and what went wrong."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

Form = Literal["none", "text", "json"]
_requests = logging.getLogger("bluelamp.requests")


def write_lines(form: Form) -> None:
    """Have this process write its lines in a form. With "none" it writes what went wrong, and of requests nothing."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        # One object a line, as collectors of logs read them; instants in UTC.
        handler.setFormatter(
            JsonFormatter(
                "{message}{levelname}{name}",
                style="{",
                timestamp=True,
                rename_fields={"levelname": "level", "name": "of"},
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _requests.setLevel(logging.WARNING if form == "none" else logging.INFO)


def tell(method: str, address: str, status: int, milliseconds: float, length: int, request_id: str) -> None:
    """Write the line of a request. The address is the one that was added, without what was asked for or who asked."""
    if _requests.isEnabledFor(logging.INFO):
        _requests.info(
            "%s %s %d %.1f ms %s", method, address, status, milliseconds, request_id,
            extra={
                "method": method, "address": address, "status": status, "milliseconds": round(milliseconds, 1),
                "bytes": length, "request_id": request_id,
            },
        )  # fmt: skip


def tell_unforeseen(method: str, address: str, request_id: str) -> None:
    """Write what went wrong, while it is being handled, so that whoever mends it finds it by the name they are told."""
    told = {"method": method, "address": address, "request_id": request_id}
    _requests.exception("%s %s failed: request %s", method, address, request_id, extra=told)

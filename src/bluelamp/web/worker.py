"""One of the processes that answer: it makes the application for itself, and ends when the service does."""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path

from fastapi import FastAPI

from bluelamp import settings
from bluelamp.web.app import make_app
from bluelamp.web.request_lines import write_lines


def load(folder: Path, allowed_hosts: tuple[str, ...], sign_in: bool) -> FastAPI:
    """Make the application, with the figures of the first view ready before anyone asks."""
    threading.Thread(target=_end_with_service, daemon=True).start()
    write_lines(settings.read(folder).service.request_lines)
    app = make_app(folder, allowed_hosts, sign_in=sign_in)
    app.state.published.map_data(None)
    return app


def _end_with_service() -> None:
    """End at once where the service was killed: what is left would hold the port and answer from old figures."""
    service = multiprocessing.parent_process()
    if service is not None:
        service.join()
        os._exit(1)

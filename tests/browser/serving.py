"""A force served in a thread, for as long as a test looks at it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from bluelamp.web.app import make_app


@contextmanager
def serving(folder: Path, *, sign_in: bool = False) -> Iterator[str]:
    """Give the address, without a slash at its end, at which a force is served."""
    with serving_app(make_app(folder, sign_in=sign_in)) as at:
        yield at


@contextmanager
def serving_app(app: FastAPI) -> Iterator[str]:
    """Give the address, without a slash at its end, at which an application is served."""
    # Pages that listen for news would keep the server from ending.
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.02)
    yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(5)

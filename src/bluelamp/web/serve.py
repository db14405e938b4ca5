"""Listening: the web application on a port of this machine."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

from bluelamp.errors import InputOutputError
from bluelamp.web.app import make_app


def serve(
    folder: Path | str,
    *,
    host: str = "127.0.0.1",
    port: int = 8321,
    names: tuple[str, ...] = (),
    edit_codes: bool | None = None,
    open_browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the force's map until it is stopped.

    `names` are host names that others call this machine by, beside localhost and `host`. `edit_codes` opens the page
    about codes to everyone or closes it; by default it is open where only this machine reaches the server.

    Raises InputOutputError where the port is taken, NoInput where there is no force or no run.
    """
    import uvicorn

    local = ("localhost", "127.0.0.1", "[::1]")
    is_local = host in ("127.0.0.1", "localhost", "::1")
    app = make_app(
        folder,
        allowed_hosts=(*local, *names, *(() if is_local else (host,))),
        may_edit_codes=edit_codes if edit_codes is not None or (is_local and not names) else False,
    )
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Listening before the address is said: whoever opens it at once waits a moment and is not refused.
        listening.listen()
    except OSError as error:
        raise InputOutputError(
            f"Port {port} of {host} can't be used: {error.strerror}. Choose another with --port, or --port 0 for a "
            "free one."
        ) from None
    address = f"http://{'localhost' if host == '127.0.0.1' else host}:{listening.getsockname()[1]}/"
    # The figures are made ready before anyone asks, so that the first view is quick.
    app.state.published.map_data(None)
    say(f"The map is at {address} (Ctrl-C stops it).")
    if not is_local:
        say("Others on the network can reach it: there are no accounts yet, so that everyone sees everything on it.")
        if edit_codes:
            say("Everyone who reaches it may change the crosswalk, too (/codes).")
        say(
            f"It answers to these names alone: {', '.join((*local, *names, host))}. Others are added with --allow-host."
        )
    if open_browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False))
    server.run(sockets=[listening])

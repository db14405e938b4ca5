"""Listening: the web application on a port of this machine."""

from __future__ import annotations

import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path

from bluelamp import live, settings, state
from bluelamp.errors import InputOutputError, NotPermitted
from bluelamp.state import accounts
from bluelamp.web.app import make_app
from bluelamp.web.sign_in_pages import make_set_up_code

_PAUSE_SECONDS = 2.0


def serve(
    folder: Path | str,
    *,
    host: str = "127.0.0.1",
    port: int = 8321,
    names: tuple[str, ...] = (),
    sign_in: bool | None = None,
    open_browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the force's map until it is stopped.

    `names` are host names that others call this machine by, beside localhost and `host`. With `sign_in` people have to
    say who they are; by default where others than this machine can reach the server, or where there are accounts.

    Raises NotPermitted where others could reach a server without sign-in, InputOutputError where the port is taken,
    NoInput where there is no force or no run.
    """
    import uvicorn

    local = ("localhost", "127.0.0.1", "[::1]")
    is_local = host in ("127.0.0.1", "localhost", "::1")
    is_for_others = not is_local or bool(names)
    if sign_in is False and is_for_others:
        raise NotPermitted(
            "Without sign-in the service is for this machine alone: whoever reaches it sees everything. Leave out "
            "--host and --allow-host, or --no-sign-in."
        )
    database = settings.read(folder).service.database
    needs_sign_in = bool(sign_in) or (sign_in is None and (is_for_others or state.exists(folder, database)))
    app = make_app(folder, allowed_hosts=(*local, *names, *(() if is_local else (host,))), sign_in=needs_sign_in)
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
    if app.state.published.no_basemap:
        say(f"It is drawn without a base map. {app.state.published.no_basemap}")
    if not is_local:
        say(
            f"It answers to these names alone: {', '.join((*local, *names, host))}. Others are added with --allow-host."
        )
    admission = app.state.admission
    if admission.state is not None and not accounts.is_any(admission.state):
        address = f"{address}set-up?code={make_set_up_code()}"
        say(f"There is no account yet. The first one is made at {address}")
    if open_browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    if needs_sign_in:
        threading.Thread(target=_keep_current, args=(folder, say), daemon=True).start()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=2))
    server.run(sockets=[listening])


def _keep_current(folder: Path | str, say: Callable[[str], None]) -> None:
    """Have the next hours kept current by a process of its own, so that nobody's page waits for it."""
    while True:
        ended = live.starts_with(folder).wait()
        say(f"What keeps the next hours current has ended ({ended}); it is started again.")
        time.sleep(_PAUSE_SECONDS)

"""A server, from its options to its end."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.errors import UserError
from napari_sam.models.remote.server_address import DEFAULT_PORT
from napari_sam.serve.server import MOST_CONNECTIONS, ModelServer

if TYPE_CHECKING:
    import uvicorn

LOCAL = "127.0.0.1"
SHORTEST_TOKEN = 16
"""Characters of a token, at least: of any 16 from the keyboard there are too many to try (chosen)."""
KEEP_ALIVE_S = 600
"""Seconds that an idle connection is kept; a client that comes back later makes a new one, unseen (chosen)."""
GRACE_S = 10
"""Seconds that what is being computed has when the server is stopped (chosen)."""


def make_server(
    app: ModelServer,
    host: str = LOCAL,
    port: int = DEFAULT_PORT,
    certificate: Path | None = None,
    key: Path | None = None,
) -> "uvicorn.Server":
    """Make a server that listens when it is run.

    Parameters
    ----------
    app
        What answers.
    host, port
        Where it listens; port 0 takes any that is free.
    certificate, key
        Files of a certificate and its key in PEM; None for no encryption.

    Raises
    ------
    UserError
        If uvicorn is not installed, or one of the files is missing.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise UserError(
            "Serving needs uvicorn: install the extra [serve], `pip install 'napari-sam-stacks[serve]'`."
        ) from error
    if (certificate is None) != (key is None):
        raise UserError("A certificate and its key belong together: give both --certificate and --key.")
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise UserError(f"There is no file {file}.")
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
    )


def serve(server: "uvicorn.Server", on_listening: Callable[[str], None]) -> None:
    """Run a server until it is stopped by a signal.

    Parameters
    ----------
    server
        From `make_server`.
    on_listening
        Called with the address as soon as requests are taken.

    Raises
    ------
    UserError
        If the port cannot be listened at.
    """
    config = server.config
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host, config.port))
        listening.listen(MOST_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise UserError(
            f"{config.host} cannot be listened at on port {config.port} ({error.strerror or error}): choose another "
            "with --port."
        ) from error
    host = f"[{config.host}]" if ":" in config.host else config.host
    on_listening(f"{'https' if config.ssl_certfile else 'http'}://{host}:{listening.getsockname()[1]}")
    with listening:
        server.run(sockets=[listening])


def is_open_to_others(host: str) -> bool:
    """Tell whether others than this machine reach what listens there."""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"

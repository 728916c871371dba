"""``napari-sam serve``: this machine computes for others."""

import logging
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from napari_sam.cli.arguments import Device, PrecisionName, Token
from napari_sam.errors import UserError
from napari_sam.models.remote.server_address import DEFAULT_PORT, TOKEN_VARIABLE, given_token

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="A model, or a file of weights, that may be asked for; may be repeated. All that are here by default.",
        show_default=False,
    ),
]
Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; 0.0.0.0 for every network.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen at; 0 for any that is free.")]
Certificate = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="A certificate in PEM, to encrypt.", show_default=False),
]
Key = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="The key of the certificate.", show_default=False)
]
Memory = Annotated[
    int, typer.Option("--memory", metavar="MB", min=64, help="Memory for embeddings, of all users together.")
]


def serve_command(
    model: Models = None,
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    token: Token = None,
    certificate: Certificate = None,
    key: Key = None,
    device: Device = "auto",
    precision: PrecisionName = "auto",
    memory: Memory = 4096,
) -> None:
    """Compute for other machines, until Ctrl+C: they give this one as their device, and the token.

    Pixels of what is looked at and prompts come in, masks go out. Nobody without the token is answered.
    """
    from napari_sam.models.remote.server_address import is_address
    from napari_sam.serve.listening import SHORTEST_TOKEN, is_open_to_others, make_server, serve
    from napari_sam.serve.served_models import ServedModels, model_opener
    from napari_sam.serve.server import ModelServer

    if is_address(device):
        raise UserError("A server computes itself: give a device of this machine.")
    given = token or os.environ.get(TOKEN_VARIABLE)
    known = given_token(given) if given else secrets.token_urlsafe(32)
    if len(known) < SHORTEST_TOKEN:
        raise UserError(f"A token has {SHORTEST_TOKEN} characters or more: leave it out, and one is made.")
    open_model = model_opener(model or [], device, precision)
    models = ServedModels(open_model, memory * 2**20)
    app = ModelServer(models, known)
    server = make_server(app, host, port, certificate, key)
    # What is first is loaded before anybody waits for it; and what cannot be loaded is told at once.
    first = Path(model[0]).stem if model and Path(model[0]).is_file() else (model or ["nano"])[0]
    loaded = models.warm(first)
    logging.basicConfig(format="%(asctime)s %(message)s")

    def listening(address: str) -> None:
        typer.echo(f"Computing with {first} on {loaded.device} ({loaded.precision}) at {address}; Ctrl+C stops it.")
        if not given:
            typer.echo(f"Token: {known}")
        typer.echo(f"On the other machine: {TOKEN_VARIABLE}=... napari-sam segment ... --device {address}")
        if certificate is None and is_open_to_others(host):
            typer.echo(
                "Warning: nothing is encrypted, and the token can be read on the way: give --certificate and --key, or "
                f"listen on 127.0.0.1 and use `ssh -N -L {port}:127.0.0.1:{port} THIS_MACHINE`.",
                err=True,
            )

    try:
        serve(server, listening)
    finally:
        app.close()

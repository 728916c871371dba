"""``napari-sam models``: what can be segmented with, and fetching it."""

from typing import Annotated

import typer

from napari_sam.cli.run import transferred
from napari_sam.models.advice import general_advice, how_long, measured_speed
from napari_sam.models.cache import cache_folder, cached_path, downloadable, is_downloaded
from napari_sam.models.download import fetch, remove
from napari_sam.models.registry import REGISTRY

Name = Annotated[str, typer.Argument(metavar="NAME", help="See: napari-sam models.", show_default=False)]

models = typer.Typer(help="List, download and remove models.")


@models.callback(invoke_without_command=True)
def listing(context: typer.Context) -> None:
    """List the models: whether they are here, size, time to encode a plane, licence, and what they are for."""
    if context.invoked_subcommand is not None:
        return
    width, speed = max(map(len, REGISTRY)), measured_speed()
    for spec in REGISTRY.values():
        origin = "bundled" if spec.bundled else "downloaded" if is_downloaded(spec) else "not downloaded"
        size = f"{spec.size_bytes / 1e6:,.0f} MB"
        takes = how_long(speed.seconds_to_encode(spec))
        typer.echo(f"{spec.name:<{width}}  {origin:<14}  {size:>8}  {takes:>6}  {spec.licence:<12}  {spec.description}")
        typer.echo(f"{'':<{width}}  for {spec.suits}")
        if spec.url is not None:
            typer.echo(f"{'':<{width}}  {spec.url}")
    typer.echo(f"\nTimes are what 1024 x 1024 pixels take to encode on this machine's {speed.device.upper()}, roughly.")
    typer.echo(general_advice(speed))
    typer.echo(f"Downloads are kept in {cache_folder()}.")


@models.command()
def download(name: Name) -> None:
    """Download a model; a download that was interrupted goes on where it stopped."""
    spec = downloadable(name)
    with transferred(name) as progress:
        path = fetch(name, progress=progress)
    typer.echo(f"{name} is in {path} (licence: {spec.licence}).")


@models.command()
def path(name: Name) -> None:
    """Say which file holds, or would hold, a model that is not bundled."""
    typer.echo(cached_path(downloadable(name)))


@models.command("remove")
def remove_download(name: Name) -> None:
    """Remove a downloaded model."""
    typer.echo(f"{name} was removed." if remove(name) else f"{name} is not downloaded.")

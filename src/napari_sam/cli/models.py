"""``napari-sam models``: what can be segmented with."""

import typer

from napari_sam.models.registry import REGISTRY


def models() -> None:
    """List the models, their size and licence, and where to download those that are not bundled."""
    width = max(map(len, REGISTRY))
    for spec in REGISTRY.values():
        origin = "bundled" if spec.bundled else "download"
        size = f"{spec.size_bytes / 1e6:,.0f} MB"
        typer.echo(f"{spec.name:<{width}}  {origin:<8}  {size:>8}  {spec.licence:<13} {spec.description}")
        if spec.url is not None:
            typer.echo(f"{'':<{width}}  {spec.url}")

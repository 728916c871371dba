"""Labels as plain text: the outline of an object on each line."""

import zipfile
from pathlib import Path

from napari_sam.errors import UserError
from napari_sam.export.pixel_outlines import pixel_polygons
from napari_sam.export.plane_masks import PlaneMasks, masks_by_plane
from napari_sam.export.provenance import Provenance
from napari_sam.planes.image_source import ImageSource


def write_outlines(path: Path, labels: ImageSource, provenance: Provenance) -> None:  # noqa: ARG001
    """Write a line "x,y,x,y,..." for every object, ascending by their ids; of several planes a ZIP of such files.

    The outline runs along the edges of pixels; the first pixel reaches from (0, 0) to (1, 1). The format knows neither
    holes, which come out filled, nor ids, nor objects in pieces: each piece has a line of its own.

    Raises
    ------
    UserError
        If there are several planes and the name ends in .txt.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for plane in masks_by_plane(labels):
                file.writestr(f"{plane.name or 'plane'}.txt", _text(plane))
        return
    planes = masks_by_plane(labels)
    only = next(planes)
    if next(planes, None) is not None:
        raise UserError("A text file holds the outlines of one plane; of a stack give a name that ends in .zip.")
    path.write_text(_text(only), encoding="utf-8")


def _text(plane: PlaneMasks) -> str:
    outers = (polygon.outer for mask in plane.masks.values() for polygon in pixel_polygons(mask))
    return "".join(",".join(f"{column},{row}" for row, column in outer.tolist()) + "\n" for outer in outers)

"""Labels as ImageJ regions of interest: a ZIP file for ImageJ's ROI Manager."""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.errors import UserError
from napari_sam.export.pixel_outlines import PixelPolygon, pixel_polygons
from napari_sam.export.plane_masks import PlaneMasks, masks_by_plane
from napari_sam.export.provenance import Provenance, provenance_text
from napari_sam.planes.image_source import ImageSource

if TYPE_CHECKING:
    from roifile import ImagejRoi

# Of the comment of a ZIP file.
_LONGEST_COMMENT = 2**16 - 1
_MOVE, _LINE, _CLOSE = 0, 1, 4


def write_imagej_rois(path: Path, labels: ImageSource, provenance: Provenance) -> None:
    """Write a region for every object on every plane.

    A region is named after the object's id, and after its plane where there are several; it lies at its position in
    the stack or hyperstack. One without holes and of one piece is a traced selection, others are composite ones.
    ImageJ takes both to run along the edges of pixels, so that these are the pixels of the labels.

    Raises
    ------
    UserError
        If roifile is not installed.
    """
    try:
        import roifile  # noqa: F401
    except ImportError as error:
        raise UserError(
            "Writing ImageJ ROIs needs the package roifile: pip install 'napari-sam-stacks[export]'."
        ) from error
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for plane in masks_by_plane(labels):
            for label, mask in plane.masks.items():
                name = f"{label}-{plane.name}" if plane.name else f"{label}"
                file.writestr(f"{name}.roi", _region(name, plane, pixel_polygons(mask)).tobytes())
        text = provenance_text(provenance).encode()
        if len(text) <= _LONGEST_COMMENT:
            file.comment = text


def _region(name: str, plane: PlaneMasks, polygons: list[PixelPolygon]) -> "ImagejRoi":
    from roifile import ROI_TYPE, ImagejRoi

    if len(polygons) == 1 and not polygons[0].holes:
        region = ImagejRoi.frompoints(polygons[0].outer[:, ::-1], name=name)
        region.roitype = ROI_TYPE.TRACED
    else:
        region = ImagejRoi()
        region.name = name
        region.roitype = ROI_TYPE.RECT
        steps: list[float] = []
        for ring in (ring for polygon in polygons for ring in polygon.rings):
            for at, (row, column) in enumerate(ring.tolist()):
                steps += (_LINE if at else _MOVE, column, row)
            steps.append(_CLOSE)
        region.multi_coordinates = np.array(steps, np.float32)
        region.shape_roi_size = len(steps)
        corners = np.concatenate([polygon.outer for polygon in polygons])
        region.top, region.left = (int(least) for least in corners.min(axis=0))
        region.bottom, region.right = (int(most) for most in corners.max(axis=0))
    # Counted from 1; 0 is every position.
    region.t_position, region.c_position, region.z_position = (
        plane.position[letter] + 1 if letter in plane.position else 0 for letter in "TCZ"
    )
    if len(plane.position) == 1:
        # A stack that ImageJ does not take for a hyperstack knows slices only.
        region.position = plane.number + 1
    return region

"""Labels as GeoJSON in the form that QuPath reads: a polygon with holes for every object on every plane."""

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from napari_sam.export.label_colours import label_colour
from napari_sam.export.pixel_outlines import PixelPolygon, pixel_polygons
from napari_sam.export.plane_masks import PlaneMasks, masks_by_plane
from napari_sam.export.provenance import Provenance, provenance_text
from napari_sam.planes.geometry import Mask
from napari_sam.planes.image_source import ImageSource


def write_qupath_geojson(path: Path, labels: ImageSource, provenance: Provenance) -> None:
    """Write a feature collection; coordinates are in pixels, and the first pixel reaches from (0, 0) to (1, 1).

    Objects are detections of the class *Object*, named after their ids. An object in several pieces is a multipolygon,
    and on several planes has a feature on each.
    """
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"type": "FeatureCollection", "provenance": {provenance_text(provenance)}, "features": [')
        first = True
        for plane in masks_by_plane(labels):
            for label, mask in plane.masks.items():
                file.write("\n" if first else ",\n")
                file.write(json.dumps(_feature(label, mask, plane)))
                first = False
        file.write("\n]}\n")


def _feature(label: int, mask: Mask, plane: PlaneMasks) -> dict[str, Any]:
    polygons = [_coordinates(polygon) for polygon in pixel_polygons(mask)]
    geometry: dict[str, Any] = {"type": "Polygon", "coordinates": polygons[0]}
    if len(polygons) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": polygons}
    # Channel -1 is all of them.
    at = plane.position
    geometry["plane"] = {"c": at.get("C", -1), "z": at.get("Z", 0), "t": at.get("T", 0)}
    return {
        "type": "Feature",
        "id": str(uuid5(NAMESPACE_OID, f"{label} {plane.name}")),
        "geometry": geometry,
        "properties": {
            "objectType": "detection",
            "name": str(label),
            "color": list(label_colour(label)),
            "classification": {"name": "Object"},
        },
    }


def _coordinates(polygon: PixelPolygon) -> list[list[list[int]]]:
    """Return closed rings of (x, y)."""
    return [[[column, row] for row, column in (*ring.tolist(), ring[0].tolist())] for ring in polygon.rings]

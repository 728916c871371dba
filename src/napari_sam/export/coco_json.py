"""Labels as COCO JSON: a run-length encoded mask for every object on every plane."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam.export.plane_masks import masks_by_plane, plane_shape
from napari_sam.export.provenance import Provenance, provenance_text
from napari_sam.planes.geometry import Mask
from napari_sam.planes.image_source import ImageSource


def write_coco_json(path: Path, labels: ImageSource, provenance: Provenance) -> None:
    """Write a data set of one image for every plane, and one annotation for every object on it.

    Masks are uncompressed run lengths, which every COCO reader knows. The object's id is in `object_id`, and the plane
    in `plane` of the image; the ids of COCO itself count from 1.

    Parameters
    ----------
    path
        Where to.
    labels
        The labels.
    provenance
        What it is made by; it stands in `info`. Its image names the planes, else the file of the labels does.
    """
    height, width = plane_shape(labels)
    file_name = Path(provenance.get("image") or labels.path or "labels").name
    images: list[dict[str, Any]] = []
    number = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('{"annotations": [')
        for plane in masks_by_plane(labels):
            place = {letter.lower(): at for letter, at in plane.position.items()}
            images.append(
                {"id": plane.number + 1, "file_name": file_name, "height": height, "width": width, "plane": place}
            )
            for label, mask in plane.masks.items():
                file.write(",\n" if number else "\n")
                number += 1
                row0, column0, row1, column1 = mask.box
                annotation = {
                    "id": number,
                    "image_id": plane.number + 1,
                    "category_id": 1,
                    "object_id": label,
                    "bbox": [column0, row0, column1 - column0, row1 - row0],
                    "area": mask.area,
                    "iscrowd": 0,
                    "segmentation": {"size": [height, width], "counts": run_lengths(mask, (height, width))},
                }
                file.write(json.dumps(annotation))
        categories = [{"id": 1, "name": "object", "supercategory": ""}]
        file.write(f'\n],\n"images": {json.dumps(images)},\n"categories": {json.dumps(categories)},\n')
        file.write(f'"info": {{"description": "Labels", "provenance": {provenance_text(provenance)}}}}}\n')


def run_lengths(mask: Mask, shape: tuple[int, int]) -> list[int]:
    """Count pixels off and on the mask in turn, column by column from the first pixel of the plane.

    Parameters
    ----------
    mask
        The mask.
    shape
        (rows, columns) of the plane.
    """
    columns, rows = np.nonzero(mask.pixels.T)
    places = (columns + mask.box[1]) * shape[0] + rows + mask.box[0]
    jumps = np.flatnonzero(np.diff(places) > 1)
    starts = np.concatenate([places[:1], places[jumps + 1]])
    ends = np.concatenate([places[jumps], places[-1:]]) + 1
    borders = np.stack([starts, ends], axis=1).reshape(-1)
    return [int(each) for each in np.diff(borders, prepend=0, append=shape[0] * shape[1])]

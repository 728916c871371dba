"""What a session file holds, as JSON, and back."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_sam.errors import UserError
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.prompts.json_values import MALFORMED, flag, items, numbers, text, whole, wholes
from napari_sam.session.annotation import Annotation
from napari_sam.session.session_file.event_json import (
    event_from_json,
    event_to_json,
    labels_from_json,
    labels_to_json,
)
from napari_sam.session.session_file.object_json import object_from_json, object_to_json
from napari_sam.session.session_file.palette import Palette

FORMAT = "napari-sam session"
VERSION = 1


@dataclass(frozen=True, eq=False)
class SessionContent:
    """What a session file holds.

    Parameters
    ----------
    image
        The image that the session was made on.
    annotation
        What was done.
    labels_file
        Name of the file of labels beside it; empty for none.
    versions
        By program, its version when the file was written.
    """

    image: ImageIdentity
    annotation: Annotation
    labels_file: str = ""
    versions: dict[str, str] = field(default_factory=dict)


def content_to_json(content: SessionContent) -> dict[str, Any]:
    """The content as JSON; docs/session-file.md describes it."""
    palette, annotation = Palette(), content.annotation
    # First, so that the palette is complete when it is written.
    events = [event_to_json(event, palette) for event in annotation.events]
    draft = None if annotation.draft is None else object_to_json(annotation.draft, palette)
    return {
        "format": FORMAT,
        "version": VERSION,
        "written_by": dict(content.versions),
        "image": image_to_json(content.image),
        "labels": {
            "file": content.labels_file,
            "shape": [int(size) for size in annotation.shape],
            "dtype": np.dtype(annotation.dtype).name,
            "base": [labels_to_json(part) for part in annotation.base],
        },
        **palette.to_json(),
        "events": events,
        "draft": draft,
    }


def content_from_json(json: Any) -> SessionContent:
    """The content.

    Raises
    ------
    UserError
        In words that complete "FILE cannot be used: ...".
    """
    if not isinstance(json, dict) or json.get("format") != FORMAT:
        raise UserError("it is not a napari-sam session")
    version = json.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UserError(f"a newer version of napari-sam wrote it (format {version}); update napari-sam")
    try:
        if version != VERSION:
            raise ValueError(f"{version!r} is no version")
        palette = Palette.from_json(json)
        labels = json["labels"]
        draft = json["draft"]
        annotation = Annotation(
            wholes(labels["shape"]),
            np.dtype(text(labels["dtype"])).name,
            tuple(labels_from_json(each) for each in items(labels["base"])),
            tuple(event_from_json(each, palette) for each in items(json["events"])),
            None if draft is None else object_from_json(draft, palette),
        )
        if np.dtype(annotation.dtype).kind not in "iu":
            raise ValueError("labels are whole numbers")
        versions = {text(name): text(at) for name, at in json["written_by"].items()}
        return SessionContent(image_from_json(json["image"]), annotation, text(labels["file"]), versions)
    except (*MALFORMED, AttributeError, AssertionError, MemoryError) as error:
        raise UserError(f"it is damaged ({type(error).__name__}: {str(error)[:200]})") from error


def image_to_json(image: ImageIdentity) -> dict[str, Any]:
    """What the image is known by."""
    return {
        "path": image.path,
        "shape": [int(size) for size in image.shape],
        "dtype": image.dtype,
        "rgb": image.rgb,
        "channel_axis": image.channel_axis,
        "channels": image.n_channels,
        "scale": None if image.scale is None else [float(size) for size in image.scale],
        "axis_labels": None if image.axis_labels is None else list(image.axis_labels),
        "units": None if image.units is None else list(image.units),
        "fingerprint": image.fingerprint,
    }


def image_from_json(content: Any) -> ImageIdentity:
    """What the image is known by; raises one of `MALFORMED` if that is not told."""
    axis, scale = content["channel_axis"], content["scale"]
    labels, units = content["axis_labels"], content["units"]
    return ImageIdentity(
        wholes(content["shape"]),
        text(content["dtype"]),
        flag(content["rgb"]),
        None if axis is None else whole(axis),
        whole(content["channels"]),
        None if scale is None else numbers(scale),
        None if labels is None else tuple(text(each) for each in items(labels)),
        None if units is None else tuple(text(each) for each in items(units)),
        text(content["fingerprint"]),
        text(content["path"]),
    )

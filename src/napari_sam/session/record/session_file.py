"""Session files: their content, and the reading and writing of them."""

import json
import os
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam._version import __version__
from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image
from napari_sam.prompts.json_form import MALFORMED, flag, items, numbers, text, whole, wholes
from napari_sam.session.record.annotation import Annotation
from napari_sam.session.record.event_json import (
    Palette,
    event_from_json,
    event_to_json,
    labels_from_json,
    labels_to_json,
    object_from_json,
    object_to_json,
)
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.record.restored import Restored, restore

FORMAT = "napari-sam session"
VERSION = 1


@dataclass(frozen=True, eq=False)
class SessionContent:
    """The content of a session file.

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
    """Turn the content into JSON; docs/session-file.md describes it."""
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
    """Read the content.

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
    """Turn what the image is known by into JSON."""
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
    """Read what the image is known by; raises one of `MALFORMED` if that is not told."""
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


SUFFIX = ".session.json"


def session_path(labels: str | os.PathLike[str]) -> Path:
    """Return where the session of a file of labels goes: beside it, under the same name."""
    path = Path(labels)
    name = path.name
    for suffix in (".ome.tif", ".ome.tiff", path.suffix):
        if suffix and name.lower().endswith(suffix.lower()):
            name = name[: -len(suffix)]
            break
    return path.with_name(name + SUFFIX)


def current_versions() -> dict[str, str]:
    """Return the versions of what answers depend on."""
    found = {"napari-sam-stacks": __version__}
    for name in ("torch", "numpy", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_session(path: str | os.PathLike[str], content: SessionContent) -> None:
    """Write a session file; it appears only when it is complete.

    Raises
    ------
    UserError
        If it cannot be written; what was there before is untouched.
    """
    text = json.dumps(content_to_json(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_session(path: str | os.PathLike[str]) -> SessionContent:
    """Read a session file.

    Raises
    ------
    UserError
        If there is none, it is damaged, or a newer version wrote it.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        parsed = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be used: it is damaged, or no session file.") from error
    try:
        return content_from_json(parsed)
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}.") from error


def open_session(path: str | os.PathLike[str], source: ImageSource) -> tuple[Restored, ObjectRecord | None]:
    """Read a session file and the labels beside it; not quick.

    Parameters
    ----------
    path
        The session file.
    source
        The image, which must be the one that the session was made on.

    Returns
    -------
    (Restored, ObjectRecord or None)
        The labels with their objects, and the object that was in work.

    Raises
    ------
    UserError
        If a file cannot be read, or does not fit.
    """
    content = read_session(path)
    content.image.recognise(source)
    file = Path(path).parent / Path(content.labels_file).name
    if not content.labels_file or not file.is_file():
        raise UserError(
            f"The labels '{content.labels_file}' are not beside {Path(path).name}: put them there, or make them again "
            "with napari-sam replay."
        )
    stored = open_image(file).array()
    annotation = content.annotation
    if tuple(stored.shape) != annotation.shape:
        raise UserError(f"{file.name} has shape {tuple(stored.shape)}, but the session's labels {annotation.shape}.")
    labels = np.asarray(stored[...]).astype(annotation.dtype)
    return restore(file.name.split(".")[0], labels, annotation), annotation.draft

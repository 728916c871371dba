"""Session files: their content, and the reading and writing of them."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path
from napari_sam.export.provenance import sidecar_path
from napari_sam.labels.label_files import read_saved_labels
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.json_form import MALFORMED, Form, to_json
from napari_sam.session.record.annotation import Annotation
from napari_sam.session.record.event_json import (
    Palette,
    event_form,
    label_type,
    located,
    object_form,
    pixels_form,
    read_each,
    read_events,
    read_object,
    read_pixels,
)
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.record.restored import Restored, restore
from napari_sam.session.record.session_form import FORMAT, VERSION, ImageForm, LabelsForm, SessionForm


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
    events = tuple(event_form(event, palette) for event in annotation.events)
    draft = None if annotation.draft is None else object_form(annotation.draft, palette)
    base = tuple(map(pixels_form, annotation.base))
    form = SessionForm(
        FORMAT,
        VERSION,
        content.versions,
        image_form(content.image),
        LabelsForm(content.labels_file, annotation.shape, label_type(annotation.dtype), base),
        palette.setups,
        palette.areas,
        events,
        draft,
    )
    tree: dict[str, Any] = to_json(form)
    return tree


def content_from_json(json: Any) -> SessionContent:
    """Read the content.

    Raises
    ------
    UserError
        In words that complete "FILE cannot be used: ...".
    """
    return _content(partial(msgspec.convert, json))


class _Head(Form):
    """What is looked at first: the rest of a newer file may be anything."""

    format: Any = None
    version: Any = None


def _content(decode: Callable[..., Any]) -> SessionContent:
    """Read the content; `decode` makes a form of it, of the type that it is asked for."""
    try:
        head = decode(type=_Head)
    except msgspec.ValidationError:
        head = _Head()
    except MALFORMED as error:
        raise UserError("it is damaged, or no session file") from error
    if head.format != FORMAT:
        raise UserError("it is not a napari-sam session")
    if isinstance(head.version, int) and head.version > VERSION:
        raise UserError(f"a newer version of napari-sam wrote it (format {head.version}); update napari-sam")
    try:
        form: SessionForm = decode(type=SessionForm)
        palette, labels = Palette(form.setups, form.areas), form.labels
        base = read_each("labels.base", labels.base, read_pixels)
        events = read_events(form.events, palette)
        with located("draft"):
            draft = None if form.draft is None else read_object(form.draft, palette)
        annotation = Annotation(labels.shape, labels.dtype, base, events, draft)
        return SessionContent(read_image(form.image), annotation, labels.file, form.written_by)
    except (*MALFORMED, MemoryError) as error:
        raise UserError(f"it is damaged ({_what_and_where(error)})") from error


def _what_and_where(error: BaseException) -> str:
    """Tell what is wrong at which place, in a few words whatever the file says."""
    what, _, where = " ".join(str(error).split()).replace("`", "").rpartition(" - at $.")
    return f"{where[:100]}: {what[:100]}" if what else where[:200] or type(error).__name__


def image_form(image: ImageIdentity) -> ImageForm:
    """Return the form of what the image is known by."""
    return ImageForm(**vars(image))


def read_image(form: ImageForm) -> ImageIdentity:
    """Return what the image is known by."""
    return ImageIdentity(**msgspec.structs.asdict(form))


SUFFIX = ".session.json"


def session_path(labels: str | os.PathLike[str]) -> Path:
    """Return where the session of a file of labels goes: beside it, under the same name."""
    return sidecar_path(labels, SUFFIX)


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
        return _content(partial(msgspec.json.decode, raw))
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
    annotation = content.annotation
    stored = read_saved_labels(file, annotation.shape)
    if stored is None:
        raise UserError(f"{file.name} has another shape than the session's labels, {annotation.shape}.")
    labels = stored.astype(annotation.dtype)
    return replace(restore(file.name.split(".")[0], labels, annotation), file=file), annotation.draft

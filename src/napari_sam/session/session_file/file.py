"""Writing and reading session files."""

import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_sam import __version__
from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path
from napari_sam.session.session_file.content import SessionContent, content_from_json, content_to_json

SUFFIX = ".session.json"


def session_path(labels: str | os.PathLike[str]) -> Path:
    """Where the session of a file of labels goes: beside it, under the same name."""
    path = Path(labels)
    name = path.name
    for suffix in (".ome.tif", ".ome.tiff", path.suffix):
        if suffix and name.lower().endswith(suffix.lower()):
            name = name[: -len(suffix)]
            break
    return path.with_name(name + SUFFIX)


def current_versions() -> dict[str, str]:
    """Versions of what answers depend on."""
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

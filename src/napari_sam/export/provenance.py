"""The provenance of a saved file: by which model, program and parameters it was made, beside it and inside it."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import Any

from napari_sam._version import __version__
from napari_sam.export.atomic import atomic_path

SUFFIX = ".provenance.json"
NAMESPACE = "napari-sam-stacks/provenance"
"""Under this name it stands inside files."""
_DOUBLE_SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.zarr")

Provenance = Mapping[str, Any]


def make_provenance(
    *,
    model: str = "",
    digest: str = "",
    image: str = "",
    made_by: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe what a file is made by.

    Parameters
    ----------
    model, digest
        Name of the model and SHA-256 of its weights, hexadecimal; empty for none.
    image
        The image that it is made of; empty for none.
    made_by
        What made it, as "napari-sam everything".
    parameters
        By name, options of a command, or a recipe; what JSON does not know becomes text, what is None goes.

    Returns
    -------
    dict
        That, with the versions of the program and of what answers depend on, and the time (UTC, ISO 8601). What is
        empty is left out.
    """
    found: dict[str, Any] = {"made_by": made_by, "date": datetime.now(UTC).isoformat(timespec="seconds")}
    found["versions"] = program_versions()
    found["model"] = {key: value for key, value in (("name", model), ("sha256", digest)) if value}
    found["image"] = image
    found["parameters"] = {
        name: _plain(value)
        for name, value in (parameters or {}).items()
        if value is not None and not (isinstance(value, tuple) and not value)
    }
    return {key: value for key, value in found.items() if value}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value)):
        return value
    return str(value)


def program_versions() -> dict[str, str]:
    """Return the versions of what answers depend on, by program."""
    found = {"napari-sam-stacks": __version__}
    for name in ("torch", "numpy", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def sidecar_path(path: str | os.PathLike[str], suffix: str) -> Path:
    """Return where something that belongs to a file goes: beside it, under the same name with another suffix."""
    path = Path(path)
    name = path.name
    for own in (*_DOUBLE_SUFFIXES, path.suffix):
        if own and name.lower().endswith(own.lower()):
            name = name[: -len(own)]
            break
    return path.with_name(name + suffix)


def provenance_text(provenance: Provenance) -> str:
    """Write provenance as JSON in one line."""
    return json.dumps(_plain(provenance), ensure_ascii=False)


def read_provenance(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read what was written beside a file; None where there is nothing that can be read."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_provenance(path: str | os.PathLike[str], provenance: Provenance) -> Path:
    """Write `NAME.provenance.json` beside a file.

    Returns
    -------
    Path
        Where.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    beside = sidecar_path(path, SUFFIX)
    with atomic_path(beside) as temporary:
        text = json.dumps(_plain(provenance), ensure_ascii=False, indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")
    return beside

"""The folder of downloaded weights, and the check that a file is the one that was published."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import xxhash
from platformdirs import user_cache_path

from napari_sam.errors import UserError
from napari_sam.models.registry import REGISTRY, ModelSpec
from napari_sam.nn.cancel import CancelToken

CACHE_VARIABLE = "NAPARI_SAM_CACHE"


def cache_folder() -> Path:
    """Return the folder of downloaded weights: ``$NAPARI_SAM_CACHE``, or a folder in the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("napari-sam") / "models"


def cached_path(spec: ModelSpec) -> Path:
    """Return the path for the downloaded weights of a model that is not bundled; the file need not exist."""
    assert spec.file_name is not None
    return cache_folder() / spec.file_name


def partial_path(path: Path) -> Path:
    """Return the path of a download until it is complete and its hash is checked."""
    return path.with_name(f"{path.name}.part")


def is_downloaded(spec: ModelSpec) -> bool:
    """Tell whether the weights of a model that is not bundled are in the folder of downloads."""
    return cached_path(spec).is_file()


def downloadable(name: str) -> ModelSpec:
    """Look up a model of the registry that is not bundled.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    spec = REGISTRY.get(name)
    if spec is None:
        raise UserError(f"There is no model {name}; choose one of {', '.join(REGISTRY)}.")
    if spec.bundled:
        raise UserError(f"{name} is part of the package: it needs no download and cannot be removed.")
    return spec


# Bytes read at once; chosen, not measured.
_CHUNK = 2**20
_ALGORITHMS: dict[str, Callable[[], "hashlib._Hash | xxhash.xxh3_128"]] = {
    "sha256": hashlib.sha256,
    "xxh128": xxhash.xxh3_128,
}


def file_hash(path: Path, algorithm: str, cancel: CancelToken | None = None) -> str:
    """Hash a file.

    Parameters
    ----------
    path
        The file.
    algorithm
        "sha256" or "xxh128".
    cancel
        Checked between chunks.

    Returns
    -------
    The algorithm, a colon and hexadecimal digits.

    Raises
    ------
    Cancelled
        If `cancel` was set.
    """
    state = _ALGORITHMS[algorithm]()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if cancel is not None:
                cancel.check()
            state.update(chunk)
    return f"{algorithm}:{state.hexdigest()}"


def has_hash(path: Path, known_hash: str, cancel: CancelToken | None = None) -> bool:
    """Tell whether a file has a hash as `ModelSpec.known_hash` gives it.

    Raises
    ------
    Cancelled
        If `cancel` was set.
    """
    algorithm, _, _ = known_hash.partition(":")
    return file_hash(path, algorithm, cancel) == known_hash

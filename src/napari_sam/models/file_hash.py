"""Checking that a file is the one that was published."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import xxhash

from napari_sam.nn.cancel import CancelToken

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
    """Whether a file has a hash as `ModelSpec.known_hash` gives it.

    Raises
    ------
    Cancelled
        If `cancel` was set.
    """
    algorithm, _, _ = known_hash.partition(":")
    return file_hash(path, algorithm, cancel) == known_hash

"""How an array is stored."""

from typing import Any


def chunk_shape(array: Any) -> tuple[int, ...] | None:
    """The largest chunk of a chunked array (zarr, dask, h5py), one length per axis; None if it is not chunked."""
    chunks = getattr(array, "chunks", None)
    if not chunks or len(chunks) != len(array.shape):
        return None
    return tuple(max(1, int(max(chunk) if isinstance(chunk, tuple) else chunk)) for chunk in chunks)

"""Embeddings of places that may be asked about soon, kept apart from those that were asked for."""

from collections.abc import Hashable

from napari_sam.embedding.store import EmbeddingStore
from napari_sam.nn.network import ImageFeatures

ASIDE_BYTES = 32 * 2**20
"""Enough for one answer of the bundled model that found nothing at hand."""


class AsideStore(EmbeddingStore):
    """Reads another store too, but puts what is new by itself, where it pushes nothing out of the other.

    Parameters
    ----------
    other
        The other store.
    max_bytes
        Bound on what is kept here.
    """

    def __init__(self, other: EmbeddingStore, max_bytes: int = ASIDE_BYTES) -> None:
        super().__init__(max_bytes)
        self._other = other

    def get(self, key: Hashable) -> ImageFeatures | None:
        """The embedding under `key`, of the other store if it is there, or None."""
        features = self._other.get(key)
        return super().get(key) if features is None else features

    def take(self, key: Hashable) -> ImageFeatures | None:
        """The embedding that is kept here under `key`, and from now on no longer is; None without one."""
        with self._lock:
            return self._drop(key)

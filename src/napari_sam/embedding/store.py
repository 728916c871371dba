"""Embeddings kept in memory, bounded by bytes; those of places that may be asked about soon, apart."""

import threading
from collections import OrderedDict
from collections.abc import Hashable

from napari_sam.nn.network import EncodedImages

# Chosen: 23 areas of 1024 x 1024 of nano in float32, each 32.75 MB.
DEFAULT_BYTES = 768 * 2**20


class EmbeddingStore:
    """A store of the most recently used embeddings, up to a number of bytes, safe to share between threads.

    Parameters
    ----------
    max_bytes
        Bound on what is kept. An embedding larger than the bound is not kept at all.
    """

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        self.max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, EncodedImages] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def get(self, key: Hashable) -> EncodedImages | None:
        """Return the embedding under `key`, which becomes the most recently used, or None."""
        with self._lock:
            features = self._kept.get(key)
            if features is not None:
                self._kept.move_to_end(key)
            return features

    def size(self, key: Hashable) -> int:
        """Return the bytes that the embedding under `key` takes, or 0 if there is none; it counts as no use."""
        with self._lock:
            features = self._kept.get(key)
            return 0 if features is None else features.nbytes

    def put(self, key: Hashable, features: EncodedImages) -> None:
        """Keep an embedding and drop the least recently used ones beyond the bound."""
        size = features.nbytes
        with self._lock:
            self._drop(key)
            if size > self.max_bytes:
                return
            self._kept[key] = features
            self._bytes += size
            while self._bytes > self.max_bytes:
                self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _drop(self, key: Hashable) -> EncodedImages | None:
        """Drop and return what was kept under `key`; the lock is held."""
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._bytes -= dropped.nbytes
        return dropped


ASIDE_BYTES = 32 * 2**20
"""Enough for one answer of the bundled model that found nothing at hand: an area of 512 x 512 takes 8.2 MB."""


class SpeculativeStore(EmbeddingStore):
    """A store that also reads another one, but keeps what is new apart, where it pushes nothing out of the other.

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

    def get(self, key: Hashable) -> EncodedImages | None:
        """Return the embedding under `key`, of the other store if it is there, or None."""
        features = self._other.get(key)
        return super().get(key) if features is None else features

    def take(self, key: Hashable) -> EncodedImages | None:
        """Take out the embedding that is kept here under `key`; return None without one."""
        with self._lock:
            return self._drop(key)

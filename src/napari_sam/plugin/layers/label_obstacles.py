"""The obstacles that keep Labels layers from being accepted into, each told in a sentence."""

from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.session.compute.scheduler import Priority, Scheduler

AT_ONCE = 2**22
"""Labels of so many pixels are looked through in a few milliseconds."""


def check_writable(layer: Labels) -> None:
    """Say no to labels that napari shows but that cannot be written.

    Raises
    ------
    UserError
        For multiscale, dask, read-only and locked labels.
    """
    if layer.multiscale:
        raise UserError(f"'{layer.name}' is multiscale and cannot be edited; choose a single-scale Labels layer.")
    if not hasattr(layer.data, "__setitem__") or type(layer.data).__module__.startswith("dask."):
        raise UserError(
            f"'{layer.name}' is read on demand and cannot be edited; load it into memory, or choose new labels."
        )
    if not layer.editable:
        raise UserError(f"'{layer.name}' is locked (not editable): unlock it, or choose other labels to accept into.")
    if isinstance(layer.data, np.ndarray) and not layer.data.flags.writeable:
        raise UserError(f"'{layer.name}' is read-only; duplicate the layer, or choose new labels.")


class LabelObstacles:
    """The search for what keeps layers from being accepted into.

    Parameters
    ----------
    scheduler
        Where large labels are looked through.
    on_found
        Called when that told something new.
    """

    def __init__(self, scheduler: Scheduler, on_found: Callable[[], None]) -> None:
        self._scheduler = scheduler
        self._on_found = on_found
        # By layer, the address of the array that was looked through, and the lowest id in it.
        self._lowest: WeakKeyDictionary[Labels, tuple[int, int]] = WeakKeyDictionary()

    def of(self, layer: Labels, shape: tuple[int, ...]) -> str:
        """Say why objects of an image of `shape` cannot be accepted into a layer; "" where they can."""
        try:
            check_writable(layer)
        except UserError as error:
            return str(error)
        found = tuple(int(size) for size in layer.data.shape)
        if found != shape:
            return f"'{layer.name}' has shape {found} and the image {shape}: choose labels of the image's shape."
        lowest = self._lowest_in(layer)
        if lowest < 0:
            return f"'{layer.name}' holds negative ids ({lowest}), which cannot be saved: set them to 0 first."
        return ""

    def _lowest_in(self, layer: Labels) -> int:
        """Return the lowest id, as far as it is known; large labels are looked through in the background."""
        array = layer.data
        if not isinstance(array, np.ndarray) or isinstance(array, np.memmap) or array.dtype.kind != "i":
            return 0
        address, known = self._lowest.get(layer, (0, 0))
        if array.size <= AT_ONCE:
            return int(array.min(initial=0))
        # Negative ids may have been mended in place; that there are some now is not looked for again and again.
        if address != id(array) or known < 0:
            self._lowest[layer] = id(array), known

            def look(_: CancelToken) -> int:
                return int(array.min(initial=0))

            self._scheduler.submit(
                ("lowest", id(layer)),
                look,
                priority=Priority.PREFETCH,
                on_result=partial(self._found, layer),
                on_error=lambda _: None,
            )
        return known

    def _found(self, layer: Labels, lowest: int) -> None:
        address, known = self._lowest.get(layer, (0, 0))
        self._lowest[layer] = address, lowest
        if lowest != known:
            self._on_found()

"""Embeddings of one image: encoded on demand or ahead of need, cut to windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_sam.embedding.layout import AreaLayout
from napari_sam.embedding.store import EmbeddingStore
from napari_sam.models.model import Model
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import ImageFeatures
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.plane import Plane
from napari_sam.planes.read_window import read_window
from napari_sam.planes.source import ImageSource
from napari_sam.planes.window import Window


@dataclass(frozen=True, eq=False)
class EmbeddedWindow:
    """The features of one window, where it lies, and the area that was encoded for it."""

    window: Window
    features: ImageFeatures
    area: Window


@dataclass(frozen=True)
class _AreaKey:
    plane: Plane
    area: Window


class Embedder:
    """Encodes planes of one image with one model and contrast, and keeps the embeddings.

    Parameters
    ----------
    model
        The model.
    source
        The image.
    contrast
        Limits that the encoder's input is scaled by, the same for every plane.
    store
        Where embeddings are kept; its entries belong to this embedder alone.
    channels
        Channels to show the network; None leaves the choice to `read_window`.
    """

    def __init__(
        self,
        model: Model,
        source: ImageSource,
        contrast: Contrast,
        store: EmbeddingStore | None = None,
        channels: tuple[int, ...] | None = None,
    ) -> None:
        self.model = model
        self.source = source
        self.contrast = contrast
        self.channels = channels
        self._store = EmbeddingStore() if store is None else store
        self._areas: dict[tuple[Plane, tuple[float, float]], list[Window]] = {}
        # Every answer remembers its areas: equal ones are one object.
        self._known: dict[Window, Window] = {}

    def at(
        self,
        plane: Plane,
        step: tuple[float, float],
        center: tuple[float, float],
        cancel: CancelToken | None = None,
        *,
        tight: bool = False,
        area: Window | None = None,
    ) -> EmbeddedWindow:
        """The embedding of the window around a place, encoded now unless it is at hand.

        Parameters
        ----------
        plane
            The plane.
        step
            Plane pixels per network pixel along (row, column).
        center
            (row, column) in plane coordinates.
        cancel
            Checked between the encoder's blocks.
        tight
            Encode no more than a window: for a level that is only tried.
        area
            Take it from this area, whatever else is at hand; None for the one at hand, or a new one.

        Returns
        -------
        EmbeddedWindow
            Of exactly the network's window size, cut so that `center` lies as near its middle as the plane's borders
            allow.

        Raises
        ------
        Cancelled
            If `cancel` was set.
        """
        layout = self._layout(plane, step)
        if area is None:
            for known in self._areas.get((plane, step), ()):
                if layout.holds(known, center):
                    features = self._store.get(_AreaKey(plane, known))
                    if features is not None:
                        return _cut(known, features, layout, center)
            area = layout.around(center, tight)
        area = self._known.setdefault(area, area)
        return _cut(area, self._encoded(plane, area, cancel), layout, center)

    def ready(self, plane: Plane, step: tuple[float, float], center: tuple[float, float]) -> bool:
        """Whether `at` would answer without encoding."""
        layout = self._layout(plane, step)
        return any(
            layout.holds(area, center) and self._store.get(_AreaKey(plane, area)) is not None
            for area in self._areas.get((plane, step), ())
        )

    def prepare(
        self, plane: Plane, step: tuple[float, float], center: tuple[float, float], cancel: CancelToken | None = None
    ) -> Iterator[tuple[int, int]]:
        """Encode areas of a plane ahead of need, the one nearest to `center` first.

        Yields
        ------
        (done, total) after each area, or after several where the model encodes them together.
        """
        layout = self._layout(plane, step)
        areas = sorted(layout.covering(), key=lambda area: _distance(area, center))
        # The first by itself: the user may click there any moment.
        done, together = 0, 1
        while done < len(areas):
            some = [self._known.setdefault(area, area) for area in areas[done : done + together]]
            self._encode(plane, some, cancel)
            done += len(some)
            together = self.model.images_at_once(areas[0].shape[0] * areas[0].shape[1])
            yield done, len(areas)

    def room(self, plane: Plane, step: tuple[float, float]) -> int:
        """How many planes like this one half of the store holds; 0 where this one is not in the store as a whole."""
        sizes = [self._store.size(_AreaKey(plane, area)) for area in self._layout(plane, step).covering()]
        return self._store.max_bytes // 2 // sum(sizes) if sizes and all(sizes) else 0

    def forget(self) -> None:
        """Drop every embedding: the image has changed."""
        self._areas.clear()
        self._known.clear()
        self._store.clear()

    def _layout(self, plane: Plane, step: tuple[float, float]) -> AreaLayout:
        return AreaLayout.of(self.model.network, plane.shape(self.source.shape), step)

    def _encoded(self, plane: Plane, area: Window, cancel: CancelToken | None) -> ImageFeatures:
        features = self._store.get(_AreaKey(plane, area))
        if features is None:
            (features,) = self._encode(plane, [area], cancel)
        return features

    def _encode(self, plane: Plane, areas: Sequence[Window], cancel: CancelToken | None) -> list[ImageFeatures]:
        """Encode areas of one shape together, save those that are at hand; only the others are returned."""
        missing = [area for area in areas if self._store.get(_AreaKey(plane, area)) is None]
        done: list[ImageFeatures] = []
        if missing:
            if cancel is not None:
                cancel.check()
            pixels = [read_window(self.source, plane, area, self.contrast, self.channels) for area in missing]
            done = self.model.encode(torch.from_numpy(np.stack(pixels)), cancel).split()
            for area, features in zip(missing, done, strict=True):
                self._store.put(_AreaKey(plane, area), features)
        known = self._areas.setdefault((plane, areas[0].step), [])
        known.extend(area for area in areas if area not in known)
        return done


def _cut(area: Window, features: ImageFeatures, layout: AreaLayout, center: tuple[float, float]) -> EmbeddedWindow:
    row, column = layout.cut(area, center)
    side = layout.window
    if area.shape == (side, side):
        return EmbeddedWindow(area, features, area)

    def part(tensor: Tensor) -> Tensor:
        stride = area.shape[0] // tensor.shape[-2]
        top, left, cells = row // stride, column // stride, side // stride
        return tensor[..., top : top + cells, left : left + cells]

    return EmbeddedWindow(
        area.crop(row, column, (side, side)),
        ImageFeatures(
            part(features.embedding),
            tuple(part(tensor) for tensor in features.high_res),
            None if features.maps is None else part(features.maps),
        ),
        area,
    )


def _distance(area: Window, center: tuple[float, float]) -> float:
    row0, column0, row1, column1 = area.bounds
    return abs((row0 + row1) / 2 - center[0]) + abs((column0 + column1) / 2 - center[1])

"""Embeddings of one image: encoded on demand or ahead of need, cut to windows."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from napari_sam.embedding.layout import AreaLayout
from napari_sam.embedding.store import EmbeddingStore, SpeculativeStore
from napari_sam.models.model import Model
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import EncodedImages
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.read_window import read_window

BOUNDS = (-0.5, 1.5)
"""Of what is encoded, with 0 and 1 at the contrast limits.

nano was trained with these, and cuts by itself; the published networks know 0 to 1, and a few very bright pixels would
drown a whole window.
"""


@dataclass(frozen=True, eq=False)
class EmbeddedWindow:
    """A window's features, its place, and the area that was encoded for it."""

    window: Window
    features: EncodedImages
    area: Window


@dataclass(frozen=True)
class _AreaKey:
    plane: Plane
    area: Window


class Embedder:
    """An encoder of planes of one image with one model and contrast, which keeps the embeddings.

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
        Channels to show the network; None takes those of the image, or else leaves the choice to `read_window`.
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
        self.channels = source.shown if channels is None else channels
        self._store = EmbeddingStore() if store is None else store
        self._aside = SpeculativeStore(self._store)
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
        window: int | None = None,
        area: Window | None = None,
    ) -> EmbeddedWindow:
        """Return the embedding of the window around a place, encoded now unless it is at hand.

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
        window
            Side of the window, in network pixels; None for the network's own. A fully convolutional network has others
            as well.
        area
            Take it from this area, whatever else is at hand; None for the one at hand, or a new one.

        Returns
        -------
        EmbeddedWindow
            Of exactly that size, cut so that `center` lies as near its middle as the plane's borders
            allow.

        Raises
        ------
        Cancelled
            If `cancel` was set.
        """
        return self.at_each(plane, [step], center, cancel, tight=tight, window=window, areas=[area])[0]

    def at_each(
        self,
        plane: Plane,
        steps: Sequence[tuple[float, float]],
        center: tuple[float, float],
        cancel: CancelToken | None = None,
        *,
        tight: bool = False,
        window: int | None = None,
        areas: Sequence[Window | None] = (),
    ) -> list[EmbeddedWindow]:
        """Return the embeddings of windows of several steps around one place; what is missing is encoded together.

        Parameters
        ----------
        plane, center, cancel, tight, window
            As of `at`.
        steps
            One for each window.
        areas
            One for each window, as of `at`; without any, none is given.

        Returns
        -------
        list of EmbeddedWindow
            In the order of `steps`.

        Raises
        ------
        Cancelled
            If `cancel` was set.
        """
        if cancel is not None:
            # What is at hand is not encoded, and yet nobody waits for what follows from it.
            cancel.check()
        layouts = [self._layout(plane, step, window) for step in steps]
        chosen = [
            self._at_hand(plane, layout, center) or layout.around(center, tight) if area is None else area
            for layout, area in zip(layouts, areas or [None] * len(steps), strict=True)
        ]
        chosen = [self._known.setdefault(area, area) for area in chosen]
        features = self._encoded(plane, chosen, cancel)
        return [_cut(*each, center) for each in zip(chosen, features, layouts, strict=True)]

    def share(
        self,
        plane: Plane,
        step: tuple[float, float],
        centers: Sequence[tuple[float, float]],
        cancel: CancelToken | None = None,
        *,
        window: int | None = None,
    ) -> None:
        """Encode areas that hold the windows around several places at once, where that is less than each by itself.

        Parameters
        ----------
        plane, step, cancel, window
            As of `at`.
        centers
            (row, column) of each place.
        """
        if not self.model.network.fully_convolutional:
            return
        layout = self._layout(plane, step, window)
        waiting = [center for center in centers if self._at_hand(plane, layout, center) is None]
        for area in layout.covering():
            held = [center for center in waiting if layout.holds(area, center)]
            apart = {layout.around(center, tight=True) for center in held}
            if len(apart) > 1 and area.pixels < sum(each.pixels for each in apart):
                self._encode(plane, [self._known.setdefault(area, area)], cancel)
                waiting = [center for center in waiting if center not in held]

    def covering(self, plane: Plane, step: tuple[float, float]) -> list[Window]:
        """Return areas that together hold a window around every place of a plane; nothing is encoded."""
        return list(self._layout(plane, step).covering())

    def area(self, plane: Plane, area: Window, cancel: CancelToken | None = None) -> EncodedImages:
        """Return the features of a whole area, encoded now unless it is at hand.

        Raises
        ------
        Cancelled
            If `cancel` was set.
        """
        if cancel is not None:
            cancel.check()
        return self._encoded(plane, [self._known.setdefault(area, area)], cancel)[0]

    def ready(
        self, plane: Plane, step: tuple[float, float], center: tuple[float, float], window: int | None = None
    ) -> bool:
        """Tell whether `at` would answer without encoding."""
        return self._at_hand(plane, self._layout(plane, step, window), center) is not None

    def prepare(
        self,
        plane: Plane,
        steps: Sequence[tuple[float, float]],
        center: tuple[float, float],
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int]]:
        """Encode a plane ahead of need at each of several steps, of each the area nearest to `center` first.

        Yields
        ------
        (done, total) after each area, or after several where the model encodes them together.
        """
        waiting = [
            sorted(self._layout(plane, step).covering(), key=lambda area: _distance(area, center)) for step in steps
        ]
        # The first by itself: the user may click there any moment.
        done, total = 0, sum(map(len, waiting))
        for areas in waiting:
            together = self.model.images_at_once(areas[0].shape[0] * areas[0].shape[1])
            start = 0
            while start < len(areas):
                some = areas[start : start + (together if done else 1)]
                self._encode(plane, [self._known.setdefault(area, area) for area in some], cancel)
                start, done = start + len(some), done + len(some)
                yield done, total

    def room(self, plane: Plane, steps: Sequence[tuple[float, float]]) -> int:
        """Count the planes like this one that half of the store holds; 0 where this one is not in it as a whole."""
        areas = [area for step in steps for area in self._layout(plane, step).covering()]
        sizes = [self._store.size(_AreaKey(plane, area)) for area in areas]
        return self._store.max_bytes // 2 // sum(sizes) if sizes and all(sizes) else 0

    def aside(self, plane: Plane) -> Self:
        """Return an embedder of a plane that has what is at hand here and encodes the rest without a trace here.

        It is for one answer to what may be asked soon: what was encoded for that is found here once it is asked for,
        and only then counts as at hand, so that no answer depends on what was only supposed.
        """
        aside = copy.copy(self)
        aside._store = self._aside
        aside._areas = {(where, step): list(areas) for (where, step), areas in self._areas.items() if where == plane}
        return aside

    def take_in(self, plane: Plane, areas: Sequence[Window], cancel: CancelToken | None = None) -> None:
        """Take in areas that were encoded aside, as if they had been encoded here."""
        self._encoded(plane, list(dict.fromkeys(areas)), cancel)

    def forget(self) -> None:
        """Drop every embedding: the image has changed."""
        self._aside.clear()
        self._areas.clear()
        self._known.clear()
        self._store.clear()

    def _layout(self, plane: Plane, step: tuple[float, float], window: int | None = None) -> AreaLayout:
        return AreaLayout.of(self.model.network, plane.shape(self.source.shape), step, window)

    def _at_hand(self, plane: Plane, layout: AreaLayout, center: tuple[float, float]) -> Window | None:
        """Find an area that is embedded and gives a prompt at `center` all the context there is."""
        for area in self._areas.get((plane, layout.step), ()):
            if layout.holds(area, center) and self._store.get(_AreaKey(plane, area)) is not None:
                return area
        return None

    def _encoded(self, plane: Plane, areas: Sequence[Window], cancel: CancelToken | None) -> list[EncodedImages]:
        """Return the features of areas; those that are missing are encoded, of one shape as many together as pay."""
        found = {area: features for area in areas if (features := self._store.get(_AreaKey(plane, area))) is not None}
        missing = [area for area in dict.fromkeys(areas) if area not in found]
        for area in missing:
            aside = self._aside.take(_AreaKey(plane, area))
            if aside is not None:
                self._store.put(_AreaKey(plane, area), aside)
                found[area] = aside
        for area in found:
            self._note(plane, area)
        missing = [area for area in missing if area not in found]
        while missing:
            shape = missing[0].shape
            together = self.model.images_at_once(shape[0] * shape[1])
            some = [area for area in missing if area.shape == shape][:together]
            found.update(zip(some, self._encode(plane, some, cancel), strict=True))
            missing = [area for area in missing if area not in some]
        return [found[area] for area in areas]

    def _encode(self, plane: Plane, areas: Sequence[Window], cancel: CancelToken | None) -> Sequence[EncodedImages]:
        """Encode areas of one shape together, save those that are at hand; only the others are returned."""
        missing = [area for area in areas if self._store.get(_AreaKey(plane, area)) is None]
        done: Sequence[EncodedImages] = []
        if missing:
            if cancel is not None:
                cancel.check()
            pixels = [read_window(self.source, plane, area, self.contrast, self.channels) for area in missing]
            shown = np.stack(pixels)
            np.clip(shown, *BOUNDS, out=shown)
            done = self.model.encode(torch.from_numpy(shown), cancel).split()
            for area, features in zip(missing, done, strict=True):
                self._store.put(_AreaKey(plane, area), features)
        for area in areas:
            self._note(plane, area)
        return done

    def _note(self, plane: Plane, area: Window) -> None:
        """Remember that an area is encoded."""
        known = self._areas.setdefault((plane, area.step), [])
        if area not in known:
            known.append(area)


class AreaTrace(Embedder):
    """An embedder that remembers which areas it took windows from.

    What is at hand decides which area that is, and the same window of another area has slightly other features. Given
    the areas of an earlier run, the answers are those of that run to the last bit.

    Parameters
    ----------
    embedder
        What encodes; itself perhaps traced.
    areas
        The areas of an earlier run, in order; what goes beyond them is taken from what is at hand.

    Attributes
    ----------
    used : list of Window
        The areas since `take` was called last, in order.
    """

    def __init__(self, embedder: Embedder, areas: Sequence[Window] = ()) -> None:
        # Everything is shared with the embedder: what one encodes is at hand for the other.
        self.__dict__.update(embedder.__dict__)
        self._traced = embedder
        self._given = iter(areas)
        self.used: list[Window] = []

    def at_each(
        self,
        plane: Plane,
        steps: Sequence[tuple[float, float]],
        center: tuple[float, float],
        cancel: CancelToken | None = None,
        *,
        tight: bool = False,
        window: int | None = None,
        areas: Sequence[Window | None] = (),
    ) -> list[EmbeddedWindow]:
        """See `Embedder.at_each`; `areas` come before those that were given."""
        wanted = []
        for step, area in zip(steps, areas or [None] * len(steps), strict=True):
            given = next(self._given, None) if area is None else area
            # One of another step belongs to a run that went another way.
            wanted.append(given if given is not None and given.step == step else None)
        embedded = self._traced.at_each(plane, steps, center, cancel, tight=tight, window=window, areas=wanted)
        self.used += [each.area for each in embedded]
        return embedded

    def take(self) -> tuple[Window, ...]:
        """Return the areas that were used since this was called last."""
        used, self.used = tuple(self.used), []
        return used


def _cut(area: Window, features: EncodedImages, layout: AreaLayout, center: tuple[float, float]) -> EmbeddedWindow:
    row, column = layout.cut(area, center)
    side = layout.window
    if area.shape == (side, side):
        return EmbeddedWindow(area, features, area)

    return EmbeddedWindow(area.crop(row, column, (side, side)), features.cut((row, column), side, area.shape[0]), area)


def _distance(area: Window, center: tuple[float, float]) -> float:
    row0, column0, row1, column1 = area.bounds
    return abs((row0 + row1) / 2 - center[0]) + abs((column0 + column1) / 2 - center[1])

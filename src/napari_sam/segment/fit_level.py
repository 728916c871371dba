"""The search for the level and the window on which an object is best decoded."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from napari_sam.embedding.embedder import EmbeddedWindow, Embedder
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane, Window, overlap
from napari_sam.prompts.encoding import encode_prompts
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.decoding import DecodedWindow, decode_window, decode_windows
from napari_sam.segment.level import (
    LARGEST_SHARE,
    SMALLEST_SHARE,
    Framing,
    coarsest_level,
    diameter,
    extent,
    level_for,
    level_holding,
    mask_extent,
    pixel_aspect,
    prompt_box,
    scanned_levels,
    step_at,
    touches_inner_edge,
)
from napari_sam.segment.segmentation import Segmentation

# Chosen, not measured: a mask that fits nowhere must end somewhere.
REDECODES = 2
"""How often a mask that does not fit its window is decoded again on a better one."""

# Chosen, not measured: three sixteenths of the window stay on either side, to see what is around.
PROMPTED_SHARE = 5 / 8
"""Prompts take at most this share of the window's side."""

# Chosen on training images, with 51 as `scanned_size_px`: from .75 and 36, one click of version 3 went from .604 to
# .614 and from .612 to .621 on two draws. Fitted rankers of 27 features were worse with version 1
# (training/LOG.md, "Rankers and averaged logits").
OCTAVES_OFF = 0.9
"""Standard deviation of how far, in octaves, a mask may be from `scanned_size_px`."""

# One of the weights that chose best on training images (`LevelFit.scanned`); the figures were not kept.
AGREEING_LEVELS = 2
"""A mask at one level is compared with those of so many other levels, the most similar ones."""


@dataclass(frozen=True)
class LevelFit:
    """A search that decodes one object's prompts at levels that suit it.

    Parameters
    ----------
    embedder
        Gives the embeddings.
    plane
        The plane.
    prompts
        All prompts for the object on the plane.
    previous
        The mask that the prompts correct.
    multimask
        Three candidates if True, else one.
    framing
        How much around the object the network is shown.
    cancel
        Checked between the encoder's blocks.
    local
        Whether corrections change what is far from them but little.
    """

    embedder: Embedder
    plane: Plane
    prompts: Prompts
    previous: Mask | None
    multimask: bool
    framing: Framing
    cancel: CancelToken | None
    local: bool = True

    def level_for_prompts(self, object_size: float | None) -> float:
        """Return the level that the prompts themselves, or the object's diameter (units), ask for."""
        height, width = extent(self._prompted(), self._aspect)
        # A straight stroke has no area, and yet its object is about as long.
        stroke = bool(self.prompts.scribbles) and self.prompts.box is None and self.prompts.mask is None
        prompted = max(height, width) if stroke else math.sqrt(height * width)
        size = prompted if object_size is None else object_size
        room = self._window * (PROMPTED_SHARE if object_size is not None else LARGEST_SHARE)
        level = level_for(size, self._liked)
        if self.prompts.box is not None or self.prompts.mask is not None:
            # Beyond the image's own resolution a larger picture shows no more.
            level = max(level_for(size, self._liked_in_box), min(level, 0.0))
        return self._possible(max(level, level_holding(max(height, width), room)))

    def fitted(
        self, level: float, center: tuple[float, float] | None = None, tried: DecodedWindow | None = None
    ) -> Segmentation:
        """Decode at `level` around `center`, unless that was `tried`, and again where the mask does not fit."""
        if center is None:
            center = self._center()
        found = self._decoded(level, center, None, tried)
        window = found.window
        for _ in range(REDECODES):
            better = self._better(found.mask, window, level)
            if better is None:
                break
            again = self._decoded(better, self._center(found.mask), found.mask)
            window = again.window
            if not again.mask.area:
                break
            found, level = again, better
        return found.segmentation

    def ready(self, level: float) -> bool:
        """Tell whether `embedded` would answer without encoding."""
        return self.embedder.ready(self.plane, step_at(level, self._aspect), self._center(), self.window_at(level))

    def embedded(self, level: float) -> EmbeddedWindow:
        """Return the window that `fitted` begins on at a level."""
        step = step_at(level, self._aspect)
        window = self.window_at(level)
        return self.embedder.at(self.plane, step, self._center(), self.cancel, tight=self.framing.tight, window=window)

    def window_at(self, level: float, mask: Mask | None = None) -> int | None:
        """Return the side of the window for the prompts, and a mask, at a level; None for the network's own."""
        small = self.framing.window
        if small is None or small >= self._window or not self.embedder.model.network.fully_convolutional:
            return None
        row0, column0, row1, column1 = self._reached(mask)
        longest = max(extent((row0, column0, row1, column1), self._aspect)) / 2**level
        return small if longest <= small * LARGEST_SHARE else None

    def scanned(self) -> Segmentation:
        """Decode a single point at several levels and keep the most convincing one.

        Convincing is a mask of the size that the model likes, with a high predicted IoU, that other levels agree
        with. The weights are those that chose best on the training images.
        """
        levels = scanned_levels(self._coarsest)
        steps = [step_at(level, self._aspect) for level in levels]
        embedded = self.embedder.at_each(self.plane, steps, self._center(), self.cancel, tight=True)
        same = [self.prompts] * len(embedded)
        tried = decode_windows(
            self.embedder.model, embedded, same, self.shape, multimask=self.multimask, cancel=self.cancel
        )
        scores = [
            self._convincing(level, found.mask, [other.mask for other in tried if other is not found])
            if found.mask.area and not touches_inner_edge(found.mask, found.window, self.shape)
            else 0.0
            for level, found in zip(levels, tried, strict=True)
        ]
        best = scores.index(max(scores))
        return self.fitted(levels[best], tried=tried[best])

    def _convincing(self, level: float, mask: Mask, others: list[Mask]) -> float:
        liked = self.embedder.model.spec.scanned_size_px
        off = math.log2(diameter(mask, self._aspect) / 2**level / liked)
        agreements = sorted((overlap(mask, other) for other in others), reverse=True)[:AGREEING_LEVELS]
        agreement = sum(agreements) / len(agreements) if agreements else 1.0
        # The floor keeps a mask comparable whose predicted IoU is negative.
        return max(mask.predicted_iou, 0.01) ** 2 * math.exp(-0.5 * (off / OCTAVES_OFF) ** 2) * math.sqrt(agreement)

    def _decoded(
        self, level: float, center: tuple[float, float], mask: Mask | None, tried: DecodedWindow | None = None
    ) -> DecodedWindow:
        step, window = step_at(level, self._aspect), self.window_at(level, mask)
        embedded = self.embedder.at(self.plane, step, center, self.cancel, tight=self.framing.tight, window=window)
        if tried is not None and (tried.window, tried.area) == (embedded.window, embedded.area):
            return tried
        return decode_window(
            self.embedder.model,
            embedded,
            self.prompts,
            self.shape,
            previous=self.previous,
            multimask=self.multimask,
            local=self.local,
            cancel=self.cancel,
        )

    def _better(self, mask: Mask, window: Window, level: float) -> float | None:
        """Return the level at which a mask fits, or None if it fits where it is."""
        if not mask.area:
            return None
        taken = max(mask_extent(mask, self._aspect)) / 2**level
        share = taken / window.shape[0]
        cut = touches_inner_edge(mask, window, self.shape)
        if SMALLEST_SHARE <= share <= LARGEST_SHARE and not cut:
            return None
        if share > LARGEST_SHARE and taken <= LARGEST_SHARE * self._window:
            # It has outgrown a small window: the network's own holds it.
            return level
        size = math.sqrt(math.prod(mask_extent(mask, self._aspect)))
        height, width = extent(self._prompted(), self._aspect)
        better = max(
            level_for(size, self._liked),
            level_holding(max(mask_extent(mask, self._aspect)), self._window * LARGEST_SHARE),
            level_holding(max(height, width), self._window * PROMPTED_SHARE),
        )
        if cut and share > LARGEST_SHARE:
            # The next coarser level: what is cut off has no size to go by.
            better = max(better, level + 0.5)
        better = self._possible(better)
        return better if better != level or cut else None

    def _possible(self, level: float) -> float:
        return min(math.ceil(level) if self.framing.whole_levels else level, self._coarsest)

    def _center(self, mask: Mask | None = None) -> tuple[float, float]:
        """Return the middle of the prompts, or of the prompts and a mask together."""
        row0, column0, row1, column1 = self._reached(mask)
        return (row0 + row1) / 2, (column0 + column1) / 2

    def _reached(self, mask: Mask | None) -> tuple[float, float, float, float]:
        """Return the box of the prompts, or of the prompts and a mask together."""
        row0, column0, row1, column1 = self._prompted()
        if mask is not None and mask.area:
            row0, column0 = min(row0, mask.box[0]), min(column0, mask.box[1])
            row1, column1 = max(row1, mask.box[2] - 1), max(column1, mask.box[3] - 1)
        return row0, column0, row1, column1

    def _prompted(self) -> tuple[float, float, float, float]:
        box = prompt_box(self.prompts)
        if box is None:
            raise ValueError("no prompts")
        return box

    @property
    def _aspect(self) -> tuple[float, float]:
        return pixel_aspect(self.embedder.source.scale, self.plane.axes)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the plane."""
        return self.plane.shape(self.embedder.source.shape)

    @property
    def _coarsest(self) -> float:
        return coarsest_level(self.shape, self._aspect, self._window)

    @property
    def _liked(self) -> float:
        return self.embedder.model.spec.object_size_px

    @property
    def _liked_in_box(self) -> float:
        return self.embedder.model.spec.boxed_size_px

    @property
    def _window(self) -> int:
        return self.embedder.model.network.window


@dataclass(eq=False)
class FirstDecode:
    """An object that is being segmented.

    Parameters
    ----------
    fit
        Decodes it; without a previous mask.
    level
        The level to begin at; None where several are tried.
    tried
        What came of that level, once it is decoded.
    """

    fit: LevelFit
    level: float | None
    tried: DecodedWindow | None = None


def embed_together(begun: Sequence[FirstDecode]) -> None:
    """Encode what several objects lie on at once, where that is less than a window for each."""
    alike: dict[tuple[Plane, tuple[float, float], int | None], list[FirstDecode]] = {}
    for each in begun:
        if each.level is not None:
            step, window = step_at(each.level, each.fit._aspect), each.fit.window_at(each.level)
            alike.setdefault((each.fit.plane, step, window), []).append(each)
    for (plane, step, window), group in alike.items():
        centers = [each.fit._center() for each in group]
        group[0].fit.embedder.share(plane, step, centers, group[0].fit.cancel, window=window)


def decode_first(begun: Sequence[FirstDecode], together: int) -> Iterator[None]:
    """Decode objects at the level that each begins at, so many of them together.

    Those are left alone that are decoded by themselves, at several levels.

    Yields
    ------
    None
        After each window that had to be encoded, since something more urgent may come in between.
    """
    alike: dict[tuple[tuple[int, int], int, int, bool, bool], list[tuple[FirstDecode, EmbeddedWindow]]] = {}
    for each in begun:
        fit = each.fit
        if each.level is None:
            continue
        ready = fit.ready(each.level)
        embedded = fit.embedded(each.level)
        model = fit.embedder.model
        tokens = encode_prompts(fit.prompts, embedded.window, model.network.mask_stride).points.shape[1]
        masked = fit.prompts.mask is not None
        side = embedded.window.shape[0]
        alike.setdefault((fit.shape, side, tokens, fit.multimask, masked), []).append((each, embedded))
        if not ready:
            yield None
    for group in alike.values():
        for start in range(0, len(group), together):
            _decode(group[start : start + together])


def _decode(group: Sequence[tuple[FirstDecode, EmbeddedWindow]]) -> None:
    first = group[0][0].fit
    if len(group) == 1:
        # By itself, it is decoded as it always is.
        return
    decoded = decode_windows(
        first.embedder.model,
        [embedded for _, embedded in group],
        [each.fit.prompts for each, _ in group],
        first.shape,
        multimask=first.multimask,
        cancel=first.cancel,
    )
    for (each, _), tried in zip(group, decoded, strict=True):
        each.tried = tried

"""One image and one model: prompts in, masks out."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, Self

from napari_sam.embedding.embedder import AreaTrace, Embedder
from napari_sam.embedding.store import EmbeddingStore
from napari_sam.errors import UserError
from napari_sam.models.model import Model
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.fit_level import FirstDecode, LevelFit, decode_first, embed_together
from napari_sam.segment.level import (
    ROOMY,
    Framing,
    level_for,
    level_of,
    pixel_aspect,
    prepared_levels,
    prompt_box,
    step_at,
)
from napari_sam.segment.reference_frame import ReferenceSegmenter
from napari_sam.segment.segmentation import Segmentation, Setup

Frame = Literal["window", "reference"]
"""How a plane is shown to the network; see `Segmenter.segment`."""


class Segmenter:
    """A segmenter of what is prompted on the planes of one image.

    Parameters
    ----------
    model
        The model.
    source
        The image.
    contrast
        Limits that the encoder's input is scaled by.
    store
        Where embeddings are kept; None makes one of the default size.
    channels
        Channels to show the network; None takes those of the image, or else leaves the choice to the reader of windows.
    local_corrections
        Whether corrections change what is far from them but little (see `confined`).
    """

    def __init__(
        self,
        model: Model,
        source: ImageSource,
        contrast: Contrast,
        *,
        store: EmbeddingStore | None = None,
        channels: tuple[int, ...] | None = None,
        local_corrections: bool = True,
    ) -> None:
        self.local_corrections = local_corrections
        self.model = model
        self.source = source
        self.embedder = Embedder(model, source, contrast, store, channels)
        self._reference: ReferenceSegmenter | None = None

    @property
    def setup(self) -> Setup:
        """Setup that answers are computed with."""
        model = self.model
        return Setup(
            model.name,
            model.digest,
            str(model.precision),
            str(model.device),
            self.embedder.contrast,
            self.embedder.channels,
            self.local_corrections,
        )

    @property
    def fell_back(self) -> str:
        """Sentence that says why the model moved to the CPU; empty where it did not."""
        return self.model.fell_back

    @property
    def waiting(self) -> str:
        """Sentence that says that another machine does not answer; empty otherwise."""
        return self.model.waiting

    def traced(self, areas: Sequence[Window] = ()) -> tuple[Self, AreaTrace]:
        """Return the same segmenter, with its embeddings, and a trace of the areas that it uses from now on.

        Parameters
        ----------
        areas
            See `AreaTrace`.
        """
        traced = copy.copy(self)
        trace = AreaTrace(self.embedder, areas)
        traced.embedder = trace
        return traced, trace

    def prepare(
        self,
        plane: Plane,
        center: tuple[float, float] | None = None,
        object_size: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int]]:
        """Embed a plane ahead of the first click.

        Parameters
        ----------
        plane
            The plane.
        center
            (row, column) to begin at; None for the middle.
        object_size
            Expected diameter of objects, in plane pixels (of the finer axis). None where it is not known: then at the
            levels that a click tries, see `prepared_levels`, full resolution first.
        cancel
            Checked between the encoder's blocks.

        Yields
        ------
        (done, total) areas.
        """
        shape = plane.shape(self.source.shape)
        steps = self._prepared_steps(plane, object_size)
        yield from self.embedder.prepare(plane, steps, center or ((shape[0] - 1) / 2, (shape[1] - 1) / 2), cancel)

    def room(self, plane: Plane, object_size: float | None = None) -> int:
        """Return the number of planes that may be embedded ahead besides one that is embedded.

        Parameters
        ----------
        plane
            The plane that is embedded.
        object_size
            As it was embedded for; see `prepare`.

        Returns
        -------
        int
            Planes of its shape that half of the store holds; 0 where this plane is not in the store as a whole.
        """
        return self.embedder.room(plane, self._prepared_steps(plane, object_size))

    def segment(
        self,
        plane: Plane,
        prompts: Prompts,
        *,
        object_size: float | None = None,
        previous: Mask | None = None,
        multimask: bool | None = None,
        framing: Framing = ROOMY,
        cancel: CancelToken | None = None,
        areas: Sequence[Window] = (),
        frame: Frame = "window",
    ) -> Segmentation:
        """Segment one object.

        Parameters
        ----------
        plane
            The plane.
        prompts
            All prompts for the object on this plane.
        object_size
            Diameter of the object in plane pixels (of the finer axis), roughly. None for auto: several levels are
            tried, unless the prompts or the previous mask show the size.
        previous
            The mask that the prompts correct; its logits are fed back.
        multimask
            Three candidates if True, one if False; None gives three for a single point.
        framing
            How much around the object the network is shown.
        cancel
            Checked between the encoder's blocks.
        areas
            `Segmentation.areas` of an earlier answer to the same question, to get the same answer to the last bit.
        frame
            "window": on a window at a level that suits the object, under the contrast of the layer. "reference": as the
            published predictor does, the whole plane at once and unstretched; published models, 8 bits, points and
            boxes only; the size, the areas and the framing then mean nothing.

        Returns
        -------
        Segmentation

        Raises
        ------
        UserError
            Without any prompt, or with a prompt outside the plane.
        Cancelled
            If `cancel` was set.
        """
        check_prompts(prompts, plane.shape(self.source.shape))
        if previous is not None and (previous.window is None or not previous.area):
            previous = None
        if multimask is None:
            multimask = _ambiguous(prompts) and previous is None
        if frame == "reference":
            if self._reference is None:
                self._reference = ReferenceSegmenter(self.model, self.source)
            return self._reference.segment(plane, prompts, previous, multimask, cancel)
        trace = AreaTrace(self.embedder, areas)
        found = self._fitted(
            LevelFit(trace, plane, prompts, previous, multimask, framing, cancel, self.local_corrections), object_size
        )
        return replace(found, areas=trace.take())

    @property
    def objects_at_once(self) -> int:
        """Number of objects to give to `segment_each` at once."""
        return self.model.prompts_at_once

    def segment_each(
        self,
        asked: Sequence[tuple[Plane, Prompts]],
        *,
        object_size: float | None = None,
        framing: Framing = ROOMY,
        cancel: CancelToken | None = None,
    ) -> Iterator[Segmentation | UserError | None]:
        """Segment several objects, each as `segment` does, but those that allow it decoded together.

        Logits are those of `segment` up to rounding in float32.

        Parameters
        ----------
        asked
            A plane and all prompts for an object on it, of each.
        object_size, framing, cancel
            See `segment`.

        Yields
        ------
        Segmentation or UserError or None
            For each object its answer, or why it has none; besides, None wherever something more urgent may come in
            between.

        Raises
        ------
        Cancelled
            If `cancel` was set.
        """
        answers: dict[int, Segmentation | UserError] = {}
        begun: dict[int, FirstDecode] = {}
        for at, (plane, prompts) in enumerate(asked):
            try:
                check_prompts(prompts, plane.shape(self.source.shape))
            except UserError as error:
                answers[at] = error
            else:
                fit = LevelFit(self.embedder, plane, prompts, None, _ambiguous(prompts), framing, cancel)
                begun[at] = FirstDecode(fit, _first_level(fit, object_size))
        if framing.tight:
            embed_together(list(begun.values()))
        together, order = self.objects_at_once, list(begun)
        if len(order) > together:
            # What is shown at one level is decoded in one batch.
            order.sort(key=lambda at: begun[at].level or 0.0)
        given = 0
        for start in range(0, len(order), together):
            some = order[start : start + together]
            yield from decode_first([begun[at] for at in some], together)
            for at in some:
                answers[at] = self._ended(begun[at])
                yield None
                while given in answers:
                    yield answers.pop(given)
                    given += 1
        yield from (answers[at] for at in sorted(answers))

    def _ended(self, begun: FirstDecode) -> Segmentation:
        trace = AreaTrace(self.embedder)
        traced = replace(begun.fit, embedder=trace)
        found = traced.scanned() if begun.level is None else traced.fitted(begun.level, tried=begun.tried)
        return replace(found, areas=trace.take())

    def rehearse(
        self,
        plane: Plane,
        prompts: Prompts,
        *,
        object_size: float | None = None,
        previous: Mask | None = None,
        cancel: CancelToken | None = None,
    ) -> Segmentation | None:
        """Segment what the user may ask for in a moment, without a trace: no other answer depends on it.

        Parameters
        ----------
        plane, prompts, object_size, previous, cancel
            See `segment`.

        Returns
        -------
        Segmentation or None
            What `segment` would answer now; if that is asked for indeed, `take_in` is to follow. None for models whose
            windows take long to encode: that had better wait until it is wanted.
        """
        if not self.model.network.fully_convolutional:
            return None
        aside = copy.copy(self)
        aside.embedder = self.embedder.aside(plane)
        return aside.segment(plane, prompts, object_size=object_size, previous=previous, cancel=cancel)

    def take_in(self, plane: Plane, answer: Segmentation, cancel: CancelToken | None = None) -> None:
        """Take in what was encoded for an answer of `rehearse`, as if `segment` had answered."""
        self.embedder.take_in(plane, answer.areas, cancel)

    def _fitted(self, fit: LevelFit, object_size: float | None) -> Segmentation:
        previous = fit.previous
        if previous is not None and previous.window is not None:
            row0, column0, row1, column1 = previous.window.bounds
            finer = math.log2(self.model.network.mask_stride)
            level = level_of(previous.window.step, pixel_aspect(self.source.scale, fit.plane.axes)) - finer
            return fit.fitted(level, ((row0 + row1) / 2, (column0 + column1) / 2))
        first = _first_level(fit, object_size)
        return fit.scanned() if first is None else fit.fitted(first)

    def _prepared_steps(self, plane: Plane, object_size: float | None) -> list[tuple[float, float]]:
        liked, aspect = self.model.spec.object_size_px, pixel_aspect(self.source.scale, plane.axes)
        levels = [level_for(object_size or liked, liked)]
        if object_size is None:
            levels = prepared_levels(plane.shape(self.source.shape), aspect, self.model.network.window, levels[0])
        return [step_at(level, aspect) for level in levels]


def check_prompts(prompts: Prompts, shape: tuple[int, int]) -> None:
    """Refuse prompts that make no sense on a plane of (rows, columns).

    Raises
    ------
    UserError
        Without any prompt, or with a prompt outside the plane.
    """
    rows, columns = shape
    box = prompt_box(prompts)
    if box is None:
        raise UserError("There is nothing to segment: give a point, a box, a scribble or a mask.")
    # Said so that a coordinate that is no number is outside, too.
    if not (box[0] >= -0.5 and box[1] >= -0.5 and box[2] <= rows - 0.5 and box[3] <= columns - 0.5):
        raise UserError(
            f"A prompt lies outside the image: this plane has {rows} rows and {columns} columns, "
            f"and the prompts reach from ({box[0]:g}, {box[1]:g}) to ({box[2]:g}, {box[3]:g})."
        )


def _ambiguous(prompts: Prompts) -> bool:
    """Tell whether prompts are a single point, which may mean several things."""
    return prompts == Prompts(prompts.points[:1])


def _first_level(fit: LevelFit, object_size: float | None) -> float | None:
    """Return the level to begin at without a previous mask; None where several are tried."""
    prompts = fit.prompts
    if prompts.box is not None or prompts.mask is not None:
        return fit.level_for_prompts(None)
    return None if object_size is None and _ambiguous(prompts) else fit.level_for_prompts(object_size)

"""The replay of what was done to labels, without a window."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.label_array import check_fits
from napari_sam.labels.paint import Collision, paint
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.segmentation import Segmentation, Setup
from napari_sam.session.compute.engine import Engine, PlaneSegmenter
from napari_sam.session.object.speculative import previous_mask_prompt
from napari_sam.session.record.annotation import Accepted, Annotation, Deleted, Edited, Event, Painted, Relabelled
from napari_sam.session.record.object_record import ObjectRecord, PropagateStep, SegmentStep
from napari_sam.volume.carry import PropagatedPlane

NOTHING = Mask((0, 0, 0, 0), np.zeros((0, 0), bool))


def replay(
    annotation: Annotation,
    source: ImageSource,
    engine: Engine,
    *,
    on_event: Callable[[int], None] | None = None,
    into: Any = None,
) -> Any:
    """Do everything again that was done to labels.

    Parameters
    ----------
    annotation
        What was done.
    source
        The image that it was done on.
    engine
        What computes.
    on_event
        Called with the number of events that are done, after each.
    into
        Where the labels go: an array of zeros of the annotation's shape and type; None makes one.

    Returns
    -------
    ndarray
        The labels; or `into`.

    Raises
    ------
    UserError
        If a model is missing or is another one, or what was done does not fit the image.
    """
    if tuple(annotation.shape) != source.shape:
        raise UserError(f"The session's labels have shape {annotation.shape}, and the image has {source.shape}.")
    labels = np.zeros(annotation.shape, annotation.dtype) if into is None else into
    for part in annotation.base:
        part.write(labels)
    objects = Recomputing(source, engine)
    for done, event in enumerate(annotation.events, 1):
        _do(event, labels, objects)
        if on_event is not None:
            on_event(done)
    return labels


def _do(event: Event, labels: Any, objects: "Recomputing") -> None:
    match event:
        case Accepted():
            write_object(labels, event, objects.masks(event.record))
        case Painted():
            event.after.write(labels)
        case Edited():
            for part in event.after:
                part.write(labels)
        case Deleted():
            _repaint(labels, event.bounds, event.label, 0)
        case Relabelled():
            check_fits(event.new, np.dtype(labels.dtype))
            _repaint(labels, event.bounds, event.label, event.new)


def write_object(labels: Any, accepted: Accepted, masks: Mapping[Plane, Mask]) -> None:
    """Write an object as it was when it was accepted."""
    if accepted.record.label is None:
        raise ValueError("an accepted object has an id")
    # It was asked about nothing, or it would not have been written.
    collision = Collision.KEEP if accepted.collision is Collision.ASK else accepted.collision
    paint(
        labels,
        {**dict.fromkeys(accepted.left, NOTHING), **masks},
        accepted.record.label,
        collision,
        replace=accepted.replaces,
        earlier=None if accepted.within is None else tuple(slice(start, stop) for start, stop in accepted.within),
    ).apply(labels)


def _repaint(labels: Any, bounds: tuple[tuple[int, int], ...], label: int, new: int) -> None:
    if not bounds:
        # It had no pixels.
        return
    box = tuple(slice(start, stop) for start, stop in bounds)
    region = np.array(labels[box])
    region[region == label] = new
    labels[box] = region


class _Reached(dict[int, PropagatedPlane]):
    """The planes that were reached, by their position along an axis."""

    def __init__(self, axis: int, planes: Mapping[int, PropagatedPlane]) -> None:
        super().__init__(planes)
        self.axis = axis


class Recomputing:
    """The recomputing of objects.

    Parameters
    ----------
    source
        The image.
    engine
        What computes.
    """

    def __init__(self, source: ImageSource, engine: Engine) -> None:
        self._source = source
        self._engine = engine
        self._opened: dict[Setup, PlaneSegmenter] = {}

    def masks(self, record: ObjectRecord) -> dict[Plane, Mask]:
        """Compute the object's masks, as they were when it was accepted: prompted planes before propagated ones.

        Raises
        ------
        UserError
            If a model is missing or is another one.
        """
        needed = _needed(record)
        if any(record.steps[number].setup is None for number in needed):
            # What made it is not known: it is as it was recorded.
            return _recorded(record)
        results: dict[int, Segmentation | _Reached] = {}
        for number in needed:
            step = record.steps[number]
            if isinstance(step, SegmentStep):
                results[number] = self._segment(step, results)
            else:
                results[number] = self._propagate(step, results)
        masks: dict[Plane, Mask] = {}
        for each in sorted(record.planes, key=lambda each: each.asked is not None):
            if each.shown is not None:
                mask = _mask_on(each.plane, record.steps[each.shown], results[each.shown])
                if mask is not None:
                    masks[each.plane] = mask
        return {plane: mask for plane, mask in masks.items() if mask.area}

    def _segment(self, step: SegmentStep, results: Mapping[int, Any]) -> Segmentation:
        if step.found is not None:
            mask = self._engine.propose_again(self._segmenter(step.setup), step.plane, step.found.origin)
            if mask is None:
                raise UserError("The session cannot be replayed: the model does not find an object that it found.")
            return Segmentation((mask,), 0, step.areas)
        fed = None
        if step.corrects is not None:
            source = results[step.corrects]
            fed = source.mask if isinstance(source, Segmentation) else _reached_on(step.plane, source)
            if fed is not None and not step.with_logits:
                fed = Mask(fed.box, fed.pixels)
        prompts, previous = previous_mask_prompt(step.prompts, fed)
        answer = self._segmenter(step.setup).segment(
            step.plane, prompts, object_size=step.object_size, previous=previous, areas=step.areas
        )
        if step.chosen is None:
            return answer
        if not 0 <= step.chosen < len(answer.candidates):
            raise UserError("The session cannot be replayed: the model gives fewer candidates than it did.")
        return Segmentation(answer.candidates, step.chosen, answer.areas)

    def _propagate(self, step: PropagateStep, results: Mapping[int, Any]) -> _Reached:
        planes = self._engine.propagate(
            self._segmenter(step.setup),
            step.plane,
            {position: results[key].mask for position, key in step.keys},
            step.axis,
            start=step.start,
            stop=step.stop,
            views=step.views,
            areas=step.areas,
            revision=step.revision,
        )
        # Planes go by the axis: a correction asks for one of them.
        return _Reached(step.axis, {each.index: each for each in islice(planes, step.reached)})

    def _segmenter(self, setup: Setup | None) -> PlaneSegmenter:
        assert setup is not None
        if setup not in self._opened:
            self._opened[setup] = self._engine.open_as(setup, self._source)
        return self._opened[setup]


def _recorded(record: ObjectRecord) -> dict[Plane, Mask]:
    masks = {}
    for each in sorted(record.planes, key=lambda each: each.asked is not None):
        if each.mask is not None:
            masks[each.plane] = each.mask
    return {plane: mask for plane, mask in masks.items() if mask.area}


def _mask_on(plane: Plane, step: SegmentStep | PropagateStep, result: Any) -> Mask | None:
    return result.mask if isinstance(step, SegmentStep) else _reached_on(plane, result)


def _reached_on(plane: Plane, reached: _Reached) -> Mask | None:
    found = reached.get(plane.index[reached.axis])
    return None if found is None else found.mask


def _needed(record: ObjectRecord) -> list[int]:
    """Find the numbers of the steps that the masks depend on, ascending."""
    waiting = [each.shown for each in record.planes if each.shown is not None]
    needed: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number in needed:
            continue
        needed.add(number)
        step = record.steps[number]
        if isinstance(step, PropagateStep):
            waiting.extend(key for _, key in step.keys)
        elif step.corrects is not None:
            waiting.append(step.corrects)
    return sorted(needed)

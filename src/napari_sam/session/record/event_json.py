"""The events of labels, with their objects, to their form in JSON, and back; what many steps share is listed once."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec
import numpy as np

from napari_sam.discover.proposals import ProposalOrigin, Wanted
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Window
from napari_sam.prompts.json_form import (
    MALFORMED,
    WindowForm,
    mask_form,
    prompts_form,
    read_mask,
    read_prompts,
    read_window_form,
    window_form,
)
from napari_sam.prompts.prompt import Point
from napari_sam.segment.segmentation import Setup
from napari_sam.session.labels.edit_description import EditDescription
from napari_sam.session.labels.packed_labels import PackedLabels
from napari_sam.session.object.draft import FoundOrigin
from napari_sam.session.record.annotation import Accepted, Deleted, Edited, Event, Painted, Relabelled, Renamed
from napari_sam.session.record.object_record import ObjectRecord, PlaneRecord, PropagateStep, SegmentStep, Step
from napari_sam.session.record.session_form import (
    AcceptForm,
    DeleteForm,
    EditForm,
    EventForm,
    FoundForm,
    LabelType,
    ObjectForm,
    ObjectPlaneForm,
    PaintForm,
    PixelsForm,
    PropagateForm,
    RelabelForm,
    RenameForm,
    SegmentForm,
    SetupForm,
    StepForm,
    WantedForm,
)

A = TypeVar("A")
B = TypeVar("B")


@contextmanager
def located(where: str) -> Iterator[None]:
    """Say in a ValueError at which place of the file it is, in the way of msgspec."""
    try:
        yield
    except MALFORMED as error:
        raise ValueError(f"{error} - at `$.{where}`") from error


def read_each(where: str, forms: Iterable[A], read: Callable[[A], B]) -> tuple[B, ...]:
    """Read the forms of a list; what cannot be read is `located`."""
    found = []
    for at, form in enumerate(forms):
        with located(f"{where}[{at}]"):
            found.append(read(form))
    return tuple(found)


class Palette:
    """The setups and areas by number.

    Parameters
    ----------
    setups, areas
        The forms of those that there are already.
    """

    def __init__(self, setups: Iterable[SetupForm] = (), areas: Iterable[WindowForm] = ()) -> None:
        self._setups = [_read_setup(setup) for setup in setups]
        self._areas = [read_window_form(area) for area in areas]
        self._setup_numbers = {setup: at for at, setup in enumerate(self._setups)}
        self._area_numbers = {area: at for at, area in enumerate(self._areas)}

    @property
    def setups(self) -> tuple[SetupForm, ...]:
        """Forms of all setups, in the order of their numbers."""
        return tuple(map(_setup_form, self._setups))

    @property
    def areas(self) -> tuple[WindowForm, ...]:
        """Forms of all areas, in the order of their numbers."""
        return tuple(map(window_form, self._areas))

    def setup_number(self, setup: Setup) -> int:
        """Return the number of a setup, which is a new one if need be."""
        if setup not in self._setup_numbers:
            self._setup_numbers[setup] = len(self._setups)
            self._setups.append(setup)
        return self._setup_numbers[setup]

    def area_number(self, area: Window) -> int:
        """Return the number of an area, which is a new one if need be."""
        if area not in self._area_numbers:
            self._area_numbers[area] = len(self._areas)
            self._areas.append(area)
        return self._area_numbers[area]

    def setup(self, number: int) -> Setup:
        """Return the setup of a number; raise ValueError if there is none."""
        return _numbered("setup", self._setups, number)

    def area(self, number: int) -> Window:
        """Return the area of a number; raise ValueError if there is none."""
        return _numbered("area", self._areas, number)


def _numbered(kind: str, values: Sequence[A], number: int) -> A:
    if number >= len(values):
        raise ValueError(f"there is no {kind} number {number}")
    return values[number]


def _setup_form(setup: Setup) -> SetupForm:
    limits = None if setup.contrast is None else setup.contrast.limits
    nonfinite = setup.contrast is not None and setup.contrast.has_nonfinite
    return SetupForm(
        setup.model,
        setup.digest,
        setup.precision,
        setup.device,
        limits,
        nonfinite,
        setup.channels,
        setup.local_corrections,
    )


def _read_setup(form: SetupForm) -> Setup:
    contrast = None if form.contrast is None else Contrast(form.contrast, form.nonfinite)
    return Setup(form.model, form.digest, form.precision, form.device, contrast, form.channels, form.local_corrections)


def object_form(record: ObjectRecord, palette: Palette) -> ObjectForm:
    """Return the form of an object's record; setups and areas are numbers of the palette."""
    return ObjectForm(
        record.label,
        record.name,
        record.refines,
        tuple(_step_form(step, palette) for step in record.steps),
        tuple(map(_plane_form, record.planes)),
        record.order,
    )


def read_object(form: ObjectForm, palette: Palette) -> ObjectRecord:
    """Return the record; raise one of `MALFORMED` if it names what the palette lacks, or a mask is damaged."""
    steps = tuple(_read_step(step, palette) for step in form.steps)
    return ObjectRecord(form.label, form.name, steps, tuple(map(_read_plane, form.planes)), form.order, form.refines)


def _step_form(step: Step, palette: Palette) -> StepForm:
    setup = None if step.setup is None else palette.setup_number(step.setup)
    areas = tuple(map(palette.area_number, step.areas))
    if isinstance(step, PropagateStep):
        return PropagateForm(
            step.plane,
            setup,
            areas,
            step.axis,
            step.start,
            step.stop,
            step.keys,
            step.reached,
            step.views,
            step.revision,
        )
    prompts, size = prompts_form(step.prompts), step.object_size
    found = None if step.found is None else _found_form(step.found)
    return SegmentForm(step.plane, setup, areas, prompts, size, step.corrects, step.with_logits, step.chosen, found)


def _found_form(found: FoundOrigin) -> FoundForm:
    wanted = found.wanted
    largest = wanted.largest if math.isfinite(wanted.largest) else None
    form = WantedForm(wanted.confidence, wanted.smallest, largest, wanted.overlap, wanted.likeness)
    return FoundForm(found.origin.level, found.origin.candidate, found.confidence, form, found.likeness)


def _read_found(form: FoundForm, point: Point, area: Window) -> FoundOrigin:
    wanted, largest = form.wanted, math.inf if form.wanted.largest is None else form.wanted.largest
    return FoundOrigin(
        ProposalOrigin((point.row, point.column), form.level, area, form.candidate),
        form.confidence,
        Wanted(wanted.confidence, wanted.smallest, largest, wanted.overlap, wanted.likeness),
        form.likeness,
    )


def _read_step(form: StepForm, palette: Palette) -> Step:
    setup = None if form.setup is None else palette.setup(form.setup)
    areas = tuple(map(palette.area, form.areas))
    if isinstance(form, PropagateForm):
        return PropagateStep(
            form.plane,
            form.axis,
            form.start,
            form.stop,
            form.keys,
            form.reached,
            setup,
            areas,
            form.views,
            form.revision,
        )
    prompts, size = read_prompts(form.prompts), form.object_size
    found = None if form.found is None else _read_found(form.found, prompts.points[0], areas[0])
    return SegmentStep(form.plane, prompts, size, form.corrects, form.with_logits, form.chosen, setup, areas, found)


def _plane_form(each: PlaneRecord) -> ObjectPlaneForm:
    candidates = tuple(map(mask_form, each.candidates))
    return ObjectPlaneForm(each.plane, each.asked, each.shown, candidates, each.chosen, each.confidence)


def _read_plane(form: ObjectPlaneForm) -> PlaneRecord:
    candidates = tuple(map(read_mask, form.candidates))
    return PlaneRecord(form.plane, form.asked, form.shown, candidates, form.chosen, form.confidence)


def event_form(event: Event, palette: Palette) -> EventForm:
    """Return the form of an event; setups and areas are numbers of the palette."""
    match event:
        case Accepted():
            record = object_form(event.record, palette)
            return AcceptForm(record, event.collision, event.replaces, event.left, event.within)
        case Painted():
            objects = tuple(object_form(record, palette) for record in event.objects)
            return PaintForm(pixels_form(event.after), objects, event.gone)
        case Edited(edit=edit):
            objects = tuple(object_form(record, palette) for record in event.objects)
            pixels = tuple(map(pixels_form, event.after))
            return EditForm(
                edit.kind,
                edit.labels,
                pixels,
                objects,
                event.gone,
                edit.plane,
                edit.distance,
                edit.unit,
                edit.clicks,
            )
        case Deleted():
            return DeleteForm(event.label, event.bounds)
        case Relabelled():
            return RelabelForm(event.label, event.new, event.bounds)
        case Renamed():
            return RenameForm(event.label, event.name)


def read_events(forms: Iterable[EventForm], palette: Palette) -> tuple[Event, ...]:
    """Return the events; raise ValueError if one names what the palette lacks, or is damaged."""
    return read_each("events", forms, lambda form: _read_event(form, palette))


def _read_event(form: EventForm, palette: Palette) -> Event:
    match form:
        case AcceptForm():
            record = read_object(form.object, palette)
            return Accepted(record, form.collision, form.replaces, form.left, form.within)
        case PaintForm():
            objects = tuple(read_object(each, palette) for each in form.objects)
            return Painted(read_pixels(form.pixels), objects, form.gone)
        case EditForm():
            objects = tuple(read_object(each, palette) for each in form.objects)
            pixels = tuple(map(read_pixels, form.pixels))
            edit = EditDescription(form.edit, form.labels, form.plane, form.distance, form.unit, form.clicks)
            return Edited(edit, pixels, objects, form.gone)
        case DeleteForm():
            return Deleted(form.label, form.box)
        case RelabelForm():
            return Relabelled(form.label, form.new, form.box)
        case RenameForm():
            return Renamed(form.label, form.name)


def label_type(dtype: str) -> LabelType:
    """Return the name of a type of labels; raise ValueError if it is none of whole numbers."""
    name: LabelType = msgspec.convert(np.dtype(dtype).name, LabelType)
    return name


def pixels_form(labels: PackedLabels) -> PixelsForm:
    """Return the form of labels of pixels."""
    return PixelsForm(labels.bounds, label_type(labels.dtype), labels.count, labels.where, labels.values)


def read_pixels(form: PixelsForm) -> PackedLabels:
    """Return the labels of pixels; raise one of `MALFORMED` if they cannot be unpacked."""
    packed = PackedLabels(form.box, np.dtype(form.dtype).newbyteorder("<").str, form.count, form.where, form.labels)
    packed.check()
    return packed

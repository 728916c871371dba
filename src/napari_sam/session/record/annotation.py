"""The events of an annotation, in order: doing them to labels again gives the same labels."""

from dataclasses import dataclass, field
from typing import TypeAlias

from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Plane
from napari_sam.session.labels.edit_description import EditDescription
from napari_sam.session.labels.packed_labels import Bounds, PackedLabels
from napari_sam.session.record.object_record import ObjectRecord


@dataclass(frozen=True, eq=False)
class Accepted:
    """The event of an object that was written into the labels.

    Parameters
    ----------
    record
        The object; its label is known.
    collision
        What happened to pixels of other labels.
    replaces
        Whether pixels that had its label before, on its planes and on those in `left`, were removed first.
    left
        Planes that the object had been on before.
    within
        The box that these pixels were looked for in; None for whole planes.
    """

    record: ObjectRecord
    collision: Collision = Collision.KEEP
    replaces: bool = False
    left: tuple[Plane, ...] = ()
    within: Bounds | None = None


@dataclass(frozen=True, eq=False)
class Painted:
    """The event of pixels that were changed by hand, or by anything else.

    Parameters
    ----------
    after
        The pixels that changed, with their new labels.
    objects
        Objects that came to be, or are other ones, by that.
    gone
        Labels of objects that are no more.
    """

    after: PackedLabels
    objects: tuple[ObjectRecord, ...] = ()
    gone: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Edited:
    """The event of accepted objects that were merged, split or reshaped.

    Parameters
    ----------
    edit
        What was asked for.
    after
        The pixels that changed, with their new labels, part by part.
    objects
        Objects that came to be, or are other ones, by that.
    gone
        Labels of objects that are no more.
    """

    edit: EditDescription
    after: tuple[PackedLabels, ...]
    objects: tuple[ObjectRecord, ...] = ()
    gone: tuple[int, ...] = ()


@dataclass(frozen=True)
class Deleted:
    """The event of all pixels of a label inside a box that became background."""

    label: int
    bounds: Bounds


@dataclass(frozen=True)
class Relabelled:
    """The event of all pixels of a label inside a box that got another one, and of the object that got that id."""

    label: int
    new: int
    bounds: Bounds


@dataclass(frozen=True)
class Renamed:
    """The event of an object that got another name."""

    label: int
    name: str


Event: TypeAlias = Accepted | Painted | Edited | Deleted | Relabelled | Renamed


@dataclass(frozen=True, eq=False)
class Annotation:
    """The labels of one image: how they began, and what was done to them.

    Parameters
    ----------
    shape, dtype
        Of the label array.
    base
        The labels before the first event, where they were not 0.
    events
        What was done, in order.
    draft
        The object in work, which is in no labels yet; None if there is none.
    """

    shape: tuple[int, ...]
    dtype: str
    base: tuple[PackedLabels, ...] = ()
    events: tuple[Event, ...] = ()
    draft: ObjectRecord | None = field(default=None)

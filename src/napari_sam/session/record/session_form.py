"""The form of a session file: types by which msgspec checks, reads and writes it.

They are the one place that says what is in such a file: docs/session-file.schema.json is made from them, by
scripts/session_schema.py. What no type can say is checked as a form is made, or as it is read (`event_json`). The log
is made of the same ones, see `log_records`.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, field

from napari_sam.discover.proposals import LIKENESS
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Plane
from napari_sam.prompts.json_form import Form, MaskForm, Natural, Pair, Positive, PromptsForm, WindowForm
from napari_sam.session.labels.edit_description import EditKind
from napari_sam.session.labels.packed_labels import Bounds

FORMAT: Final = "napari-sam session"
VERSION: Final = 1

BoundsForm: TypeAlias = tuple[tuple[Natural, Natural], ...]
"""[start, stop] along every axis, half-open."""
LabelType: TypeAlias = Literal["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


class ImageForm(Form):
    """What the image is known by: the fields of `ImageIdentity`."""

    path: str
    shape: tuple[Natural, ...]
    dtype: str
    rgb: bool
    channel_axis: int | None
    n_channels: int = field(name="channels")
    scale: tuple[float, ...] | None
    axis_labels: tuple[str, ...] | None
    units: tuple[str, ...] | None
    fingerprint: Annotated[str, Meta(description="SHA-256 of 16 small squares of pixels; empty if not known")]
    shown: Annotated[
        tuple[Natural, ...] | None, Meta(description="Channels that were chosen, in order; null for the first three")
    ] = None


class SetupForm(Form):
    """What answers were computed with; see `Setup`."""

    model: Annotated[str, Meta(description="Name, or path")]
    digest: Annotated[str, Meta(description="SHA-256 of the weights; empty if not known")]
    precision: str
    device: str
    contrast: Annotated[tuple[Pair, ...], Meta(description="[low, high] per channel")] | None
    nonfinite: Annotated[bool, Meta(description="Whether what the contrast was measured on held NaN or infinity")]
    channels: tuple[int, ...] | None
    local_corrections: Annotated[bool, Meta(description="Whether corrections were kept to what is near them")] = False


class PixelsForm(Form):
    """Labels of some pixels of a box.

    `where` are the bits of those that are meant, the first in the highest bit of a byte, deflated (zlib), empty for
    all; `count`, how many they are; `labels`, theirs, deflated, little-endian, in C order - or a single one for all.
    """

    box: BoundsForm
    dtype: LabelType
    count: Natural
    where: bytes
    labels: bytes

    def __post_init__(self) -> None:
        _check_bounds(self.box)


def _check_bounds(bounds: Bounds) -> None:
    if any(stop < start for start, stop in bounds):
        raise ValueError("a box has its sides the wrong way round")


class WantedForm(Form):
    """What was wanted of the proposals; see `Wanted`."""

    confidence: float
    smallest: float
    largest: Annotated[float | None, Meta(description="null for no bound")]
    overlap: float
    likeness: float = LIKENESS


class FoundForm(Form, omit_defaults=True):
    """The proposal that an object was, of everything on a plane; see `FoundOrigin`."""

    level: float
    candidate: Natural
    confidence: float
    wanted: WantedForm
    likeness: Annotated[float | None, Meta(description="Missing where it was not found by examples")] = None


class SegmentForm(Form, tag_field="do", tag="segment", omit_defaults=True):
    """The step in which the model was asked about a plane; see `SegmentStep`."""

    plane: Plane
    setup: Natural | None
    areas: tuple[Natural, ...]
    prompts: PromptsForm
    object_size: float | None
    corrects: Natural | None
    with_logits: bool
    chosen: int | None
    found: Annotated[FoundForm | None, Meta(description="Where everything was asked for: by a point, on one area")] = (
        None
    )

    def __post_init__(self) -> None:
        if self.found is not None and (len(self.prompts.points) != 1 or len(self.areas) != 1):
            raise ValueError("what was found has one point and one area")

    @property
    def needed(self) -> tuple[int, ...]:
        """Numbers of the steps that it refers to."""
        return () if self.corrects is None else (self.corrects,)


class PropagateForm(Form, tag_field="do", tag="propagate", omit_defaults=True):
    """The step in which the object was carried along an axis; see `PropagateStep`."""

    plane: Plane
    setup: Natural | None
    areas: tuple[Natural, ...]
    axis: Natural
    start: int | None
    stop: int | None
    keys: Annotated[tuple[tuple[int, Natural], ...], Meta(description="[position, step that gave the mask there]")]
    reached: int | None
    views: Annotated[bool, Meta(description="Whether three views voted on each voxel")] = False
    revision: Annotated[int, Meta(description="The way in which it was carried", ge=1)] = 1

    def __post_init__(self) -> None:
        if self.axis >= self.plane.ndim or self.axis in self.plane.axes:
            raise ValueError(f"axis {self.axis} cannot be gone along")

    @property
    def needed(self) -> tuple[int, ...]:
        """Numbers of the steps that it refers to."""
        return tuple(step for _, step in self.keys)


StepForm: TypeAlias = SegmentForm | PropagateForm


class ObjectPlaneForm(Form):
    """What came of the steps on one plane; see `PlaneRecord`."""

    plane: Plane
    asked: Natural | None
    shown: Natural | None
    candidates: tuple[MaskForm, ...]
    chosen: int
    confidence: float | None

    def __post_init__(self) -> None:
        if self.candidates and not 0 <= self.chosen < len(self.candidates):
            raise ValueError(f"there is no candidate {self.chosen}")


class ObjectForm(Form):
    """An object: how it was made, and what came of it; see `ObjectRecord`.

    A step refers to earlier ones, a plane to any, by number; `order` is [plane, kind of prompt].
    """

    label: Positive | None
    name: str
    refines: bool
    steps: tuple[StepForm, ...]
    planes: tuple[ObjectPlaneForm, ...]
    order: tuple[tuple[Plane, str], ...]

    def __post_init__(self) -> None:
        for at, step in enumerate(self.steps):
            if any(needed >= at for needed in step.needed):
                raise ValueError(f"step {at} refers to one that is not before it")
        for each in self.planes:
            if any(at is not None and at >= len(self.steps) for at in (each.asked, each.shown)):
                raise ValueError("a plane refers to a step that is not there")
            if each.asked is not None and not isinstance(self.steps[each.asked], SegmentForm):
                raise ValueError("a propagation has no prompts")


class AcceptForm(Form, tag_field="do", tag="accept"):
    """The event of an object that was written into the labels; see `Accepted`."""

    object: ObjectForm
    collision: Collision
    replaces: bool
    left: tuple[Plane, ...]
    within: BoundsForm | None

    def __post_init__(self) -> None:
        if self.object.label is None:
            raise ValueError("an accepted object has no id")
        _check_bounds(self.within or ())


class PaintForm(Form, tag_field="do", tag="paint"):
    """The event of pixels that got other labels, by hand or many objects at once; see `Painted`."""

    pixels: PixelsForm
    objects: tuple[ObjectForm, ...]
    gone: tuple[int, ...]


class EditForm(Form, tag_field="do", tag="edit", omit_defaults=True):
    """The event of accepted objects that were merged, split or reshaped; see `Edited` and `EditDescription`.

    `pixels` got other labels by it, part by part.
    """

    edit: EditKind
    labels: Annotated[tuple[int, ...], Meta(description="Which objects; empty for all")]
    pixels: tuple[PixelsForm, ...]
    objects: tuple[ObjectForm, ...] = ()
    gone: tuple[int, ...] = ()
    plane: Annotated[Plane | None, Meta(description="The only plane that it was done on")] = None
    distance: float = 0.0
    unit: Annotated[str, Meta(description="Of the distance")] = ""
    clicks: Annotated[tuple[tuple[Plane, float, float], ...], Meta(description="[plane, row, column], one a part")] = ()


class DeleteForm(Form, tag_field="do", tag="delete"):
    """The event of all pixels of a label in a box that became 0."""

    label: int
    box: BoundsForm

    def __post_init__(self) -> None:
        _check_bounds(self.box)


class RelabelForm(Form, tag_field="do", tag="relabel"):
    """The event of all pixels of a label in a box that became `new`, and of the object that got that id."""

    label: int
    new: int
    box: BoundsForm

    def __post_init__(self) -> None:
        _check_bounds(self.box)


class RenameForm(Form, tag_field="do", tag="rename"):
    """The event of an object that got another name."""

    label: int
    name: str


EventForm: TypeAlias = AcceptForm | PaintForm | EditForm | DeleteForm | RelabelForm | RenameForm


class LabelsForm(Form):
    """The labels: the file beside this one, and what was not 0 before anything was done."""

    file: str
    shape: tuple[Natural, ...]
    dtype: LabelType
    base: tuple[PixelsForm, ...]


class SessionForm(Form):
    """A session file of napari-sam: how labels came about."""

    format: Literal["napari-sam session"]
    version: Literal[1]
    written_by: Annotated[dict[str, str], Meta(description="Versions of the programs that answers depend on")]
    image: ImageForm
    labels: LabelsForm
    setups: Annotated[tuple[SetupForm, ...], Meta(description="Steps name them by number")]
    areas: Annotated[tuple[WindowForm, ...], Meta(description="Windows that were encoded; steps name them by number")]
    events: Annotated[tuple[EventForm, ...], Meta(description="What was done and not undone, in order")]
    draft: ObjectForm | None

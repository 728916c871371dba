"""The recipe of a batch: types by which msgspec checks, reads and writes it.

They are the one place that says what is in such a file: docs/recipe.schema.json is made from them, by
scripts/recipe_schema.py. Reading files, and what is said of those that do not fit, is in `recipe_file`.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from napari_sam.discover.proposals import CONFIDENCE, LIKENESS, OVERLAP
from napari_sam.planes.units import in_centimeters

Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Diameter: TypeAlias = Annotated[float, Meta(ge=0)]
Distance: TypeAlias = Annotated[float, Meta(gt=0)]
Natural: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Format: TypeAlias = Literal["ome-tiff", "ome-zarr", "imagej-rois", "qupath", "coco", "outlines", "png"]
Filled: TypeAlias = Annotated[str, Meta(min_length=1)]
ALL = "all"
"""As a series: every image of a plate or collection."""


class RecipePart(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A table of a recipe: what it does not say has its default, and a key that is not known is refused."""


class ImageChoice(RecipePart, kw_only=True, frozen=True):
    """Which images, and how their files are read."""

    files: Annotated[tuple[Filled, ...], Meta(description="Names with * and **, relative to the recipe")] = ()
    exclude: Annotated[tuple[Filled, ...], Meta(description="Names that are left out, likewise")] = ()
    table: Annotated[
        Filled | None, Meta(description="A CSV with a column image, and where it is needed prompts or labels")
    ] = None
    axes: Annotated[Filled | None, Meta(description="A letter for each axis, as ZCYX, where files do not tell")] = None
    series: Annotated[
        Natural | Filled | None,
        Meta(description="Which image of a file that holds several; all for each well and field of OME-Zarr plates"),
    ] = None
    channel: Annotated[
        Natural | Filled | tuple[Natural | Filled, ...] | None, Meta(description="Up to three, by number or name")
    ] = None
    scale: Annotated[
        tuple[Distance, ...] | None, Meta(description="Size of a pixel along each axis, where files do not tell")
    ] = None

    def __post_init__(self) -> None:
        if not self.files and self.table is None:
            raise ValueError("give files (names with *) or a table")

    def reading(self, series: str | None) -> dict[str, object]:
        """Return what `open_image` is to be told beside the path, for one series of a file."""
        said = self.series if self.series != ALL else None
        told = {
            "axes": self.axes,
            "series": said if series is None else series,
            "channel": self.channel,
            "scale": self.scale,
        }
        return {name: value for name, value in told.items() if value is not None}


class ModelChoice(RecipePart, kw_only=True, frozen=True):
    """Which model, and where it runs; see `load_model`."""

    name: Annotated[Filled, Meta(description="Of `napari-sam models`, or a file of weights")] = "nano"
    device: Filled = "auto"
    precision: Filled = "auto"


class ContrastChoice(RecipePart, kw_only=True, frozen=True):
    """The limits that images are scaled by; without this table they are measured in each image."""

    limits: Annotated[
        tuple[tuple[float, float], ...],
        Meta(min_length=1, description="[low, high], one pair for each channel or one for all"),
    ]

    def __post_init__(self) -> None:
        if not all(low < high for low, high in self.limits):
            raise ValueError("limits are pairs of a lower and a higher value")


class FindingPart(RecipePart, tag_field="what", kw_only=True, frozen=True):
    """What all ways to find objects without a prompt have in common."""

    smallest: Annotated[Diameter, Meta(description="Of the disc (in volumes: the ball) as large as an object")] = 0.0
    largest: Annotated[Diameter | None, Meta(description="Likewise; without it there is no bound")] = None
    unit: Annotated[Filled, Meta(description="Of these: pixel, or a length (nm, um, mm)")] = "pixel"
    overlap: Annotated[Share, Meta(description="Share of the smaller of two objects that both may have")] = OVERLAP
    border: Annotated[
        Literal["keep", "drop"], Meta(description="Whether objects stay that touch an edge of their plane")
    ] = "keep"
    region: Annotated[
        tuple[float, float, float, float] | None,
        Meta(description="[row0, column0, row1, column1]: only objects whose middle lies inside"),
    ] = None
    plane_axes: Annotated[
        tuple[int, int], Meta(description="Row and column axis; negative ones count from the last")
    ] = (-2, -1)

    def __post_init__(self) -> None:
        if self.largest is not None and self.largest < self.smallest:
            raise ValueError(f"smallest is {self.smallest:g}, but largest {self.largest:g}")
        if self.unit != "pixel" and in_centimeters(self.unit) is None:
            raise ValueError(f"unit is pixel or a length (nm, um, mm), not {self.unit}")


class EverythingStep(FindingPart, tag="everything", kw_only=True, frozen=True):
    """Everything that the model sees, on each plane alone; see `segment_everything`."""

    confidence: Share = CONFIDENCE
    planes: Annotated[tuple[Natural, ...] | None, Meta(description="Which planes of a stack; all if not given")] = None


class VolumesStep(FindingPart, tag="volumes", kw_only=True, frozen=True):
    """Everything that the model sees, linked from plane to plane; see `segment_volumes`."""

    confidence: Share = CONFIDENCE
    axis: Annotated[int, Meta(description="The axis to go along")] = 0
    start: Natural | None = None
    stop: Annotated[Natural | None, Meta(description="The last position, inclusive")] = None
    movement: Annotated[
        Distance | None, Meta(description="Where the axis is time: how far objects move at most, in `unit`")
    ] = None


class AlikeStep(FindingPart, tag="alike", kw_only=True, frozen=True):
    """All objects like some that are labelled, on each plane alone; see `find_alike`."""

    labels: Annotated[Filled, Meta(description="File of the labels that hold the examples")]
    image: Annotated[Filled, Meta(description="The image that they are of")]
    ids: Annotated[tuple[Positive, ...] | None, Meta(description="Which of them; all if not given")] = None
    likeness: Share = LIKENESS
    planes: Annotated[tuple[Natural, ...] | None, Meta(description="Which planes of a stack; all if not given")] = None


class PromptsStep(RecipePart, tag_field="what", tag="prompts", kw_only=True, frozen=True):
    """The objects that a table of points names, one table for each image; carried through stacks."""

    table: Annotated[
        Filled | None, Meta(description="Name with {stem}, {name} or {folder}; or the column prompts of images.table")
    ] = None
    object_size: Annotated[Distance | None, Meta(description="Rough diameter in pixels; found out if not given")] = None
    carry: Annotated[bool, Meta(description="Whether objects are carried through the stack")] = True
    axis: Annotated[int | None, Meta(description="To go along; the one in front of the plane if not given")] = None
    start: Natural | None = None
    stop: Natural | None = None
    three_views: Annotated[
        bool | None, Meta(description="Whether three views of an object vote; where it makes sense if not given")
    ] = None


class RefineStep(RecipePart, tag_field="what", tag="refine", kw_only=True, frozen=True):
    """The labels of another program, each asked about as a mask on each plane; their ids stay."""

    labels: Annotated[
        Filled | None, Meta(description="Name with {stem}, {name} or {folder}; or the column labels of images.table")
    ] = None


FindStep: TypeAlias = EverythingStep | VolumesStep | AlikeStep | PromptsStep | RefineStep


class EditStep(RecipePart, kw_only=True, frozen=True):
    """What is done to all objects afterwards; see `fill_holes` and its neighbours."""

    do: Literal["fill_holes", "keep_largest_part", "smooth", "grow", "shrink"]
    distance: Annotated[Distance | None, Meta(description="Of smooth, grow and shrink")] = None
    unit: Annotated[Filled, Meta(description="Of the distance: pixel, or a length (nm, um, mm)")] = "pixel"
    spatial: Annotated[
        Literal[2, 3] | None, Meta(description="2 for plane by plane, 3 for volumes; as was found, if not given")
    ] = None

    def __post_init__(self) -> None:
        needs = self.do in ("smooth", "grow", "shrink")
        if needs != (self.distance is not None):
            raise ValueError(f"{self.do} {'needs a' if needs else 'takes no'} distance")
        if self.unit != "pixel" and in_centimeters(self.unit) is None:
            raise ValueError(f"unit is pixel or a length (nm, um, mm), not {self.unit}")


class OutputChoice(RecipePart, kw_only=True, frozen=True):
    """Where to, and as what."""

    folder: Annotated[Filled, Meta(description="Relative to the recipe")] = "labels"
    name: Annotated[
        Filled, Meta(description="With {stem}, {name} or {folder} of the image; endings are added to it")
    ] = "{stem}-labels"
    formats: Annotated[tuple[Format, ...], Meta(min_length=1, description="One file, or folder, of each")] = (
        "ome-tiff",
    )
    overwrite: Annotated[bool, Meta(description="Whether files that others wrote are replaced")] = False

    def __post_init__(self) -> None:
        if len(set(self.formats)) < len(self.formats):
            raise ValueError(f"formats names one twice: {', '.join(self.formats)}")


class MeasureChoice(RecipePart, kw_only=True, frozen=True):
    """The table of objects that is written for each image; without this table none is. See `measure_objects`."""

    table: Annotated[Literal["csv", "parquet"], Meta(description="As what it is written")] = "csv"
    by_plane: Annotated[bool, Meta(description="Each plane by itself, not volumes")] = False
    intensities: Annotated[bool, Meta(description="Whether intensities of the image's channels are in it")] = True


class Recipe(RecipePart, kw_only=True, frozen=True):
    """A recipe: which images, what is done to each, and what is written.

    Parameters
    ----------
    images
        Which images, and how their files are read.
    find
        What is looked for.
    model, contrast
        By what, and on which limits (measured in each image if not given).
    edit
        What is done to all objects afterwards, in this order.
    outputs
        Where to, and as what.
    measure
        The table of objects; None for none.
    """

    images: ImageChoice
    find: FindStep
    model: ModelChoice = ModelChoice()
    contrast: ContrastChoice | None = None
    edit: tuple[EditStep, ...] = ()
    outputs: OutputChoice = OutputChoice()
    measure: MeasureChoice | None = None
    format: Literal[1] = 1

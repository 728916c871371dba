"""The prompts that a user gives for one object on one plane."""

from dataclasses import dataclass, replace

from napari_sam.planes.geometry import Mask


@dataclass(frozen=True)
class Point:
    """A click: (row, column) in plane coordinates, pixel centres on integers.

    Examples
    --------
    >>> import napari_sam
    >>> napari_sam.Point(35, 24)
    Point(row=35, column=24, positive=True)
    """

    row: float
    column: float
    positive: bool = True


@dataclass(frozen=True)
class Box:
    """A box: inclusive corners (row0, column0) <= (row1, column1) in plane coordinates, pixel centres on integers.

    Examples
    --------
    >>> import napari_sam
    >>> napari_sam.Box(49, 38, 18, 13)  # any two opposite corners
    Box(row0=18, column0=13, row1=49, column1=38)
    >>> napari_sam.Box(18, 13, 49, 38).borders
    (17.5, 12.5, 49.5, 38.5)
    """

    row0: float
    column0: float
    row1: float
    column1: float

    def __post_init__(self) -> None:
        if self.row1 < self.row0 or self.column1 < self.column0:
            row0, row1 = sorted((self.row0, self.row1))
            column0, column1 = sorted((self.column0, self.column1))
            for name, value in (("row0", row0), ("column0", column0), ("row1", row1), ("column1", column1)):
                object.__setattr__(self, name, value)

    @classmethod
    def within(cls, row0: float, column0: float, row1: float, column1: float) -> "Box":
        """Make the box whose pixels' outer borders these are, in any order, as a person draws it around an object.

        What is narrower than a pixel becomes one pixel around its middle.
        """
        (low_row, high_row), (low_column, high_column) = _shrunk(row0, row1), _shrunk(column0, column1)
        return cls(low_row, low_column, high_row, high_column)

    @property
    def borders(self) -> tuple[float, float, float, float]:
        """(row0, column0, row1, column1): the outer borders of its pixels, half a pixel beyond its corners."""
        return self.row0 - 0.5, self.column0 - 0.5, self.row1 + 0.5, self.column1 + 0.5

    def clipped(self, shape: tuple[int, int]) -> "Box":
        """Clip the box to a plane of (rows, columns); to the nearest pixels of the plane where nothing lies on it."""
        row0, row1 = (min(max(row, 0.0), shape[0] - 1.0) for row in (self.row0, self.row1))
        column0, column1 = (min(max(column, 0.0), shape[1] - 1.0) for column in (self.column0, self.column1))
        return Box(row0, column0, row1, column1)


def _shrunk(one: float, other: float) -> tuple[float, float]:
    """Take half a pixel off at either end of what lies between, as far as there is any."""
    low, high = min(one, other), max(one, other)
    inset = min(0.5, (high - low) / 2)
    return low + inset, high - inset


@dataclass(frozen=True)
class Scribble:
    """A stroke along the object, or along what is beside it.

    Parameters
    ----------
    vertices
        (row, column) of the polyline's vertices in plane coordinates, pixel centres on integers; at least one.
    positive
        Whether it lies on the object.

    Raises
    ------
    ValueError
        Without a vertex.

    Examples
    --------
    >>> import napari_sam
    >>> napari_sam.Scribble(((30, 20), (40, 28)))
    Scribble(vertices=((30, 20), (40, 28)), positive=True)
    """

    vertices: tuple[tuple[float, float], ...]
    positive: bool = True

    def __post_init__(self) -> None:
        if not self.vertices:
            raise ValueError("a scribble has at least one vertex")


@dataclass(frozen=True)
class Prompts:
    """All prompts for one object on one plane.

    Parameters
    ----------
    points
        Positive and negative points, in the order they were given.
    box
        At most one box.
    mask
        A dense mask prompt: a label or the neighbouring plane's mask (binary), or a former result (with logits).
    scribbles
        Positive and negative scribbles, in the order they were given.

    Examples
    --------
    >>> import napari_sam
    >>> prompts = napari_sam.Prompts(box=napari_sam.Box(18, 13, 49, 38))
    >>> prompts.with_point(napari_sam.Point(60, 24, positive=False)).points
    (Point(row=60, column=24, positive=False),)
    >>> bool(napari_sam.Prompts())
    False
    """

    points: tuple[Point, ...] = ()
    box: Box | None = None
    mask: Mask | None = None
    scribbles: tuple[Scribble, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.points) or self.box is not None or self.mask is not None or bool(self.scribbles)

    def with_point(self, point: Point) -> "Prompts":
        """Return these prompts and one more point."""
        return replace(self, points=(*self.points, point))

"""Where an object is carried to."""

from dataclasses import dataclass, field

from napari_sam.errors import UserError
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.session.draft import Draft
from napari_sam.session.origin import Shown


@dataclass(frozen=True)
class Course:
    """Where to carry an object.

    Parameters
    ----------
    plane
        Any of the planes.
    axis
        The axis to go along.
    first, last
        Positions, both inclusive.
    keys
        The user's masks, by position.
    origins
        Where these come from.
    """

    plane: Plane
    axis: int
    first: int
    last: int
    keys: dict[int, Mask]
    origins: dict[int, Shown] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Planes to go to, at most."""
        return self.last - self.first + 1 - len(self.keys)


def plot_course(
    draft: Draft,
    plane: Plane,
    shape: tuple[int, ...],
    axis: int | None = None,
    start: int | None = None,
    stop: int | None = None,
) -> Course:
    """Where an object can be carried to from its key planes parallel to `plane`.

    Parameters
    ----------
    draft
        The object.
    plane
        The plane in view.
    shape
        Of the image.
    axis
        The axis to go along; None for the last one that is not displayed.
    start, stop
        First and last position, inclusive; None for the ends of the image.

    Raises
    ------
    UserError
        If there is no such axis, or no key plane along it.
    """
    across = [other for other in range(plane.ndim) if other not in plane.axes]
    if not across:
        raise UserError("This image has a single plane: there is nothing to propagate along.")
    along = across[-1] if axis is None else axis
    if along not in across:
        raise UserError(f"Axis {along} cannot be propagated along: it is displayed or does not exist.")
    key_planes = {
        other.index[along]: other
        for other in draft.key_masks
        if other.axes == plane.axes and other.at(along, 0) == plane.at(along, 0)
    }
    if not key_planes:
        raise UserError("There is nothing to propagate on this plane or its neighbours: click an object first.")
    return Course(
        plane,
        along,
        0 if start is None else start,
        shape[along] - 1 if stop is None else stop,
        {position: draft.key_masks[other] for position, other in key_planes.items()},
        {
            position: origin
            for position, other in key_planes.items()
            if isinstance(origin := draft.source_of(other), Shown)
        },
    )

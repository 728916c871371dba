"""Names of axes in OME files."""

from napari_sam.errors import UserError

_DEFAULTS = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}


def ome_axes(axes: str | None, ndim: int) -> str:
    """One letter of T, C, Z, Y, X per axis, each at most once, Y and X among them.

    Parameters
    ----------
    axes
        Wanted letters in any case; letters that OME does not know stand for the next free one of Z, T, C. Where Y
        or X is missing or a letter comes twice, the default for `ndim` is taken.
    ndim
        Number of axes.

    Raises
    ------
    UserError
        If there are fewer than two or more than five axes, or `axes` has another length.
    """
    if ndim not in _DEFAULTS:
        raise UserError(f"OME-TIFF files have two to five axes, not {ndim}; save a part of the labels.")
    if not axes:
        return _DEFAULTS[ndim]
    if len(axes) != ndim:
        raise UserError(f"The labels have {ndim} axes but {len(axes)} axis names were given: {axes}.")
    known = [letter if letter in "TCZYX" else "" for letter in axes.upper()]
    named = [letter for letter in known if letter]
    if "Y" not in named or "X" not in named or len(set(named)) < len(named):
        return _DEFAULTS[ndim]
    free = [letter for letter in "ZTC" if letter not in named]
    # The axis next to the rows is most likely the depth.
    for at in reversed(range(ndim)):
        if not known[at]:
            known[at] = free.pop(0)
    return "".join(known)

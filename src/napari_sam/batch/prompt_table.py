"""Tables of points that prompt many objects."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_sam.errors import UserError
from napari_sam.export.save_labels import axis_letters
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts

_LARGEST = 2**32 - 1
_NEGATIVE = ("0", "false", "no")
_POSITIVE = ("", "1", "true", "yes")


def read_prompt_table(path: Path, source: ImageSource) -> dict[int, dict[Plane, Prompts]]:
    """Read the prompts of objects from a table with a line for each point.

    Columns are ``id`` (from 1 on), one for each axis of the image from the first to the last (``z,y,x`` for a stack;
    the last two must be ``y`` and ``x``) and, if there are points beside the objects, ``positive`` (1 or 0). An axis
    may also go by its number (``axis 0`` or ``axis-0``, as napari writes it). Upper case is the same as lower case;
    columns may be parted by semicolons (numbers may have a decimal comma then) or tabs.

    Parameters
    ----------
    path
        A text file with a header.
    source
        The image.

    Returns
    -------
    dict
        For each object, by its id, the prompts on every plane that has any.

    Raises
    ------
    UserError
        If the table cannot be read, lacks a column, or a line is malformed or lies outside the image.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            parted = max(",;\t", key=header.count)
            reader = csv.DictReader(file, delimiter=parted, skipinitialspace=True)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table: {error}.") from error
    columns = [name for name in names if name not in ("id", "positive")]
    # Axes of length 1 need no column.
    needed = 2 + sum(length > 1 for length in source.shape[:-2])
    axes = _ordered(columns, source.ndim) or _ordered(columns, needed)
    if "id" not in names or axes is None:
        named = axis_letters(source.axis_labels) or ""
        front = [named[axis] if named else f"axis {axis}" for axis in range(source.ndim - 3)]
        wanted = ",".join(["id", *front, *"zyx"[-min(source.ndim, 3) :]])
        raise UserError(f"{path} needs the columns {wanted} and perhaps positive, but has {','.join(names) or 'none'}.")
    prompts: dict[int, dict[Plane, Prompts]] = {}
    for number, line in enumerate(lines, 2):
        where = f"{path}, line {number}"
        if None in line or None in line.values():
            raise UserError(f"{where}: there are not as many fields as columns.")
        label, word = _whole(line["id"].strip()), _whole(line.get("positive", "").strip().lower())
        if not label.isdecimal() or int(label) == 0:
            raise UserError(f"{where}: an id is a whole number from 1 on, but got {label!r}.")
        if int(label) > _LARGEST:
            raise UserError(f"{where}: files of labels hold ids up to {_LARGEST}, but got {label}.")
        if word not in (*_POSITIVE, *_NEGATIVE):
            raise UserError(f"{where}: positive is 1 or 0, but got {word!r}.")
        *index, row, column = _position(where, line, axes, source.shape, parted)
        plane = Plane((source.ndim - 2, source.ndim - 1), (*map(int, index), 0, 0))
        on_planes = prompts.setdefault(int(label), {})
        before = on_planes.get(plane, Prompts())
        on_planes[plane] = before.with_point(Point(row, column, positive=word not in _NEGATIVE))
    if not prompts:
        raise UserError(f"{path} has no points.")
    return prompts


def _position(
    where: str, line: Mapping[str, str], axes: Sequence[str], shape: Sequence[int], parted: str
) -> tuple[float, ...]:
    """Return one position for each axis, whole along those in front of the plane, all inside the image."""
    found = []
    for at, (axis, size) in enumerate(zip(axes, shape, strict=True)):
        try:
            position = float(_number(line[axis], parted))
        except ValueError:
            position = math.nan
        in_front = at < len(shape) - 2
        if not math.isfinite(position):
            raise UserError(f"{where}: {axis} is a number, but got {line[axis].strip()!r}.")
        if in_front and position != int(position):
            raise UserError(f"{where}: planes have whole numbers, but {axis} is {position:g}.")
        if not (0 if in_front else -0.5) <= position <= (size - 1 if in_front else size - 0.5):
            raise UserError(
                f"{where}: {axis} is {position:g}, but object {line['id'].strip()} must lie in the image, which goes "
                f"from 0 to {size - 1} there."
            )
        found.append(position)
    return tuple(found)


def _ordered(names: list[str], ndim: int) -> list[str] | None:
    """Return the columns of all axes from the first to the last; None if these are not all, or others."""
    numbers = {name: int(found[1]) for name in names if (found := re.fullmatch(r"axis[ _-]?(\d+)", name))}
    if len(numbers) == len(names):
        names = sorted(names, key=numbers.__getitem__)
    if len(names) != ndim or any(numbers.get(name, at) != at for at, name in enumerate(names)):
        return None
    fits = all(name in numbers or name == known for name, known in zip(names[-2:], "yx", strict=True))
    return names if fits else None


def _number(text: str, parted: str) -> str:
    """Return a number as it is written with a decimal point."""
    return text.strip().replace(",", ".") if parted == ";" else text.strip()


def _whole(number: str) -> str:
    """Return a whole number without the ".0" that other programs write after it."""
    return number.removesuffix(".0")

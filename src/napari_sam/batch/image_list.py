"""The images that a recipe names, and what else there is for each."""

import csv
import glob
import os
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from napari_sam.batch.recipe import ALL, PromptsStep, Recipe, RefineStep
from napari_sam.errors import UserError
from napari_sam.planes.open_image import holds_planes
from napari_sam.planes.open_zarr import list_zarr_images

_ZARR_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_KNOWN = "{stem}, {name}, {folder} and {series}"


@dataclass(frozen=True)
class ListedImage:
    """An image that a recipe names.

    Parameters
    ----------
    path
        The file, or the folder of a zarr image.
    output
        What its outputs are called, without an ending, relative to the folder of outputs.
    prompts, labels
        Files that belong to it, where the recipe asks for such.
    series
        Which image of a file that holds several; None for what the recipe says.
    """

    path: Path
    output: str
    prompts: Path | None = None
    labels: Path | None = None
    series: str | None = None

    @property
    def name(self) -> str:
        """The path, with the series if there are several."""
        return str(self.path) if self.series is None else f"{self.path} {self.series}"

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files, or folders of zarr images, that its labels are made of, itself first."""
        inside = self.path / (self.series or "")
        own = inside if self.path.is_dir() and inside.is_dir() else self.path
        return tuple(each for each in (own, self.prompts, self.labels) if each is not None)


def list_images(
    recipe: Recipe, base: Path, images_base: Path | None = None, own: Container[Path] = ()
) -> list[ListedImage]:
    """List the images of a recipe, in the order of their names; those of a table as they stand there.

    Parameters
    ----------
    recipe
        The recipe.
    base
        Folder that its names are relative to.
    images_base
        The same for the images, where it is another one.
    own
        Files and folders that the batch itself wrote: these are left out.

    Returns
    -------
    list
        One entry for each image; none twice. None at all where all are the batch's own.

    Raises
    ------
    UserError
        If there are none, the table cannot be read, files that belong to an image are not named, or two images have
        the same output.
    """
    chosen, root = recipe.images, (images_base or base).absolute()
    found: dict[tuple[Path, str | None], dict[str, str]] = {}
    if chosen.table is not None:
        table = base / chosen.table
        for row in _read_table(table):
            path = _absolute(table.absolute().parent, row["image"])
            for series in [row["series"]] if row.get("series") else _series(path, recipe):
                found.setdefault((path, series), row)
    left_out = {_key(path) for pattern in chosen.exclude for path in _matches(root, pattern)}
    outputs = _absolute(base.absolute(), recipe.outputs.folder)
    for pattern in chosen.files:
        matches = _matches(root, pattern)
        # A pattern that only wanders into the folder of outputs does not mean what is there.
        if not _inside(_absolute(root, pattern.partition("*")[0] + "_").parent, outputs):
            matches = [path for path in matches if not _inside(path, outputs)]
        if not matches:
            raise UserError(f"No image is called {root / pattern}; check images.files.")
        for path in matches:
            for series in _series(path, recipe) if _key(path) not in left_out else ():
                found.setdefault((path, series), {})
    if not found:
        raise UserError("The recipe names no image: all of them are excluded, or the table has none.")
    listed = [
        _listed(path, series, row, recipe, base.absolute(), root)
        for (path, series), row in found.items()
        if path not in own
    ]
    written: dict[str, ListedImage] = {}
    for each in listed:
        other = written.setdefault(os.path.normcase(each.output), each)
        if other is not each:
            raise UserError(
                f"{other.name} and {each.name} would both be written as {each.output}: "
                f"put {'{folder} or {name}' if each.series is None else '{series}'} into outputs.name."
            )
    return listed


def _series(path: Path, recipe: Recipe) -> list[str | None]:
    """Return the images of a file that are wanted, None for the one that the recipe says."""
    if recipe.images.series != ALL or not (_is_zarr(path) or path.name.endswith(".zip")):
        return [None]
    return [*list_zarr_images(path)] or [None]


def _listed(path: Path, series: str | None, row: dict[str, str], recipe: Recipe, base: Path, root: Path) -> ListedImage:
    def filled(key: str, pattern: str) -> str:
        folder = path.parent.relative_to(root).as_posix() if _inside(path.parent, root) else path.parent.name
        try:
            part = "" if series is None else series.replace("/", "-")
            return pattern.format(stem=_stem(path), name=path.name, folder=folder, series=part)
        except (LookupError, ValueError) as error:
            raise UserError(f"{key} is {pattern!r}, but it may have {_KNOWN} only.") from error

    def beside(column: str, pattern: str | None, key: str) -> Path:
        if row.get(column):
            return _absolute(_absolute(base, recipe.images.table or "").parent, row[column])
        if pattern is None:
            raise UserError(f"For {path} nothing is named: give {key}, or a column {column} in images.table.")
        return _absolute(base, filled(key, pattern))

    step = recipe.find
    output = os.path.normpath(filled("outputs.name", recipe.outputs.name))
    if output == ".":
        raise UserError(f"outputs.name leaves no name for {path}: put {{stem}} or {{name}} into it.")
    if Path(output).is_absolute() or Path(output).parts[0] == "..":
        raise UserError(f"outputs.name leads out of outputs.folder for {path}: {output}.")
    return ListedImage(
        path,
        output,
        beside("prompts", step.table, "find.table") if isinstance(step, PromptsStep) else None,
        beside("labels", step.labels, "find.labels") if isinstance(step, RefineStep) else None,
        series,
    )


def _stem(path: Path) -> str:
    if path.is_dir() and not _is_zarr(path):
        return path.name
    stem = path.name
    for ending in (".ome", ".tif", ".tiff", ".zarr"):
        stem = stem.removesuffix(ending)
    return Path(stem).stem if stem == path.name else stem.removesuffix(".ome")


def _read_table(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            parted = max(",;\t", key=file.readline().count)
            file.seek(0)
            reader = csv.DictReader(file, delimiter=parted, skipinitialspace=True)
            rows = [
                {
                    (key or "").strip().lower(): (value or "").strip()
                    for key, value in row.items()
                    if isinstance(value, str)
                }
                for row in reader
            ]
            while rows and not any(rows[-1].values()):
                rows.pop()
    except FileNotFoundError as error:
        raise UserError(f"There is no table {table}; check images.table.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} cannot be read as a table: {error}.") from error
    if rows and "image" not in rows[0]:
        raise UserError(f"{table} has no column image, only {', '.join(filter(None, rows[0]))}.")
    for number, row in enumerate(rows, 2):
        if not row.get("image"):
            raise UserError(f"{table}, line {number}: the column image says which file it is about, but it is empty.")
    if not rows:
        raise UserError(f"{table} names no image: it needs a column image, and a line for each.")
    return rows


def _matches(root: Path, pattern: str) -> list[Path]:
    """Return files, and folders of zarr images, in the order of their names; nothing inside such a folder.

    Folders of planes are images where the pattern means folders: beside files they may be anything.
    """
    # Of pathlib's glob the pattern must be relative, and "**" follows no links.
    found = glob.glob(str(_absolute(root, pattern)), recursive=True)  # noqa: PTH207
    paths = sorted(map(Path, found))
    images = [path for path in paths if path.is_file() or _is_zarr(path)]
    zarrs = {path for path in images if path.is_dir()}
    if not any(path.is_file() for path in images):
        images += [path for path in paths if path.is_dir() and path not in zarrs and holds_planes(path)]
    return sorted(path for path in images if not zarrs.intersection(path.parents))


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and any((path / name).exists() for name in _ZARR_FILES)


def _inside(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _absolute(base: Path, name: str) -> Path:
    """Return a path that a user wrote, relative to a folder."""
    return Path(os.path.normpath(base / Path(name).expanduser()))


def _key(path: Path) -> str:
    return os.path.normcase(path)


Listed = TypeVar("Listed")


def spread(listed: Sequence[Listed], count: int) -> list[Listed]:
    """Return so many of a list, spread evenly, the first and the last among them."""
    if len(listed) <= count:
        return list(listed)
    return [listed[round(at * (len(listed) - 1) / max(count - 1, 1))] for at in range(count)]

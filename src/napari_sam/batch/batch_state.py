"""What a batch has done so far, in its folder of outputs: so that one that was killed goes on, and loses nothing.

The folder `.napari-sam-batch` holds `state.jsonl`, a line for each deed; pictures for the report; and, while a batch
runs, the unfinished files of the images in work. A file gets its place only when it is complete, by renaming.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import msgspec
from filelock import FileLock, Timeout

from napari_sam.batch.image_list import ListedImage
from napari_sam.batch.image_task import PICTURE, ImageOutcome
from napari_sam.batch.recipe import AlikeStep, Recipe
from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path

STATE_FOLDER = ".napari-sam-batch"
_STATE = "state.jsonl"


class PlacingRecord(msgspec.Struct, tag_field="did", tag="placing"):
    """Files of an image are about to get their places: from here on they are the batch's own."""

    files: tuple[str, ...]


class DoneRecord(msgspec.Struct, tag_field="did", tag="done"):
    """An image is done, and all of its files have their places."""

    outcome: ImageOutcome


class BatchState:
    """The state of the batches that write into one folder; one batch at a time.

    Parameters
    ----------
    folder
        The folder of outputs; it is made if need be.
    overwrite
        Whether files are replaced that others wrote.

    Raises
    ------
    UserError
        If it cannot be written into, or another batch does so now.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self.folder = folder
        self._own = folder / STATE_FOLDER
        self._overwrite = overwrite
        try:
            self._own.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self._own / "lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                f"Another batch is writing into {folder}: wait until it has ended, or give another outputs.folder."
            ) from error
        except OSError as error:
            raise UserError(f"{folder} cannot be written into: {error.strerror or error}.") from error
        self._done: dict[str, ImageOutcome] = {}
        self._stamps: dict[str, tuple[int, int] | None] = {}
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> "BatchState":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what is unfinished, and let other batches in."""
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._lock.release()

    @property
    def _unfinished(self) -> Path:
        return self._own / "unfinished"

    def _read(self) -> None:
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._unfinished.mkdir()
        (self._own / "pictures").mkdir(exist_ok=True)
        for record in _records(self.folder):
            self._take(record)
        # Only what counts, and so that what is written next begins on a line of its own.
        placing = tuple(name for name, stamp in self._stamps.items() if stamp is None)
        records = [*map(DoneRecord, self._done.values()), PlacingRecord(placing)]
        with atomic_path(self._own / _STATE) as temporary:
            temporary.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))

    def _take(self, record: PlacingRecord | DoneRecord) -> None:
        if isinstance(record, PlacingRecord):
            self._stamps.update(dict.fromkeys(record.files))
        else:
            outcome = record.outcome
            self._done[outcome.output] = outcome
            self._stamps.update(zip(outcome.files, outcome.stamps, strict=True))

    def _write(self, record: PlacingRecord | DoneRecord) -> None:
        with (self._own / _STATE).open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(record)

    def done(self, output: str, key: str) -> ImageOutcome | None:
        """Return what became of an image if it was done so before, and all of its files are still there."""
        outcome = self._done.get(output)
        if outcome is None or outcome.key != key:
            return None
        return outcome if all((self.folder / name).exists() for name in outcome.files) else None

    def new_folder(self) -> Path:
        """Return a folder for the unfinished files of an image; it is made by whoever does the image."""
        return self._unfinished / uuid4().hex

    def picture_of(self, output: str) -> Path:
        """Return where the picture of an image is kept."""
        return self._own / "pictures" / f"{hashlib.sha256(output.encode()).hexdigest()[:16]}.jpg"

    def in_the_way(self, names: Sequence[str]) -> Path | None:
        """Return the first of some files that another program, or a person, wrote or changed; None without one."""
        for name in () if self._overwrite else names:
            path = self.folder / name
            # None stands for what was about to get its place when the batch was killed.
            if path.exists() and self._stamps.get(name, ()) not in (None, _stamp(path)):
                return path
        return None

    def put(self, outcome: ImageOutcome, unfinished: Path) -> ImageOutcome:
        """Give the files of an image their places, and remember that it is done.

        Parameters
        ----------
        outcome
            What became of it.
        unfinished
            The folder that holds its files.

        Returns
        -------
        ImageOutcome
            With the stamps of its files; or with an error, if one of them would replace what is not the batch's, or
            cannot get its place.
        """
        try:
            taken = self.in_the_way(outcome.files)
            if taken is not None:
                return msgspec.structs.replace(outcome, error=taken_sentence(taken), files=())
            return self._put(outcome, unfinished)
        except OSError as error:
            why = f"{error.filename or self.folder} could not be written: {error.strerror or error}."
            return msgspec.structs.replace(outcome, error=why, files=())

    def _put(self, outcome: ImageOutcome, unfinished: Path) -> ImageOutcome:
        self._write(PlacingRecord(outcome.files))
        for name in outcome.files:
            self._place(unfinished / name, self.folder / name)
        picture = unfinished / PICTURE
        if picture.exists():
            picture.replace(self.picture_of(outcome.output))
        stamps = tuple(_stamp(self.folder / name) for name in outcome.files)
        placed = msgspec.structs.replace(outcome, stamps=stamps)
        self._write(DoneRecord(placed))
        shutil.rmtree(unfinished, ignore_errors=True)
        return placed

    def _place(self, path: Path, goal: Path) -> None:
        goal.parent.mkdir(parents=True, exist_ok=True)
        if goal.is_dir() and not goal.is_symlink():
            # Folders cannot be replaced in one step: the former one goes aside first.
            goal.rename(self._unfinished / uuid4().hex)
        path.replace(goal)


def _records(folder: Path) -> Iterator[PlacingRecord | DoneRecord]:
    path = folder / STATE_FOLDER / _STATE
    decode = msgspec.json.Decoder(PlacingRecord | DoneRecord).decode
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            yield decode(line)
        except msgspec.DecodeError:
            # The last line of a batch that was killed, or one of a later version.
            continue


def files_written(folder: Path) -> frozenset[Path]:
    """Return what batches have written into a folder of outputs; nothing is made there.

    Raises
    ------
    UserError
        If what they wrote cannot be read.
    """
    try:
        records = list(_records(folder))
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror or error}.") from error
    names = (each.files if isinstance(each, PlacingRecord) else each.outcome.files for each in records)
    return frozenset(folder / name for every in names for name in every)


def taken_sentence(path: Path) -> str:
    """Say why a file is not replaced."""
    return f"{path} was written or changed by others: move it away, or set outputs.overwrite to replace it."


def _stamp(path: Path) -> tuple[int, int]:
    """Return the size and the time of change (ns) of a file; of a folder, of all of its files together."""
    if not path.is_dir():
        about = path.stat()
        return about.st_size, about.st_mtime_ns
    files = [each.stat() for each in path.rglob("*") if each.is_file()]
    return sum(each.st_size for each in files), max((each.st_mtime_ns for each in files), default=0)


def key_of(recipe: Recipe, base: Path, image: ListedImage, model: str) -> str:
    """Hash all that the labels of an image depend on: the recipe, the model, and the files that are read.

    Where the files lie, which other images there are, and on which device it runs does not matter.

    Parameters
    ----------
    recipe, base
        The recipe, and the folder that its names are relative to.
    image
        The image.
    model
        What the model is known by.

    Raises
    ------
    OSError
        If a file is not there.
    """
    step, inputs = recipe.find, list(image.inputs)
    if isinstance(step, AlikeStep):
        inputs += [base / step.image, base / step.labels]
    tree = msgspec.to_builtins(recipe)
    for table, names in (
        ("images", ("files", "exclude", "table")),
        ("find", ("table", "image", "labels")),
        ("model", ("name", "device")),
        ("outputs", ("folder", "overwrite", "name")),
    ):
        for name in names:
            tree.get(table, {}).pop(name, None)
    for empty in [name for name, content in tree.items() if content == {}]:
        del tree[empty]
    about = [tree, model, image.series, [_stamp(path) for path in inputs]]
    return hashlib.sha256(msgspec.json.encode(about, order="sorted")).hexdigest()

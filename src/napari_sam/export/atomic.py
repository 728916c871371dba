"""The writing of a file so that it is either complete or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_sam.errors import UserError


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[Path]:
    """Open a block with a temporary file beside `path` that takes its name at the end of the block.

    If the block raises, the temporary file is removed and what stood at `path` before is untouched.

    Parameters
    ----------
    path
        Where the file goes; a symbolic link is followed.
    overwrite
        Replace an existing file.

    Yields
    ------
    Path
        An empty file with the same suffix in the same folder.

    Raises
    ------
    UserError
        If the file exists and is not to be replaced, or cannot be written.
    """
    goal = Path(os.path.realpath(path))
    if goal.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file.")
    if goal.exists() and not overwrite:
        raise UserError(f"{path} exists already; choose another name or allow overwriting.")
    if goal.exists() and not os.access(goal, os.W_OK):
        raise UserError(f"{path} cannot be written: it is read-only; choose another name or change its permissions.")
    if not goal.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {goal.parent}; create it first.")
    try:
        handle, name = tempfile.mkstemp(suffix=goal.suffix, prefix=".unfinished-", dir=goal.parent)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        temporary.chmod(goal.stat().st_mode & 0o777 if goal.exists() else 0o666 & ~_umask())
        temporary.replace(goal)
    except OSError as error:
        raise UserError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Make sure that the data reach the disk before the name does."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    """Find the permissions that new files lack, without changing the process's mask."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe"
        probe.touch(mode=0o666)
        return 0o666 & ~probe.stat().st_mode

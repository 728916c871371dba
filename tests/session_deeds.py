"""What tests do with a session, and where."""

from napari_sam.labels.edits import PixelChange
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Plane
from napari_sam.prompts.prompt import Point
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.autosave import Autosave

Z4 = Plane((1, 2), (4, 0, 0))
A, B = Point(12, 12), Point(28, 34)


def stroke(target: ArrayTarget, row: int, column: int, label: int, size: int = 2) -> PixelChange:
    """Paint a square on plane 4, as something else than the session would."""
    box = (slice(4, 5), slice(row, row + size), slice(column, column + size))
    before = target.array[box].copy()
    where = before != label
    target.array[box] = label
    return PixelChange.of(box, where, before[where], target.array.dtype.type(label))


def accept(session, main, point: Point, collision: Collision = Collision.KEEP) -> None:
    session.prompts.add_point(Z4, point)
    main.settle(session)
    session.current.accept(collision)


def crash(autosave: Autosave) -> None:
    """As if the process had been killed once everything was written."""
    assert autosave.wait_written()
    autosave._watch.close()
    autosave._writer.close()
    autosave._folder.release()
    autosave._writer = autosave._folder = None
    autosave._failed = True

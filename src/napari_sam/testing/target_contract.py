"""The contract of targets: label arrays that objects are accepted into."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

from napari_sam.export.save_labels import save_labels
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.label_array import next_label
from napari_sam.labels.paint import Collision, paint
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.batch import BatchObject
from napari_sam.session.labels.target import Target
from napari_sam.session.session import Session
from napari_sam.testing import strategies
from napari_sam.testing.array_contract import CONTRACT
from napari_sam.testing.event_loop import ManualEventLoop
from napari_sam.testing.fake_engine import FakeEngine, blobs
from napari_sam.testing.refusal import refused
from napari_sam.testing.scripted_user import ScriptedUser

SHAPE = (4, 7, 9)
MIDDLE = Plane((1, 2), (4, 0, 0))
A, B = Point(12, 12), Point(28, 34)
"""A point on either object of `blobs`, on the plane in the middle."""


class TargetContract(ABC):
    """What must hold for everything that objects are accepted into.

    Make a subclass, named `Test...`, that says how such a target is made.

    Attributes
    ----------
    dtypes : sequence
        Types that the labels may have; the first is used where one will do.
    """

    dtypes: ClassVar[Sequence[DTypeLike]] = (np.uint16, np.uint8, np.int32)

    @abstractmethod
    def make_target(self, labels: NDArray[Any]) -> Target:
        """Make a target that holds these labels, and not the array that they were given in."""

    # The target itself

    def test_it_has_a_name_and_the_array_that_it_was_given(self) -> None:
        """A name to show, and shape, dtype and values."""
        for dtype in self.dtypes:
            labels = np.arange(4 * 7 * 9, dtype=np.uint8).reshape(SHAPE).astype(dtype)
            target = self.make_target(labels)
            assert isinstance(target.name, str)
            assert target.name
            assert tuple(target.array.shape) == SHAPE
            assert np.dtype(target.array.dtype) == labels.dtype
            np.testing.assert_array_equal(_whole(target), labels)

    def test_it_is_itself_and_no_other(self) -> None:
        """Targets are told apart by what they are, not by what they hold: their objects are looked up by them."""
        one, other = self.make_target(self._empty()), self.make_target(self._empty())
        table = {one: "one", other: "other"}
        one.array[0:1, 0:1, 0:1] = np.ones((1, 1, 1), one.array.dtype)
        assert (table[one], table[other]) == ("one", "other")

    @CONTRACT
    @given(st.data())
    def test_boxes_are_read_and_written(self, data: st.DataObject) -> None:
        """What is written into a box is read back, beside it nothing changes; a box may be empty."""
        labels = data.draw(strategies.label_arrays(SHAPE, self.dtypes), "labels")
        target = self.make_target(labels)
        expected = labels.copy()
        for _ in range(2):
            box = data.draw(strategies.regions(SHAPE, empty=True), "box")
            np.testing.assert_array_equal(np.asarray(target.array[box]), expected[box])
            if expected[box].size:
                target.array[box] = expected[box] = expected[box][::-1] + 1
        np.testing.assert_array_equal(_whole(target), expected)

    # Edits

    @CONTRACT
    @given(st.data())
    def test_an_edit_changes_only_its_pixels_and_is_taken_back(self, data: st.DataObject) -> None:
        """Whatever an object is painted over: nothing is written before, only its pixels then, and all come back."""
        labels = data.draw(strategies.label_arrays(SHAPE, self.dtypes), "labels")
        masks = data.draw(strategies.object_masks(SHAPE), "masks")
        label, collision = data.draw(st.integers(1, 5), "label"), data.draw(strategies.collisions(), "collision")
        target = self.make_target(labels)
        edit = paint(target.array, masks, label, collision)
        np.testing.assert_array_equal(_whole(target), labels)
        expected = _painted(labels, masks, label, collision)
        for change in (edit, PixelChange.from_edit(edit)):
            change.apply(target.array)
            np.testing.assert_array_equal(_whole(target), expected)
            change.revert(target.array)
            np.testing.assert_array_equal(_whole(target), labels)

    def test_ids_do_not_wrap(self) -> None:
        """An id that the dtype does not hold is refused, and the next free id is beyond the largest."""
        for dtype in self.dtypes:
            largest = int(np.iinfo(dtype).max)
            labels = self._empty(dtype)
            labels[0, 0, 0] = largest
            target = self.make_target(labels)
            assert next_label(target.array) == largest + 1
            with refused(f"label {largest + 1} in {np.dtype(dtype)}"):
                paint(target.array, {MIDDLE.at(0, 1): _square()}, largest + 1, Collision.KEEP)
            np.testing.assert_array_equal(_whole(target), labels)
            edit = paint(target.array, {MIDDLE.at(0, 1): _square()}, largest, Collision.KEEP)
            edit.apply(target.array)
            assert np.count_nonzero(_whole(target)[1] == largest) == _square().area

    def test_what_is_refused_leaves_the_labels(self) -> None:
        """Other labels in the way, where the user wants to be asked, and a plane that is not there."""
        labels = self._empty()
        labels[1] = 3
        target = self.make_target(labels)
        with refused("an object on another one, where the user is to be asked"):
            paint(target.array, {MIDDLE.at(0, 1): _square()}, 1, Collision.ASK)
        with refused("plane 4 of four"):
            paint(target.array, {MIDDLE: _square()}, 1, Collision.KEEP)
        np.testing.assert_array_equal(_whole(target), labels)

    # In a session

    def test_an_object_is_accepted_undone_and_redone(self) -> None:
        """An accept writes the object on all its planes, with an id beyond those that were there."""
        labels = np.zeros(blobs().shape, self.dtypes[0])
        labels[0, 0:3, 0:3] = 6
        with self._session(labels) as (session, loop, target):
            session.prompts.add_point(MIDDLE, A)
            loop.settle(session)
            session.volume.propagate()
            loop.settle(session)
            session.current.accept()
            loop.settle(session)
            expected = labels.copy()
            expected[1:8, 8:17, 8:17] = 7
            np.testing.assert_array_equal(_whole(target), expected)
            session.history.undo()
            np.testing.assert_array_equal(_whole(target), labels)
            session.history.redo()
            np.testing.assert_array_equal(_whole(target), expected)

    def test_objects_are_deleted_and_get_other_ids(self) -> None:
        """A deleted object leaves its neighbours; one with another id keeps its pixels; both are undone."""
        labels = np.zeros(blobs().shape, self.dtypes[0])
        with self._session(labels) as (session, loop, target):
            for at in (A, B):
                session.prompts.add_point(MIDDLE, at)
                loop.settle(session)
                session.current.accept()
            accepted = _whole(target)
            session.objects.relabel(2, 40)
            np.testing.assert_array_equal(_whole(target), np.where(accepted == 2, 40, accepted))
            session.objects.delete(1)
            np.testing.assert_array_equal(_whole(target), np.where(accepted == 2, 40, 0))
            session.history.undo()
            session.history.undo()
            np.testing.assert_array_equal(_whole(target), accepted)

    def test_a_batch_is_written_and_undone(self) -> None:
        """Several objects at once, written slice by slice; what undo owes is written on its own."""
        with self._session(np.zeros(blobs().shape, self.dtypes[0])) as (session, loop, target):
            session.batch.segment([BatchObject(MIDDLE, Prompts((at,))) for at in (A, B)])
            loop.run_until(lambda: not session.batch.active, 60)
            loop.run_until(lambda: np.count_nonzero(_whole(target)) == 2 * 81, 60)
            assert _ids(target) == {1, 2}
            session.history.undo()
            loop.run_until(lambda: not _ids(target), 60)

    def test_a_full_dtype_refuses_the_next_object(self) -> None:
        """Where the largest id is in use, an accept is refused: the labels and the object's prompts are as before."""
        labels = np.zeros(blobs().shape, self.dtypes[0])
        labels[0, 0, 0] = np.iinfo(self.dtypes[0]).max
        with self._session(labels) as (session, loop, target):
            session.prompts.add_point(MIDDLE, A)
            loop.settle(session)
            with refused("an accept beyond the largest id"):
                session.current.accept()
            np.testing.assert_array_equal(_whole(target), labels)
            assert session.prompts.on(MIDDLE) == Prompts((A,))

    def test_labels_of_another_shape_are_refused(self) -> None:
        """Labels that do not fit the image are not taken, and those before them stay chosen."""
        with self._session(np.zeros(blobs().shape, self.dtypes[0])) as (session, _, target):
            with refused("labels of another shape"):
                session.labels.choose(self.make_target(self._empty()))
            assert session.labels.target is target

    def test_undoing_everything_brings_the_labels_back(self) -> None:
        """Whatever a user does, strokes of other tools included: undo goes back to the bit, and redo forth."""
        for seed in range(3):
            labels = np.zeros(blobs().shape, self.dtypes[0])
            labels[4, 20:26, 28:36] = 5
            places = [(MIDDLE.at(0, z), round(at.row), round(at.column)) for z in (3, 4, 5) for at in (A, B)]
            with self._session(labels) as (session, loop, target):
                user = ScriptedUser(session, loop, target, places, seed)
                user.work(25)
                end = _whole(target)
                undone = 0
                while session.history.journal.can_undo:
                    session.history.undo()
                    loop.settle(session)
                    undone += 1
                np.testing.assert_array_equal(_whole(target), labels, f"seed {seed}: {user.log}")
                for _ in range(undone):
                    session.history.redo()
                    loop.settle(session)
                np.testing.assert_array_equal(_whole(target), end, f"seed {seed}: {user.log}")

    def test_the_labels_are_saved(self) -> None:
        """A saved file holds what the target does."""
        labels = self._empty()
        labels[1:3, 2:5, 3:8] = 9
        target = self.make_target(labels)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "labels.tif"
            save_labels(path, target.array)
            np.testing.assert_array_equal(tifffile.imread(path), labels)

    def _empty(self, dtype: DTypeLike | None = None) -> NDArray[Any]:
        return np.zeros(SHAPE, self.dtypes[0] if dtype is None else dtype)

    @contextmanager
    def _session(self, labels: NDArray[Any]) -> Iterator[tuple[Session, ManualEventLoop, Target]]:
        """Yield a session on `blobs` that accepts into a target with these labels."""
        loop = ManualEventLoop()
        session = Session(loop.post, engine=FakeEngine())
        try:
            session.image.choose(ImageSource(blobs()), axes=MIDDLE.axes)
            session.image.set_view(MIDDLE)
            target = self.make_target(labels)
            session.labels.choose(target)
            loop.settle(session)
            yield session, loop, target
        finally:
            assert session.close()


def _whole(target: Target) -> NDArray[Any]:
    """Return a copy of all labels."""
    return np.array(target.array[(slice(None),) * len(target.array.shape)])


def _ids(target: Target) -> set[int]:
    return set(np.unique(_whole(target)).tolist()) - {0}


def _square() -> Mask:
    return Mask.from_pixels(np.ones((3, 4), bool), (2, 3))


def _painted(labels: NDArray[Any], masks: dict[Plane, Mask], label: int, collision: Collision) -> NDArray[Any]:
    """Paint an object pixel by pixel; its earlier pixels on these planes go."""
    result = labels.copy()
    for plane, mask in masks.items():
        painted = mask.painted(plane.shape(labels.shape))
        for row, column in np.ndindex(painted.shape):
            at = tuple(int(coordinate) for coordinate in plane.to_data(row, column))
            if not painted[row, column]:
                result[at] = 0 if labels[at] == label else labels[at]
            elif collision is Collision.OVERWRITE or labels[at] in (0, label):
                result[at] = label
    return result

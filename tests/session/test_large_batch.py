"""Hundreds of objects in one go: the main thread does a little of it at once, and it is one deed all the same."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import tifffile
from session_deeds import crash

from napari_sam.labels.edits import PixelChange
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.session import batch_plan
from napari_sam.session.batch import BatchObject
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.labels import target as target_module
from napari_sam.session.labels.object_row import ObjectRow
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.recovery import recover, unfinished_sessions
from napari_sam.session.record.replay import replay
from napari_sam.session.session import Session

DEPTH, SIDE, ACROSS, EVERY = 10, 240, 6, 40
FIRST = Plane((1, 2), (0, 0, 0))
STROKE = (slice(DEPTH - 1, DEPTH), slice(12, 20), slice(12, 60))


@pytest.fixture(autouse=True)
def small_slices(monkeypatch) -> None:
    monkeypatch.setattr(target_module, "SLICE_ELEMENTS", SIDE * SIDE)


@pytest.fixture
def image() -> ImageSource:
    stack = np.zeros((DEPTH, SIDE, SIDE), np.uint8)
    for row in range(ACROSS):
        for column in range(ACROSS):
            at = 10 + row * EVERY, 10 + column * EVERY
            stack[:, at[0] : at[0] + 20, at[1] : at[1] + 20 + row] = 200
    return ImageSource(stack)


@pytest.fixture
def session(main, engine, image) -> Iterator[Session]:
    session = Session(main.post, engine=engine)
    session.image.choose(image, axes=(1, 2))
    session.image.set_view(FIRST)
    main.settle(session)
    yield session
    assert session.close()


@pytest.fixture
def target(session) -> ArrayTarget:
    """With a label that lies across others, so that what was there is more than nothing."""
    target = ArrayTarget(np.zeros((DEPTH, SIDE, SIDE), np.uint16))
    target.array[:, 100:120, 5:200] = 9
    session.labels.choose(target, next_label=10)
    return target


def boxes() -> list[BatchObject]:
    return [
        BatchObject(
            FIRST.at(0, z),
            Prompts(box=Box(8 + row * EVERY, 8 + column * EVERY, 30 + row * EVERY, 34 + column * EVERY)),
        )
        for z in range(DEPTH)
        for row in range(ACROSS)
        for column in range(ACROSS)
    ]


def recorded(session) -> bool:
    entry = session.history.journal.next_undo
    return entry is not None and entry.kind is EntryKind.BATCH


def begin(session, main) -> None:
    """Until the batch is in the journal, and a part of it in the labels."""
    session.batch.segment(boxes(), Collision.OVERWRITE)
    main.run_until(lambda: recorded(session), 60)


def replayed(session, target, image, engine) -> np.ndarray:
    done = session.record.recordings.of(target).done
    return replay(annotation_of(target.array, None, done, session.image.number, None), image, engine)


@pytest.fixture
def whole(session, main, target) -> np.ndarray:
    """The labels as the batch leaves them; it was undone again."""
    before = target.array.copy()
    begin(session, main)
    main.settle(session)
    after = target.array.copy()
    session.history.undo()
    main.settle(session)
    np.testing.assert_array_equal(target.array, before)
    assert len(np.unique(after)) > 300
    return after


def test_the_main_thread_writes_a_little_at_a_time_and_computes_nothing(
    session, main, target, engine, image, monkeypatch
):
    before = target.array.copy()
    written, computing = [[0, 0]], set()
    exchange, paint_all, row_of = PixelChange._exchange, batch_plan.paint_all, ObjectRow.of

    def count(change, *arguments):
        written[-1][0] += 1
        written[-1][1] += int(np.prod([part.stop - part.start for part in change.box]))
        exchange(change, *arguments)

    def noted(function):
        def call(*arguments, **others):
            computing.add(threading.current_thread())
            return function(*arguments, **others)

        return call

    def pump() -> None:
        for _ in range(4):
            assert session.scheduler.wait_idle(60)
            while not main.posted.empty():
                written.append([0, 0])
                main.posted.get()()

    def check_slices() -> None:
        slices = [each for each in written if each[0]]
        assert len(slices) >= DEPTH
        assert max(elements for _, elements in slices) <= target_module.SLICE_ELEMENTS
        assert max(changes for changes, _ in slices) <= target_module.SLICE_CHANGES
        written[:] = [[0, 0]]

    monkeypatch.setattr(PixelChange, "_exchange", count)
    monkeypatch.setattr(batch_plan, "paint_all", noted(paint_all))
    monkeypatch.setattr(ObjectRow, "of", noted(row_of))
    session.batch.segment(boxes(), Collision.OVERWRITE)
    pump()
    check_slices()
    assert computing
    assert threading.main_thread() not in computing
    after = target.array.copy()
    assert len(session.objects.labels) == DEPTH * ACROSS * ACROSS
    assert all(session.objects.row(label).area == np.count_nonzero(after == label) for label in (10, 46, 369))
    np.testing.assert_array_equal(replayed(session, target, image, engine), after)
    session.history.undo()
    pump()
    check_slices()
    np.testing.assert_array_equal(target.array, before)
    assert not session.history.journal.can_undo
    session.history.redo()
    pump()
    np.testing.assert_array_equal(target.array, after)


def test_undo_in_the_midst_takes_all_back_and_redo_brings_all(session, main, target, whole):
    before = target.array.copy()
    begin(session, main)
    assert (target.array != whole).any()
    session.history.undo()
    main.settle(session)
    np.testing.assert_array_equal(target.array, before)
    session.history.redo()
    session.history.undo()
    session.history.redo()
    main.settle(session)
    np.testing.assert_array_equal(target.array, whole)


@pytest.mark.parametrize("end", ["close", "forget", "replace"])
def test_labels_that_go_in_the_midst_go_whole(end, session, main, target, whole):
    begin(session, main)
    array = target.array
    assert (array != whole).any()
    if end == "close":
        session.close()
    elif end == "forget":
        session.labels.forget(target)
    else:
        target.array = np.zeros_like(array)
        session.labels.forget(target)
        assert not target.array.any()
    np.testing.assert_array_equal(array, whole)
    main.pump()
    np.testing.assert_array_equal(array, whole)


def test_what_is_painted_meanwhile_is_on_top_and_is_undone_first(session, main, target, whole, image, engine):
    before = target.array.copy()
    begin(session, main)
    region = target.array[STROKE]
    assert (whole[STROKE] != region).any(), "it is to be painted over what is not written yet"
    change = PixelChange.of(STROKE, np.ones(region.shape, bool), region.reshape(-1), np.uint16(3))
    change.apply(target.array)
    session.labels.painted(target, change)
    main.settle(session)
    painted = whole.copy()
    painted[STROKE] = 3
    np.testing.assert_array_equal(target.array, painted)
    np.testing.assert_array_equal(replayed(session, target, image, engine), painted)
    for expected in (whole, before):
        session.history.undo()
        main.settle(session)
        np.testing.assert_array_equal(target.array, expected)
    for expected in (whole, painted):
        session.history.redo()
        main.settle(session)
        np.testing.assert_array_equal(target.array, expected)


def test_a_stroke_that_is_being_drawn_is_told_of_before_anything_is_written(session, main, target, image, engine):
    drawn = []

    def flush() -> None:
        if drawn or not session.batch.active:
            return
        drawn.append(True)
        region = target.array[STROKE]
        change = PixelChange.of(STROKE, np.ones(region.shape, bool), region.reshape(-1), np.uint16(3))
        change.apply(target.array)
        session.labels.painted(target, change)

    session.writing.connect(flush)
    session.batch.segment(boxes(), Collision.KEEP)
    main.run_until(lambda: recorded(session), 60)
    main.settle(session)
    assert [entry.kind for entry in session.history.journal.done] == [EntryKind.PAINT, EntryKind.BATCH]
    assert (target.array[STROKE] == 3).all()
    np.testing.assert_array_equal(replayed(session, target, image, engine), target.array)


@pytest.mark.parametrize("times", [1, 9])
def test_what_is_accepted_while_it_is_planned_keeps_its_id_and_its_pixels(
    times, session, main, target, image, engine, monkeypatch
):
    plan, made = batch_plan.plan_batch, []

    def disturbed(*arguments):
        if len(made) < times:
            made.append(True)
            # As if a stroke came just then.
            main.post(stroke)
        yield from plan(*arguments)

    def stroke() -> None:
        box = (slice(0, 1), slice(0, 1), slice(len(made), len(made) + 1))
        change = PixelChange.of(box, np.ones((1, 1, 1), bool), np.uint16(0), np.uint16(10 + len(made)))
        change.apply(target.array)
        session.labels.painted(target, change)

    monkeypatch.setattr("napari_sam.session.batch.plan_batch", disturbed)
    begin(session, main)
    main.settle(session)
    labels = session.objects.labels
    assert len(labels) == DEPTH * ACROSS * ACROSS
    assert min(labels) > 11
    assert target.array[0, 0, 1] == 11
    np.testing.assert_array_equal(replayed(session, target, image, engine), target.array)


def test_an_object_accepted_in_the_midst_meets_all_of_the_batch(session, main, target, whole):
    session.prompts.add_point(FIRST, Point(15, 15))
    main.settle(session)
    draft_free = session.current.label
    session.current.reject()
    begin(session, main)
    session.prompts.add_point(FIRST.at(0, DEPTH - 1), Point(15, 15))
    main.run_until(lambda: bool(session.current.draft.masks), 30)
    session.current.set_label(500)
    session.current.accept(Collision.OVERWRITE)
    main.settle(session)
    gone = whole[DEPTH - 1, 15, 15]
    assert draft_free == 10
    assert not (target.array == gone).any()
    np.testing.assert_array_equal(target.array[target.array != 500], whole[target.array != 500])


def test_what_is_saved_in_the_midst_is_whole(session, main, target, whole, tmp_path):
    begin(session, main)
    session.record.save(tmp_path / "labels.tif")
    main.settle(session)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif").reshape(whole.shape), whole)


def test_after_a_crash_in_the_midst_all_of_it_comes_back(session, main, target, tmp_path):
    autosave = Autosave(session, tmp_path, main.post, lambda error: pytest.fail(str(error)))
    begin(session, main)
    half = target.array.copy()
    crash(autosave)
    (restored,) = recover(unfinished_sessions(tmp_path)[0].path).targets
    main.settle(session)
    assert (half != target.array).any()
    np.testing.assert_array_equal(restored.labels, target.array)

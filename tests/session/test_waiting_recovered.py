"""Objects that were accepted before their masks were there survive a crash, and wait again."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine
from session_deeds import Z4, A, B, crash

from napari_sam.labels.paint import Collision
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.log_file import MAGIC, RecordKind, frame, packed_frame, packed_frames, unpacked
from napari_sam.session.record.recovery import Recovered, recover, unfinished_sessions
from napari_sam.session.session import Session


@pytest.fixture
def gate(engine) -> threading.Event:
    engine.gate = threading.Event()
    return engine.gate


@pytest.fixture
def second(main, image) -> Iterator[Session]:
    """The session after the crash; its engine answers."""
    session = Session(main.post, engine=FakeEngine())
    session.image.choose(image, axes=(1, 2))
    main.settle(session)
    yield session
    assert session.close()


def accept_early(session, point, collision=Collision.KEEP) -> None:
    session.prompts.add_point(Z4, point)
    assert session.current.accept(collision) is None


def left_in(folder: Path) -> Recovered:
    (left,) = unfinished_sessions(folder / "sessions")
    return recover(left.path)


def restore(session: Session, recovered: Recovered) -> list[ArrayTarget]:
    targets = [ArrayTarget(each.labels) for each in recovered.targets]
    for target, each in zip(targets, recovered.targets, strict=True):
        session.labels.restore(target, each)
    for each in recovered.waiting:
        session.current.restore_waiting(each.record, targets[each.target], each.collision)
    if recovered.draft is not None:
        session.current.restore(recovered.draft)
    return targets


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what every record of the object in work says."""
    (log,) = (folder / "sessions").glob("*/log")
    data = MAGIC
    for kind, body in list(packed_frames(log)):
        content = unpacked(body)
        if kind == RecordKind.DRAFT:
            change(content)
        data += frame(RecordKind.DRAFT, content) if kind == RecordKind.DRAFT else packed_frame(kind, body)
    log.write_bytes(data)


def test_it_waits_again_and_is_written_when_its_mask_is_there(
    session, target, main, autosave, gate, second, tmp_path
) -> None:
    accept_early(session, A)
    session.prompts.add_point(Z4, B)
    crash(autosave)
    recovered = left_in(tmp_path)
    assert [each.record.label for each in recovered.waiting] == [1]
    (restored,) = restore(second, recovered)
    assert not restored.array.any()
    assert second.prompts(Z4).points == (B,)
    assert second.current_label == 2
    main.settle(second)

    gate.set()
    main.settle(session)
    assert (target.array == 1).sum() == 81
    np.testing.assert_array_equal(restored.array, target.array)
    assert second.objects.labels == [1]
    assert second.draft.masks[Z4].box == session.current.draft.masks[Z4].box


def test_it_can_be_undone_before_and_after_it_is_written(
    session, target, main, autosave, gate, second, tmp_path
) -> None:
    accept_early(session, A)
    session.prompts.add_point(Z4, B)
    crash(autosave)
    (restored,) = restore(second, left_in(tmp_path))
    second.undo()
    assert not second.draft
    second.undo()
    assert second.prompts(Z4).points == (A,)
    assert not second.waiting
    main.settle(second)
    assert not restored.array.any()
    assert second.draft.masks[Z4].area == 81
    second.redo()
    main.settle(second)
    assert (restored.array == 1).sum() == 81
    second.undo()
    assert not restored.array.any()
    assert second.prompts(Z4).points == (A,)


def test_each_goes_into_its_own_labels_in_its_own_way(session, main, autosave, gate, second, tmp_path) -> None:
    first, other = (ArrayTarget(np.zeros((9, 40, 50), np.uint16)) for _ in range(2))
    for labels in (first, other):
        labels.array[4, 12, 12] = labels.array[4, 28, 34] = 7
    session.labels.choose(first, next_label=8)
    accept_early(session, A)
    session.labels.choose(other, next_label=8)
    accept_early(session, B, Collision.OVERWRITE)
    accept_early(session, A)
    crash(autosave)
    restored = restore(second, left_in(tmp_path))
    main.settle(second)
    gate.set()
    main.settle(session)
    for array, again in ((first.array, restored[0].array), (other.array, restored[1].array)):
        np.testing.assert_array_equal(again, array)
    assert set(np.unique(other.array)) == {0, 7, 8, 9}
    assert other.array[4, 28, 34] == 8


def test_what_was_written_meanwhile_is_no_longer_waiting(session, target, main, autosave, gate, tmp_path) -> None:
    accept_early(session, A)
    assert autosave.wait_written()
    gate.set()
    main.settle(session)
    # The object in work was not given again since.
    autosave._dirty = False
    crash(autosave)
    recovered = left_in(tmp_path)
    assert recovered.waiting == ()
    assert (recovered.targets[0].labels == 1).sum() == 81


def test_a_log_of_a_former_version_does_not_tell_of_them(session, target, main, autosave, gate, tmp_path) -> None:
    accept_early(session, A)
    session.prompts.add_point(Z4, B)
    crash(autosave)
    rewrite(tmp_path, lambda content: content.pop("waiting"))
    recovered = left_in(tmp_path)
    assert recovered.waiting == ()
    assert recovered.draft is not None


def test_one_that_makes_no_sense_takes_no_other_with_it(session, target, main, autosave, gate, tmp_path) -> None:
    accept_early(session, A)
    accept_early(session, B)
    crash(autosave)

    def damage(content: dict[str, Any]) -> None:
        for each in content["waiting"][:1]:
            each["collision"] = "explode"
        content["waiting"].append({"serial": 3})

    rewrite(tmp_path, damage)
    assert [each.record.label for each in left_in(tmp_path).waiting] == [2]


def test_on_another_image_it_has_no_mask(session, target, main, autosave, gate, tmp_path) -> None:
    accept_early(session, A)
    session.image.choose(ImageSource(np.zeros((9, 40, 50), np.uint8)), axes=(1, 2))
    crash(autosave)
    assert left_in(tmp_path).waiting == ()


def test_the_log_is_kept_as_long_as_something_waits(session, target, main, autosave, gate, tmp_path) -> None:
    accept_early(session, A)
    assert autosave.unsaved
    autosave.close()
    assert len(left_in(tmp_path).waiting) == 1


def test_nothing_is_kept_for_one_that_was_undone(session, target, main, autosave, gate, tmp_path) -> None:
    accept_early(session, A)
    assert autosave.wait_written()
    session.history.undo()
    assert not autosave.unsaved
    autosave.close()
    assert list((tmp_path / "sessions").iterdir()) == []

"""The log of a session: what is in it, what is not, and that it is in nobody's way."""

import os
import threading
import time

import numpy as np
from fake_engine import FakeEngine
from session_deeds import crash, stroke

from napari_sam.labels.edits import PixelChange
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_identity import SAMPLES, fingerprint_steps
from napari_sam.prompts.prompt import Point
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record import log_file
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.record.log_file import MAGIC, LogWriter, RecordKind, frame, packed_frames, unpacked
from napari_sam.session.record.log_folder import FOLDER_VARIABLE, SessionFolder, abandoned, sessions_folder
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.recovery import discard, recover, unfinished_sessions
from napari_sam.session.record.replay import replay

Z4 = Plane((1, 2), (4, 0, 0))
A, B = Point(12, 12), Point(28, 34)


def accept(session, main, point=A) -> None:
    session.prompts.add_point(Z4, point)
    main.settle(session)
    session.current.accept()


def test_nothing_is_written_before_there_is_something_to_lose(session, target, main, autosave, tmp_path):
    session.image.set_view(Plane((1, 2), (5, 0, 0)))
    main.settle(session)
    autosave._collect()
    assert autosave.folder is None
    assert not (tmp_path / "sessions").exists()


def test_labels_objects_and_the_object_in_work_come_back(session, target, main, autosave, tmp_path, errors):
    session.image.set_contrast(Contrast(((0.0, 99.0),)))
    accept(session, main)
    session.objects.rename(1, "first")
    session.prompts.add_point(Z4, B)
    main.settle(session)
    session.volume.propagate()
    main.settle(session)
    crash(autosave)
    (unfinished,) = unfinished_sessions(tmp_path / "sessions")
    assert unfinished.image.shape == (9, 40, 50)
    assert unfinished.deeds == 2
    recovered = recover(unfinished.path)
    (restored,) = recovered.targets
    np.testing.assert_array_equal(restored.labels, target.array)
    assert {label: row.name for label, row in restored.rows.items()} == {1: "first"}
    assert restored.extents[1].area == 81
    assert recovered.contrast == Contrast(((0.0, 99.0),))
    assert recovered.image.fingerprint
    masks = {each.plane: each.mask.area for each in recovered.draft.planes if each.mask is not None}
    assert masks == {plane: mask.area for plane, mask in session.current.draft.masks.items()}
    assert not errors


def test_an_object_in_work_comes_back_though_none_was_accepted(session, target, main, autosave, tmp_path):
    session.prompts.add_point(Z4, A)
    main.settle(session)
    crash(autosave)
    recovered = recover(unfinished_sessions(tmp_path / "sessions")[0].path)
    assert recovered.targets == ()
    session.current.reject()
    session.current.restore(recovered.draft)
    main.settle(session)
    assert session.prompts.on(Z4).points == (A,)
    assert session.current.draft.masks[Z4].area == 81


def test_the_first_click_on_an_image_does_not_wait_for_its_identity(
    session, target, main, engine, autosave, monkeypatch
):
    order, submit = _order_of_work(engine, monkeypatch), session.scheduler.submit_steps

    def submit_and_wait(*arguments, **options):
        """As if the main thread were so busy that each computation ends before the next is asked for."""
        request = submit(*arguments, **options)
        session.scheduler.wait_idle(5)
        return request

    monkeypatch.setattr(session.scheduler, "submit_steps", submit_and_wait)
    session.prompts.add_point(Z4, A)
    main.settle(session)
    assert order == ["answer", *["square"] * SAMPLES]


def test_a_click_waits_for_one_square_of_an_image_that_is_slow_to_read(
    session, target, main, engine, autosave, monkeypatch
):
    reading, clicked = threading.Event(), threading.Event()

    def wait_for_click():
        reading.set()
        assert clicked.wait(5)

    order = _order_of_work(engine, monkeypatch, before_square=wait_for_click)
    session.prompts.add_point(Z4, A)
    main.run_until(reading.is_set)
    session.prompts.add_point(Z4, B)
    clicked.set()
    main.settle(session)
    assert order == ["answer", "square", "answer", *["square"] * (SAMPLES - 1)]


def _order_of_work(engine, monkeypatch, before_square=lambda: None) -> list[str]:
    """What the inference thread does from now on: "answer" for clicks, "square" for reading the identity of images."""
    order: list[str] = []
    squares, answer = fingerprint_steps, engine.work

    def read(source):
        for each in squares(source):
            before_square()
            order.append("square")
            yield each

    def work(cancel):
        order.append("answer")
        answer(cancel)

    monkeypatch.setattr("napari_sam.session.record.autosave.fingerprint_steps", read)
    monkeypatch.setattr(engine, "work", work)
    return order


def test_clicks_come_back_that_were_not_answered_yet(session, target, main, engine, autosave, tmp_path):
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, A)
    crash(autosave)
    recovered = recover(unfinished_sessions(tmp_path / "sessions")[0].path)
    session.current.reject()
    session.current.restore(recovered.draft)
    assert session.prompts.on(Z4).points == (A,)
    engine.gate.set()
    main.settle(session)
    assert session.current.draft.masks[Z4].area == 81


def test_a_correction_that_was_not_answered_yet_corrects_the_same_mask(
    session, target, main, engine, autosave, image, tmp_path
):
    """What was fed back is recorded as fed back, so it has to be; a replay would give another mask."""
    z5 = Z4.at(0, 5)
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.volume.propagate()
    main.settle(session)
    engine.gate = threading.Event()
    session.prompts.add_point(z5, B)
    crash(autosave)
    recovered = recover(unfinished_sessions(tmp_path / "sessions")[0].path)
    session.current.reject()
    session.current.reject()
    session.current.restore(recovered.draft)
    engine.gate.set()
    main.settle(session)
    assert session.current.draft.masks[z5].area == 162
    session.current.accept()
    recording = session.record.recordings.of(target)
    annotation = annotation_of(target.array, recording.prior, recording.done, session.image.number, None)
    np.testing.assert_array_equal(replay(annotation, image, FakeEngine()), target.array)


def test_labels_of_before_come_back_even_if_they_are_changed_while_they_are_read(session, main, autosave, tmp_path):
    array = np.random.default_rng(0).integers(0, 5, (9, 40, 50)).astype(np.uint16)
    before = array.copy()
    target = ArrayTarget(array)
    session.labels.choose(target)
    main.settle(session)
    accept(session, main)
    session.history.undo()
    session.history.redo()
    box = (slice(0, 2), slice(0, 4), slice(0, 4))
    change = PixelChange.of(box, array[box] != 9, array[box].reshape(-1), np.uint16(9))
    change.apply(array)
    session.labels.painted(target, change)
    crash(autosave)
    (restored,) = recover(abandoned(tmp_path / "sessions")[0]).targets
    np.testing.assert_array_equal(restored.labels, array)
    assert restored.complete
    base = np.zeros_like(before)
    for part in restored.annotation.base:
        part.write(base)
    np.testing.assert_array_equal(base, before)


def test_labels_of_before_are_all_there_after_closing_at_once(session, main, autosave, tmp_path):
    array = np.zeros((9, 40, 50), np.uint16)
    array[:, 20:] = 4
    target = ArrayTarget(array)
    session.labels.choose(target)
    main.settle(session)
    accept(session, main)
    session.objects.painted(target, stroke(target, 0, 0, 7))
    autosave.close()
    (restored,) = recover(abandoned(tmp_path / "sessions")[0]).targets
    np.testing.assert_array_equal(restored.labels, array)
    assert restored.complete


def test_labels_that_were_restored_are_on_disk_before_their_former_log_may_go(session, main, tmp_path, errors):
    array = np.random.default_rng(0).integers(0, 5, (9, 40, 50)).astype(np.uint16)
    target = ArrayTarget(array)
    session.labels.choose(target)
    main.settle(session)
    # What is posted is run at once, by whichever thread.
    autosave = Autosave(session, tmp_path / "sessions", lambda run: run(), errors.append)
    on_disk = []
    autosave.begin_with(target, lambda: on_disk.extend(kind for kind, _ in packed_frames(autosave.folder / "log")))
    assert autosave.wait_written()
    assert on_disk[-1] == RecordKind.BASE_DONE
    autosave.close()


def test_what_is_torn_or_damaged_at_the_end_is_left_out(tmp_path):
    whole = [frame(RecordKind.BEGIN, {"at": number}) for number in range(5)]
    path = tmp_path / "log"
    data = MAGIC + b"".join(whole)
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        found = [unpacked(body)["at"] for _, body in packed_frames(path)]
        complete = sum(len(MAGIC) + sum(map(len, whole[: at + 1])) <= length for at in range(5))
        assert found == list(range(complete))
    damaged = bytearray(data)
    damaged[-3] ^= 1
    path.write_bytes(damaged)
    assert len(list(packed_frames(path))) == 4


def test_a_session_that_runs_is_nobody_elses(session, target, main, autosave, tmp_path):
    accept(session, main)
    assert autosave.wait_written()
    assert unfinished_sessions(tmp_path / "sessions") == []
    discard(autosave.folder)
    assert autosave.folder.exists()


def test_two_sessions_have_two_logs(tmp_path):
    first, second = SessionFolder.create(tmp_path), SessionFolder.create(tmp_path)
    assert first.path != second.path
    assert SessionFolder.claim(first.path) is None
    first.release()
    claimed = SessionFolder.claim(first.path)
    assert claimed is not None
    claimed.release()
    second.release()


def test_a_saved_session_leaves_nothing_behind_and_an_unsaved_one_its_log(session, target, main, autosave, tmp_path):
    accept(session, main)
    session.saved.emit(target, session.record.recordings.of(target).done)
    assert not autosave.unsaved
    accept(session, main, B)
    assert autosave.unsaved
    autosave.close()
    (left,) = unfinished_sessions(tmp_path / "sessions")
    np.testing.assert_array_equal(recover(left.path).targets[0].labels, target.array)
    discard(left.path)
    assert list((tmp_path / "sessions").iterdir()) == []


def test_closing_after_saving_removes_the_log(session, target, main, autosave, tmp_path):
    accept(session, main)
    session.saved.emit(target, session.record.recordings.of(target).done)
    autosave.close()
    assert list((tmp_path / "sessions").iterdir()) == []


def test_logs_that_nobody_asked_for_are_removed_after_a_month(tmp_path):
    old = SessionFolder.create(tmp_path)
    old.log.write_bytes(MAGIC)
    long_ago = time.time() - 40 * 24 * 3600
    os.utime(old.log, (long_ago, long_ago))
    old.release()
    assert abandoned(tmp_path) == []
    assert not old.path.exists()


def test_a_log_that_cannot_be_written_is_told_once_and_the_session_goes_on(session, target, main, tmp_path, errors):
    (tmp_path / "sessions").write_text("in the way")
    autosave = Autosave(session, tmp_path / "sessions", main.post, errors.append)
    accept(session, main)
    accept(session, main, B)
    assert len(errors) == 1
    assert "Autosave is off" in str(errors[0])
    assert set(np.unique(target.array)) == {0, 1, 2}
    autosave.close()


def test_a_log_that_grows_too_large_ends_and_says_so(session, target, main, autosave, errors, monkeypatch):
    monkeypatch.setattr(log_file, "MAX_BYTES", 300)
    accept(session, main)
    assert autosave.wait_written()
    main.settle(session)
    assert len(errors) == 1


def test_superseded_drafts_do_not_fill_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(log_file, "WORTH_COMPACTING", 20_000)
    failed = []
    writer = LogWriter(tmp_path / "log", lambda: None, failed.append)
    writer.start()
    noise = np.random.default_rng(0)
    for number in range(60):
        draft = {"number": number, "noise": noise.bytes(800).hex()}
        writer.write(lambda draft=draft: iter([(RecordKind.DRAFT, draft)]))
        if number % 20 == 0:
            writer.write(lambda number=number: iter([(RecordKind.PUT, {"number": number})]))
            assert writer.wait_written()
    assert writer.close()
    assert not failed
    frames = [(kind, unpacked(body)["number"]) for kind, body in packed_frames(tmp_path / "log")]
    assert [number for kind, number in frames if kind == RecordKind.PUT] == [0, 20, 40]
    assert [number for kind, number in frames if kind == RecordKind.DRAFT][-1] == 59
    assert (tmp_path / "log").stat().st_size < 60 * 900


def test_the_folder_of_logs_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "here"))
    assert sessions_folder() == tmp_path / "here"
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert sessions_folder().name == "sessions"


def test_a_log_may_be_ended_by_its_own_thread(tmp_path):
    """Python may find there that nobody refers to the session any more."""
    failed, ended = [], []
    writer = LogWriter(tmp_path / "log", lambda: ended or ended.append(writer.close()), failed.append)
    writer.start()
    writer.write(lambda: iter([(RecordKind.BEGIN, {})]))
    writer._thread.join(10)
    assert not writer._thread.is_alive()
    assert ended == [True]
    assert not failed
    assert len(list(packed_frames(tmp_path / "log"))) == 1

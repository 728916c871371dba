"""A log that cannot be written is told of for as long as it is so, and goes on with everything when there is room."""

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from session_deeds import Z4, A, B, accept, crash, stroke

from napari_sam.errors import UserError
from napari_sam.prompts.prompt import Point
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.notices import NoticeKind
from napari_sam.session.record import autosave as autosave_module
from napari_sam.session.record import log_watch
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.record.log_file import LogWriter
from napari_sam.session.record.log_folder import SessionFolder, abandoned, remember_folder
from napari_sam.session.record.recovery import recover, unfinished_sessions


@pytest.fixture(autouse=True)
def _impatient(monkeypatch) -> None:
    monkeypatch.setattr(log_watch, "CHECK_S", 0.05)
    monkeypatch.setattr(autosave_module, "FIRST_RETRY_S", 0.05)


class Disk:
    """A disk that can be filled: writing to a log fails, and so does looking for room."""

    def __init__(self, monkeypatch) -> None:
        self.full = False
        append, has_room = LogWriter._append, log_watch.has_room

        def refuse(writer, record) -> None:
            if self.full:
                raise OSError(28, "No space left on device")
            append(writer, record)

        monkeypatch.setattr(LogWriter, "_append", refuse)
        monkeypatch.setattr(
            autosave_module, "has_room", lambda folder, needed: not self.full and has_room(folder, needed)
        )


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


def notice(session):
    return session.notices[NoticeKind.AUTOSAVE]


def same_as(restored, target, session) -> None:
    np.testing.assert_array_equal(restored.labels, target.array)
    assert {label: row.name for label, row in restored.rows.items()} == {
        label: session.objects.row(label).name for label in session.objects.labels
    }


def test_a_notice_stays_and_the_log_goes_on_with_everything(session, target, main, autosave, disk, errors, tmp_path):
    accept(session, main, A)
    assert autosave.wait_written()
    disk.full = True
    session.objects.rename(1, "first")
    main.run_until(lambda: notice(session) is not None)
    assert "No space left on device" in notice(session).sentence
    accept(session, main, B)
    assert session.status.sentence == "Object 2 was accepted."
    assert notice(session).grave
    session.labels.painted(target, stroke(target, 2, 2, 7))
    session.objects.delete(1)
    session.history.undo()
    session.history.undo()
    session.prompts.add_point(Z4, Point(3, 3))
    main.settle(session)
    assert len(errors) == 1
    disk.full = False
    main.run_until(lambda: notice(session) is None)
    assert len(list((tmp_path / "sessions").iterdir())) == 1
    session.objects.rename(2, "after")
    crash(autosave)
    (unfinished,) = unfinished_sessions(tmp_path / "sessions")
    recovered = recover(unfinished.path)
    same_as(recovered.targets[0], target, session)
    assert recovered.image.fingerprint
    assert recovered.draft is not None
    assert len(errors) == 1


def test_labels_of_before_and_deeds_of_while_it_was_off_come_back(session, main, autosave, disk, tmp_path):
    array = np.zeros((9, 40, 50), np.uint16)
    array[:, 20:23, 3:9] = 5
    target = ArrayTarget(array)
    session.labels.choose(target)
    main.settle(session)
    disk.full = True
    accept(session, main, A)
    main.run_until(lambda: notice(session) is not None)
    accept(session, main, B)
    session.labels.painted(target, stroke(target, 20, 4, 0))
    disk.full = False
    main.run_until(lambda: notice(session) is None)
    crash(autosave)
    (restored,) = recover(abandoned(tmp_path / "sessions")[0]).targets
    same_as(restored, target, session)
    assert restored.complete
    before = np.zeros_like(array)
    for part in restored.annotation.base:
        part.write(before)
    assert set(np.unique(before)) == {0, 5}
    assert (before == 5).sum() == 9 * 3 * 6


def test_until_the_new_log_is_complete_the_former_one_stays(session, target, main, autosave, disk, tmp_path):
    accept(session, main, A)
    assert autosave.wait_written()
    disk.full = True
    session.objects.rename(1, "first")
    main.run_until(lambda: notice(session) is not None)
    autosave._go_on()
    main.run_until(lambda: autosave._failed)
    (left,) = (tmp_path / "sessions").iterdir()
    assert len(recover(left).targets) == 1
    with pytest.raises(UserError, match="still has no room"):
        autosave.retry()


def test_another_folder_may_be_chosen_and_is_looked_into_after_a_crash(
    session, target, main, autosave, disk, tmp_path, monkeypatch
):
    disk.full = True
    accept(session, main, A)
    main.run_until(lambda: notice(session) is not None)
    asked = []
    autosave.ask_folder = lambda: asked.append(1)
    disk.full = False
    monkeypatch.setattr(autosave, "_retry_at", float("inf"))
    other = tmp_path / "mine"
    (other / "thesis").mkdir(parents=True)
    autosave.move_to(other)
    main.run_until(lambda: notice(session) is None)
    accept(session, main, B)
    crash(autosave)
    (unfinished,) = unfinished_sessions(tmp_path / "sessions")
    assert other in unfinished.path.parents
    same_as(recover(unfinished.path).targets[0], target, session)
    assert (other / "thesis").is_dir()


def test_a_session_that_is_closed_begins_no_other_log(session, target, main, autosave, disk, tmp_path):
    accept(session, main, A)
    assert autosave.wait_written()
    disk.full = True
    session.objects.rename(1, "first")
    main.run_until(lambda: notice(session) is not None)
    disk.full = False
    go_on = autosave._go_on
    autosave.close()
    go_on()
    (unfinished,) = unfinished_sessions(tmp_path / "sessions")
    assert unfinished.deeds == 1


def test_a_folder_that_cannot_be_written_is_refused(autosave, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written to"):
        autosave.move_to(tmp_path / "file")


def test_only_folders_of_sessions_are_ever_removed(tmp_path):
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "of the user").mkdir()
    (tmp_path / "other" / "thesis").mkdir(parents=True)
    remember_folder(tmp_path / "sessions", tmp_path / "other")
    empty = SessionFolder.create(tmp_path / "other")
    empty.release()
    assert abandoned(tmp_path / "sessions") == []
    assert (tmp_path / "sessions" / "of the user").is_dir()
    assert (tmp_path / "other" / "thesis").is_dir()
    assert not empty.path.exists()


def test_a_log_that_falls_behind_says_so_until_it_has_caught_up(session, target, main, autosave, monkeypatch):
    monkeypatch.setattr(autosave_module, "BEHIND_S", 0.2)
    slow, append = [True], LogWriter._append

    def wait(writer, record) -> None:
        while slow[0]:
            time.sleep(0.01)
        append(writer, record)

    monkeypatch.setattr(LogWriter, "_append", wait)
    accept(session, main, A)
    main.run_until(lambda: notice(session) is not None)
    assert "behind" in notice(session).sentence
    slow[0] = False
    main.run_until(lambda: notice(session) is None)


@pytest.fixture
def small_disk(tmp_path) -> Path:
    """A file system of 4 MB, where the machine lets us mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_on_a_file_system_that_is_really_full(session, target, main, small_disk, errors):
    filler = small_disk / "filler"
    autosave = Autosave(session, small_disk / "sessions", main.post, errors.append)
    accept(session, main, A)
    assert autosave.wait_written()
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    session.objects.rename(1, "first")
    accept(session, main, B)
    for each in range(40):
        session.labels.painted(target, stroke(target, each % 8, 2 * each % 40, 7 + each))
    main.run_until(lambda: notice(session) is not None)
    assert "No space left" in notice(session).sentence
    time.sleep(0.3)
    main.settle(session)
    assert notice(session) is not None
    filler.unlink()
    main.run_until(lambda: notice(session) is None)
    crash(autosave)
    (restored,) = recover(abandoned(small_disk / "sessions")[0]).targets
    same_as(restored, target, session)
    autosave.close()

"""Who saves is told before the work of another program, another process or another window is replaced."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from napari_sam.export.save_labels import save_labels
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.labels_files import FileConflict, FileState, LabelsFiles
from napari_sam.session.notices import NoticeKind, Notices
from napari_sam.session.record import file_owner
from napari_sam.session.record.file_owner import STALE_S, Owner, OwnerFile

OTHER_PROCESS = """
import sys, time
from pathlib import Path
from napari_sam.session.record.file_owner import Owner, OwnerFile
assert OwnerFile(Path(sys.argv[1]), Owner.new()).claim() is None
print("claimed", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "made.ome.tif"
    save_labels(path, np.zeros((4, 5), np.uint8))
    return path


@pytest.fixture
def make():
    made = []

    def make() -> tuple[LabelsFiles, Notices]:
        notices = Notices()
        made.append(LabelsFiles(notices, lambda function: function()))
        return made[-1], notices

    yield make
    for each in made:
        each.close()


@pytest.fixture
def target() -> ArrayTarget:
    return ArrayTarget(np.zeros((4, 5), np.uint8))


def mark_of(path: Path) -> Path:
    return path.with_name(".~made.ome.tif.owner")


def test_a_file_that_nobody_else_touched_is_saved_again_and_again(make, path, target):
    files, notices = make()
    files.check(path)
    for _ in range(2):
        files.use(target, path)
        files.check(path)
        path.write_bytes(path.read_bytes() + b" ")
        files.use(target, path)
    assert files.path_of(target) == path
    assert notices[NoticeKind.FILE] is None
    files.close()
    assert [each.name for each in path.parent.iterdir()] == ["made.ome.tif"]


def test_a_file_that_another_program_changed_is_not_replaced_unasked(make, path, target):
    files, _ = make()
    files.use(target, path)
    path.write_bytes(b"another")
    with pytest.raises(FileConflict, match="changed by another program"):
        files.check(path)
    # What was read long ago counts as it was then.
    read = FileState.of(path)
    path.write_bytes(b"once more")
    files.use(target, path, read)
    with pytest.raises(FileConflict):
        files.check(path)
    # A file that is gone holds nothing that could be lost; one that was never read here is the user's own choice.
    path.unlink()
    files.check(path)
    other = path.with_name("other.tif")
    other.write_bytes(b"other")
    files.check(other)


def test_two_windows_on_one_file(make, path, target):
    first, first_notices = make()
    second, notices = make()
    first.use(target, path)
    other = ArrayTarget(np.zeros((4, 5), np.uint8))
    second.use(other, path)
    assert "another window of this napari" in notices[NoticeKind.FILE].sentence
    assert first_notices[NoticeKind.FILE] is None
    with pytest.raises(FileConflict, match="worked on by another window"):
        second.check(path)
    first.check(path)
    # The notice goes when the other one does, and the file is the second one's from then on.
    first.close()
    second.beat()
    assert notices[NoticeKind.FILE] is None
    second.check(path)
    assert mark_of(path).exists()
    second.forget(other)
    assert not mark_of(path).exists()


def test_labels_saved_under_another_name_leave_the_former_file(make, path, target):
    first, _ = make()
    second, notices = make()
    first.use(target, path)
    first.use(target, path.with_name("new.tif"))
    second.use(ArrayTarget(target.array), path)
    assert notices[NoticeKind.FILE] is None


def test_another_process_is_told_and_one_that_was_killed_owns_nothing(make, path, target):
    process = subprocess.Popen([sys.executable, "-c", OTHER_PROCESS, str(path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"claimed\n"
        files, notices = make()
        files.use(target, path)
        assert f"process {process.pid}, since" in notices[NoticeKind.FILE].sentence
        with pytest.raises(FileConflict, match=f"process {process.pid}"):
            files.check(path)
    finally:
        process.kill()
        process.communicate()
    if sys.platform == "win32":
        os.utime(mark_of(path), (1, 1))
    # What it left is no obstacle, and is taken over.
    assert mark_of(path).exists()
    files.check(path)
    files.beat()
    assert notices[NoticeKind.FILE] is None
    assert json.loads(mark_of(path).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(("age", "told"), [(0.0, True), (STALE_S - 30, True), (STALE_S + 5, False)])
def test_another_machine_counts_while_it_beats(path, age, told):
    away = Owner("x", 1, "far away", time.time())
    mark_of(path).write_text(json.dumps(vars(away)))
    os.utime(mark_of(path), (time.time() - age,) * 2)
    mine = OwnerFile(path, Owner.new())
    assert mine.other() == (away if told else None)
    assert mine.claim() == (away if told else None)
    if told:
        assert "on far away" in str(away)
        mine.release()
        assert mark_of(path).exists()
    else:
        mine.release()
        assert not mark_of(path).exists()


def test_a_beat_keeps_the_mark_young_and_puts_it_back(path):
    mine = OwnerFile(path, Owner.new())
    assert mine.claim() is None
    os.utime(mark_of(path), (1, 1))
    assert mine.claim() is None
    assert time.time() - mark_of(path).stat().st_mtime < 30
    mark_of(path).unlink()
    mine.claim()
    assert mark_of(path).exists()


def test_a_mark_that_says_nothing_counts_by_its_time(path):
    mark_of(path).write_text("")
    mine = OwnerFile(path, Owner.new())
    assert str(mine.claim()) == "another program"
    os.utime(mark_of(path), (1, 1))
    assert mine.claim() is None


def test_a_folder_that_cannot_be_written_needs_no_mark(make, path, target, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(file_owner.Path, "open", refuse)
    files, notices = make()
    files.use(target, path)
    assert notices[NoticeKind.FILE] is None
    files.check(path)


def test_many_who_come_at_once_agree_on_one(path):
    marks = [OwnerFile(path, Owner.new()) for _ in range(8)]
    found, together = [None] * 8, threading.Barrier(8)

    def claim(at: int) -> None:
        together.wait()
        found[at] = marks[at].claim()

    threads = [threading.Thread(target=claim, args=(at,)) for at in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each is None for each in found].count(True) == 1


def test_the_watch_beats_by_itself_and_ends(make, path, target, monkeypatch):
    monkeypatch.setattr("napari_sam.session.labels_files.BEAT_S", 0.0)
    files, _ = make()
    files.use(target, path)
    os.utime(mark_of(path), (1, 1))
    until = time.monotonic() + 10
    while mark_of(path).stat().st_mtime < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert mark_of(path).stat().st_mtime > 2
    files.close()
    assert not mark_of(path).exists()

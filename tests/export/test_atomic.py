import errno
import os
import stat

import pytest

from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path


def test_the_file_appears_at_the_end(tmp_path):
    goal = tmp_path / "result.json"
    with atomic_path(goal) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".json")
        temporary.write_text("done")
        assert not goal.exists()
    assert goal.read_text() == "done"
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(goal.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_nothing_is_left_of_an_interrupted_write(tmp_path, error):
    goal = tmp_path / "result.json"
    goal.write_text("former")

    def write():
        with atomic_path(goal) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("result.json", "former")]


def test_a_full_disk_is_told_in_a_sentence(tmp_path):
    goal = tmp_path / "result.json"
    with (
        pytest.raises(UserError, match=r"result\.json could not be written: No space left on device\."),
        atomic_path(goal),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_links_are_followed(tmp_path):
    goal, link = tmp_path / "real.txt", tmp_path / "link.txt"
    goal.write_text("former")
    link.symlink_to(goal)
    with atomic_path(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert goal.read_text() == "new"

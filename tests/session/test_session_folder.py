import pytest

from napari_sam.session.record.log_folder import SessionFolder, abandoned


def _tidied(monkeypatch, times):
    """Have another process tidy up between the making of a folder and its lock, so many times."""
    claim, left = SessionFolder.claim.__func__, [times]

    def late(cls, path):
        if left[0] and not path.joinpath("lock").exists():
            left[0] -= 1
            claim(cls, path).remove()
            assert not path.exists()
            return None
        return claim(cls, path)

    monkeypatch.setattr(SessionFolder, "claim", classmethod(late))


def test_a_new_folder_that_another_process_tidied_away_is_made_again(tmp_path, monkeypatch):
    _tidied(monkeypatch, 2)
    folder = SessionFolder.create(tmp_path)
    folder.log.write_bytes(b"x")
    assert abandoned(tmp_path) == []
    folder.release()
    assert abandoned(tmp_path) == [folder.path]


def test_folders_that_never_stay_are_an_error_of_the_disk(tmp_path, monkeypatch):
    _tidied(monkeypatch, 100)
    with pytest.raises(OSError, match="removed as soon"):
        SessionFolder.create(tmp_path)

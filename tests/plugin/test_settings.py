import pytest

from napari_sam.plugin.settings import recall, remember, settings_path


def test_what_is_remembered_is_recalled():
    assert recall("a") is None
    remember("a", True)
    remember("b", [1, 2])
    assert recall("a") is True
    assert recall("b") == [1, 2]
    assert [path.name for path in settings_path().parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_an_illegible_file_is_as_good_as_none(text):
    settings_path().parent.mkdir(parents=True, exist_ok=True)
    settings_path().write_text(text, encoding="latin-1")
    assert recall("a") is None
    remember("a", 1)
    assert recall("a") == 1


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAPARI_SAM_CONFIG", str(tmp_path / "file"))
    remember("a", 1)
    assert recall("a") is None


def test_without_the_variable_it_is_the_users_own_folder(monkeypatch):
    monkeypatch.delenv("NAPARI_SAM_CONFIG")
    assert settings_path().parent.name == "napari-sam"

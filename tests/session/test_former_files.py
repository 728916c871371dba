"""Session files and logs of former versions open, restore and replay to the same pixels.

Those in `former/` were written by version 0.1.0 as it was before its rooms were laid out anew (commit 78726fe): 60
deeds of a `ScriptedUser` each, on the blobs of `test_replay` and its fake engine, on empty (3) and other labels (418).
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_sam.planes.image_source import ImageSource
from napari_sam.session.record.recovery import recover
from napari_sam.session.record.replay import replay
from napari_sam.session.record.session_file import content_to_json, read_session
from napari_sam.testing.fake_engine import FakeEngine
from tests.session.test_replay import blobs

FORMER = Path(__file__).parent / "former"
NAMES = ["3", "418"]


def expected(name: str) -> tuple[np.ndarray, dict[int, str]]:
    with np.load(FORMER / f"{name}.npz") as saved:
        return saved["labels"], {int(label): said for label, said in json.loads(str(saved["names"])).items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_former_session_file_replays_to_the_same_pixels(name: str) -> None:
    content = read_session(FORMER / f"{name}.session.json")
    labels, _ = expected(name)
    source = content.image.recognise(ImageSource(blobs()))
    np.testing.assert_array_equal(replay(content.annotation, source, FakeEngine(ambiguous=True)), labels)


@pytest.mark.parametrize("name", NAMES)
def test_a_former_session_file_is_written_again_as_it_was(name: str) -> None:
    path = FORMER / f"{name}.session.json"
    former = json.loads(path.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(content_to_json(read_session(path))))
    assert now["events"] == former["events"]


@pytest.mark.parametrize("name", NAMES)
def test_a_former_log_restores_labels_objects_and_the_object_in_work(name: str, tmp_path: Path) -> None:
    shutil.copy(FORMER / f"{name}.log", tmp_path / "log")
    recovered = recover(tmp_path)
    (restored,) = recovered.targets
    labels, names = expected(name)
    np.testing.assert_array_equal(restored.labels, labels)
    assert {label: row.name for label, row in restored.rows.items()} == names
    assert recovered.draft is not None
    again = replay(restored.annotation, ImageSource(blobs()), FakeEngine(ambiguous=True))
    np.testing.assert_array_equal(again, labels)

"""``napari-sam replay`` and `napari_sam.replay_session`."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_sam
from napari_sam.export.save_labels import save_labels
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.open_image import open_image
from napari_sam.prompts.prompt import Point
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.session_file import SessionContent, session_path, write_session
from napari_sam.session.session import Session
from napari_sam.testing.event_loop import ManualEventLoop


@pytest.fixture(scope="module")
def saved(tmp_path_factory, sample, target) -> tuple[Path, Path, np.ndarray]:
    """A stack, a session file beside its labels, and the labels."""
    folder = tmp_path_factory.mktemp("saved")
    image, labels = folder / "stack.tif", folder / "made.tif"
    tifffile.imwrite(image, sample.nuclei, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.3})
    source = open_image(image)
    posts = ManualEventLoop()
    session = Session(posts.post)
    session.image.choose(source, axes=(1, 2))
    session.image.set_view(Plane((1, 2), (target.z, 0, 0)))
    made = ArrayTarget(np.zeros(source.shape, np.uint16))
    session.labels.choose(made, next_label=1)
    session.prompts.add_point(Plane((1, 2), (target.z, 0, 0)), Point(target.row, target.column))
    posts.settle(session)
    session.volume.propagate()
    posts.settle(session)
    session.current.accept()
    posts.settle(session)
    recording = session.record.recordings.of(made)
    annotation = annotation_of(made.array, None, recording.done, session.image.number, None)
    session.close()
    save_labels(labels, made.array)
    path = session_path(labels)
    write_session(path, SessionContent(ImageIdentity.of(source), annotation, labels.name))
    return image, path, made.array


def test_a_session_is_replayed_to_the_same_labels(run, saved, tmp_path):
    image, session, labels = saved
    ended = run("replay", session, image, "-o", tmp_path / "again.tif")
    assert ended.status == 0, ended.err
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again.tif"), labels)
    assert "the same as in made.tif" in ended.out
    assert labels.any()


def test_a_notebook_replays_a_session(saved):
    image, session, labels = saved
    np.testing.assert_array_equal(napari_sam.replay_session(session, image), labels)


def test_another_image_is_refused_in_one_sentence(run, saved, tmp_path, sample):
    _, session, _ = saved
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, sample.nuclei[:, ::-1])
    ended = run("replay", session, other, "-o", tmp_path / "again.tif")
    assert ended.status == 2
    assert len(ended.sentences) == 1
    assert "not the image" in ended.err
    assert not (tmp_path / "again.tif").exists()


def test_other_weights_are_refused_in_one_sentence(run, saved, tmp_path):
    image, session, _ = saved
    text = session.read_text()
    digest = text.split('"digest":"')[1].split('"')[0]
    changed = tmp_path / "changed.session.json"
    changed.write_text(text.replace(digest, "0" * 64))
    ended = run("replay", changed, image, "-o", tmp_path / "again.tif")
    assert ended.status == 2
    assert "weights are others" in ended.err


@pytest.mark.parametrize("content", ["", "[]", '{"format": "napari-sam session", "version": 2}', "{" * 100_000])
def test_what_is_no_session_is_refused_in_one_sentence(run, saved, tmp_path, content):
    image, _, _ = saved
    wrong = tmp_path / "wrong.json"
    wrong.write_text(content)
    ended = run("replay", wrong, image, "-o", tmp_path / "again.tif")
    assert ended.status == 2
    assert len(ended.sentences) == 1
    assert "wrong.json" in ended.err

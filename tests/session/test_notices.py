"""A session says what is not as it should be: answers, the device, the image."""

import threading

import pytest
from session_deeds import Z4, A, B, accept

from napari_sam.errors import UserError
from napari_sam.session.notices import NoticeKind


def test_an_answer_that_is_older_than_its_prompts_is_said_to_be(session, target, main, engine):
    session.prompts.add_point(Z4, A)
    main.settle(session)
    assert session.notices[NoticeKind.ANSWER] is None
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, B)
    assert "yet" in session.notices[NoticeKind.ANSWER].sentence
    engine.gate.set()
    main.settle(session)
    assert session.notices[NoticeKind.ANSWER] is None


def test_an_answer_that_failed_is_said_to_be_missing_until_the_click_is_gone(session, target, main, engine):
    session.prompts.add_point(Z4, A)
    main.settle(session)
    engine.error = UserError("There is not enough memory.")
    session.prompts.add_point(Z4, B)
    main.settle(session)
    notice = session.notices[NoticeKind.ANSWER]
    assert notice.grave
    assert "could not be computed" in notice.sentence
    engine.error = None
    session.image.set_view(Z4.at(0, 5))
    main.settle(session)
    assert session.notices[NoticeKind.ANSWER] == notice
    session.history.undo()
    assert session.notices[NoticeKind.ANSWER] is None


def test_a_model_that_moved_to_the_cpu_says_so_as_long_as_it_is_used(session, target, main):
    segmenter = session._answering.opened.segmenter()
    segmenter.fell_back = "CUDA has too little memory for fake: it goes on on the CPU, which is slower."
    session.prompts.add_point(Z4, A)
    main.settle(session)
    assert session.notices[NoticeKind.DEVICE].sentence.startswith("CUDA has too little memory")
    session.model.choose("other")
    main.settle(session)
    assert session.notices[NoticeKind.DEVICE] is None


@pytest.fixture
def saved_twice(session, target, main, image, tmp_path):
    """A session that was saved, after which the image's pixels were changed in place, and saved again."""
    accept(session, main, A)
    session.record.save(tmp_path / "labels.ome.tif")
    main.settle(session)
    assert session.notices[NoticeKind.IMAGE] is None
    image.array()[...] += 1
    session.record.save(tmp_path / "labels.ome.tif")
    main.settle(session)
    assert "others than when you began" in session.notices[NoticeKind.IMAGE].sentence
    return session


def test_pixels_that_changed_in_place_are_noticed_at_saving(saved_twice, main, image, tmp_path):
    image.array()[...] -= 1
    saved_twice.record.save(tmp_path / "labels.ome.tif")
    main.settle(saved_twice)
    assert saved_twice.notices[NoticeKind.IMAGE] is None


def test_one_may_go_on_with_the_pixels_of_now(saved_twice, main, engine, tmp_path):
    opened = len(engine.opened)
    saved_twice.notices[NoticeKind.IMAGE].remedies[0].do()
    main.settle(saved_twice)
    assert len(engine.opened) > opened
    saved_twice.record.save(tmp_path / "labels.ome.tif")
    main.settle(saved_twice)
    assert saved_twice.notices[NoticeKind.IMAGE] is None


def test_another_image_takes_the_notice_away(saved_twice, image):
    saved_twice.image.choose(image, axes=(1, 2))
    assert saved_twice.notices[NoticeKind.IMAGE] is None


def test_pixels_are_compared_with_those_that_autosave_saw(session, target, main, autosave, image, tmp_path):
    accept(session, main, A)
    assert autosave.wait_written()
    main.settle(session)
    image.array()[...] += 1
    session.record.save(tmp_path / "labels.ome.tif")
    main.settle(session)
    assert session.notices[NoticeKind.IMAGE] is not None

"""A session whose model is on another machine: what is asked while that does not answer is answered later, or here."""

import time

import pytest
from running_server import TOKEN, running
from session_deeds import Z4, A, B

from napari_sam.planes.image_source import ImageSource
from napari_sam.session.compute.engine import NetworkEngine
from napari_sam.session.notices import NoticeKind
from napari_sam.session.session import Session
from napari_sam.testing.fake_network import threshold_model


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture
def session(main, image: ImageSource, server, monkeypatch):
    monkeypatch.setattr("napari_sam.models.load._known_digest", lambda _: threshold_model().digest)
    monkeypatch.setattr("napari_sam.models.advice.measured_speed", lambda: None)
    session = Session(main.post, engine=NetworkEngine(server.address, token=TOKEN))
    session.image.choose(image, axes=(1, 2))
    session.image.set_view(Z4, (20.0, 25.0))
    main.settle(session)
    yield session
    assert session.close()


def test_the_device_there_is_recorded(session, server):
    assert session.model.device == server.address
    assert session.model.setup.device == "cpu"


def test_a_click_while_the_machine_is_away_is_answered_when_it_is_back(session, server, main):
    server.kill()
    session.prompts.add_point(Z4, A)
    main.run_until(lambda: session.notices[NoticeKind.MACHINE])
    notice = session.notices[NoticeKind.MACHINE]
    assert "does not answer; trying again. Nothing is lost." in notice.sentence
    # Another prompt of the same object replaces what waits.
    session.prompts.add_point(Z4, B)
    server.start()
    main.settle(session)
    assert session.notices[NoticeKind.MACHINE] is None
    (request,) = session._workspace.draft.requests.values()
    assert request.answer is not None
    assert len(request.prompts.points) == 2


def test_the_session_can_be_closed_while_the_machine_is_away(session, server, main):
    server.kill()
    session.prompts.add_point(Z4, A)
    main.run_until(lambda: session.notices[NoticeKind.MACHINE])
    begun = time.monotonic()
    assert session.close()
    assert time.monotonic() - begun < 2


def test_this_machine_takes_over_only_when_told_to(session, server, main):
    server.kill()
    session.prompts.add_point(Z4, A)
    main.run_until(lambda: session.notices[NoticeKind.MACHINE])
    (remedy,) = session.notices[NoticeKind.MACHINE].remedies
    remedy.do()
    main.settle(session)
    assert session.model.device == "auto"
    assert session.notices[NoticeKind.MACHINE] is None
    (request,) = session._workspace.draft.requests.values()
    assert request.answer is not None

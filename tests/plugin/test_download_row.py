"""Downloading the chosen model from the widget, with fetching replaced by a fake."""

import threading

import pytest

from napari_sam.errors import UserError
from napari_sam.models.cache import cached_path
from napari_sam.models.registry import REGISTRY
from napari_sam.plugin.canvas.drawing_hold import MainThread
from napari_sam.plugin.panel import image_section
from napari_sam.plugin.panel.image_section import DownloadRow


class FakeFetch:
    """Brings half of the file, then waits to be told how to end."""

    def __init__(self):
        self.go_on = threading.Event()
        self.begun = threading.Event()
        self.problem = None
        self.tokens = []

    def __call__(self, name, *, progress, cancel):
        self.tokens.append(cancel)
        progress(100_000_000, 200_000_000)
        self.begun.set()
        while not self.go_on.wait(0.01):
            cancel.check()
        if self.problem:
            raise UserError(self.problem)
        path = cached_path(REGISTRY[name])
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"weights")
        return path


@pytest.fixture
def fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "downloads"))
    fake = FakeFetch()
    monkeypatch.setattr(image_section, "fetch", fake)
    yield fake
    for token in fake.tokens:
        token.cancel()


@pytest.fixture
def row(qtbot, fetch):
    thread = MainThread()
    row = DownloadRow(thread.post)
    row.heard = []
    row.downloaded.connect(lambda name: row.heard.append(name))
    row.failed.connect(lambda sentence: row.heard.append(sentence))
    row.keep = thread
    qtbot.addWidget(row)
    return row


def test_only_what_is_not_here_is_offered(row, fetch):
    for name, offered in [("nano", False), ("vit_b", True), ("my/own.pt", False), ("vit_b_lm", True)]:
        row.offer(name)
        assert row.isHidden() is not offered
    assert row.button.text() == "Download vit_b_lm (375 MB)"
    assert "CC-BY-4.0" in row.button.toolTip()


def test_download_shows_progress_and_ends(row, fetch, qtbot):
    row.offer("vit_b")
    row.button.click()
    assert row.button.isHidden()
    assert not row.cancel_button.isHidden()
    qtbot.waitUntil(lambda: row.bar.value() == 500)
    assert row.bar.text() == "100 of 200 MB"

    fetch.go_on.set()
    qtbot.waitUntil(lambda: row.heard == ["vit_b"])
    assert row.isHidden()


def test_cancelling_offers_it_again(row, fetch, qtbot):
    row.offer("vit_b")
    row.button.click()
    assert fetch.begun.wait(5)

    row.cancel_button.click()

    assert fetch.tokens[0].cancelled
    assert not row.button.isHidden()
    assert row.cancel_button.isHidden()
    qtbot.wait(50)
    assert row.heard == []


def test_choosing_another_model_ends_the_download(row, fetch):
    row.offer("vit_b")
    row.button.click()
    assert fetch.begun.wait(5)
    row.offer("vit_l")
    assert fetch.tokens[0].cancelled
    assert not row.button.isHidden()


def test_failure_is_said_and_offered_again(row, fetch, qtbot):
    fetch.problem = "There is no network."
    fetch.go_on.set()
    row.offer("vit_b")
    row.button.click()
    qtbot.waitUntil(lambda: row.heard == ["There is no network."])
    assert not row.isHidden()
    assert not row.button.isHidden()

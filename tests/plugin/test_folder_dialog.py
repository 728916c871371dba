"""Do this to a folder: the recipe of what was done, run in a process of its own, from a real window."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_sam.batch.recipe_file import read_recipe
from napari_sam.discover.proposals import Wanted
from napari_sam.plugin import batch_process
from napari_sam.plugin.folder_dialog import RECIPE, FolderDialog
from napari_sam.testing.fake_engine import blobs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my images"
    folder.mkdir()
    for at in (3, 4, 5):
        tifffile.imwrite(folder / f"cells-{at}.tif", blobs()[at])
    return folder


def test_a_user_does_to_a_folder_what_was_just_found(desk, folder) -> None:
    panel, hand = desk.widget.everything, desk.hand
    assert not panel.folder_button.isEnabled()
    hand.press(panel.header)
    hand.key(Qt.Key.Key_E, Qt.KeyboardModifier.ShiftModifier)
    hand.until(lambda: not desk.session.everything.active)
    desk.session.everything.wanted = Wanted(0.2, smallest=3.0)
    hand.press(panel.folder_button)
    (dialog,) = desk.widget.findChildren(FolderDialog)
    assert dialog.isVisible()
    dialog.start_button.click()
    assert "Choose the folder" in dialog.told.text()
    dialog.folder.setText(str(folder))
    dialog.measure.setChecked(True)
    assert "confidence = 0.2" in dialog.recipe.toPlainText()
    assert dialog.command.text() == f"napari-sam batch '{folder / RECIPE}'"
    dialog.start_button.click()
    assert dialog.process.running
    assert not dialog.start_button.isEnabled()
    hand.until(lambda: not dialog.process.running and dialog.start_button.isEnabled(), 120)
    assert dialog.told.text() == "3 images done."
    assert dialog.bar.value() == dialog.bar.maximum()
    assert dialog.report_button.isEnabled()
    assert read_recipe(folder / RECIPE).find == dialog._made.find
    assert sorted(path.name for path in (folder / "labels").glob("*.csv")) == [
        f"cells-{at}-labels.csv" for at in (3, 4, 5)
    ]
    # What was edited counts, what makes no sense is told.
    dialog.recipe.setPlainText(dialog.recipe.toPlainText().replace("confidence = 0.2", "confidence = 2"))
    dialog.start_button.click()
    assert "find.confidence: expected float <= 1.0" in dialog.told.text()
    dialog.close()


def test_a_batch_is_stopped_and_tells_what_failed(bench, folder, qtbot, monkeypatch) -> None:
    bench.session.everything.find()
    bench.settle()
    dialog = FolderDialog(None, bench.session)
    qtbot.addWidget(dialog)
    (folder / "bad.tif").write_bytes(b"II*\0")
    for at in range(40):
        shutil.copy(folder / "cells-3.tif", folder / f"more-{at}.tif")
    dialog.folder.setText(str(folder))
    dialog.start()
    qtbot.waitUntil(lambda: dialog.bar.value() > 90, timeout=60_000)
    assert "1 failed" in dialog.told.text()
    dialog.stop_button.click()
    qtbot.waitUntil(lambda: not dialog.process.running, timeout=20_000)
    assert dialog.told.text().startswith("Stopped; it goes on")
    done = len(list((folder / "labels").glob("*.ome.tif")))
    assert 0 < done < 43
    assert "It was stopped" in (folder / "labels" / "report.html").read_text()
    monkeypatch.setattr(batch_process, "batch_command_line", lambda _: [sys.executable, "-c", "import nothing_at_all"])
    dialog.start()
    qtbot.waitUntil(lambda: not dialog.process.running, timeout=20_000)
    assert "nothing_at_all" in dialog.told.text()


def test_without_anything_found_the_panel_says_what_to_do(bench) -> None:
    from napari_sam.plugin.folder_dialog import show_folder_dialog

    told: list[str] = []
    bench.controller.told.connect(told.append)
    show_folder_dialog(None, bench.controller)
    assert "Find everything" in " ".join([*told, bench.session.status.sentence])
    assert np.array_equal(bench.controller.image.data, blobs())

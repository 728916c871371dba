import hashlib
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from napari_sam.errors import UserError, UserNotice
from napari_sam.models.registry import REGISTRY
from tests.cli.conftest import Run


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "downloads"))
    return tmp_path / "downloads"


def test_every_model_is_listed(run: Run, downloads: Path) -> None:
    ended = run("models")
    assert ended.status == 0
    listing, _, closing = ended.out.partition("\n\n")
    lines = listing.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(REGISTRY)
    assert all(spec.url is None or spec.url in ended.out for spec in REGISTRY.values())
    assert "bundled" in lines[0]
    assert REGISTRY["nano"].licence in lines[0]
    assert str(downloads) in closing
    assert " downloaded" not in listing.replace("not downloaded", "")


def test_downloading_finding_and_removing(run: Run, downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = b"weights"
    file = downloads / "sam_vit_b_01ec64.pth"
    known = replace(REGISTRY["vit_b"], known_hash=f"sha256:{hashlib.sha256(weights).hexdigest()}")
    monkeypatch.setattr("napari_sam.models.cache.REGISTRY", {"vit_b": known})
    assert run("models", "path", "vit_b").out.strip() == str(file)
    downloads.mkdir()
    file.write_bytes(weights)

    assert str(file) in run("models", "download", "vit_b").out
    assert "vit_b                downloaded  " in run("models").out
    assert "was removed" in run("models", "remove", "vit_b").out
    assert not file.exists()
    assert "not downloaded" in run("models", "remove", "vit_b").out


@pytest.mark.parametrize("command", ["download", "path", "remove"])
@pytest.mark.parametrize("name", ["nano", "cellpose"])
def test_models_without_a_download_end_with_one_sentence(run: Run, downloads: Path, command: str, name: str) -> None:
    ended = run("models", command, name)
    assert ended.status == 2
    assert len(ended.sentences) == 1
    assert name in ended.sentences[0]


def test_model_that_cannot_be_fetched_ends_with_one_sentence(
    run: Run, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SAM_OFFLINE", "1")
    ended = run("models", "download", "vit_b")
    assert ended.status == 2
    assert len(ended.sentences) == 1
    assert "put it at" in ended.sentences[0]


def test_without_words_the_help_is_shown_and_nothing_else(run: Run) -> None:
    ended = run()
    assert "propagate" in ended.out
    assert ended.err == ""


def test_the_installed_command_ends_with_its_status() -> None:
    code = "from napari_sam.cli.app import main; main(['segment', 'nowhere.tif', '--point', '1,2', '-o', 'x.tif'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1


def test_the_command_line_starts_without_napari_and_torch() -> None:
    heavy = ("napari", "qtpy", "vispy", "torch")
    code = f"import sys, napari_sam.cli.app; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_list_tells_how_long_a_plane_takes_here_and_what_to_begin_with(run: Run, downloads: Path) -> None:
    out = run("models").out
    assert re.search(r"^vit_b  +not downloaded +375 MB +\d+ (s|min) +Apache-2.0", out, re.MULTILINE)
    assert "Begin with nano" in out
    assert "on this machine's CPU" in out


def test_a_notice_is_printed_as_a_sentence(run: Run, downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warned() -> None:
        warnings.simplefilter("always", UserNotice)
        warnings.warn("CUDA has too little memory.", UserNotice, stacklevel=1)
        raise UserError("It ends here.")

    monkeypatch.setattr("napari_sam.cli.models_commands.measured_speed", warned)
    ended = run("models")
    assert ended.sentences == ["Note: CUDA has too little memory.", "napari-sam: It ends here."]

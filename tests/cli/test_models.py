import subprocess
import sys

from napari_sam.models.registry import REGISTRY
from tests.cli.conftest import Run


def test_every_model_is_listed(run: Run) -> None:
    ended = run("models")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(REGISTRY)
    assert all(spec.url is None or spec.url in ended.out for spec in REGISTRY.values())
    assert "bundled" in lines[0]
    assert REGISTRY["nano"].licence in lines[0]


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

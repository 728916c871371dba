"""The command line as a module, where its script is not on the path."""

import subprocess
import sys

from napari_sam import __version__


def test_python_runs_the_package() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "napari_sam", "--version"], capture_output=True, text=True, check=True
    )
    assert __version__ in ended.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "napari_sam", "nonsense"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2

"""Build the wheel, install it away from the source tree, import it there and look inside.

Fails with one sentence when the wheel is too large, lacks the bundled weights or the napari manifest, or when the
installed package does not import on its own.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST_WHEEL = 20_000_000
NEEDED = (".safetensors", "napari_sam/napari.yaml", "napari_sam/py.typed", "napari_sam/testing/engine_contract.py")

# Run inside the installed copy: every room that needs no window imports, and the bundled model loads.
PROBE = """
import sys, napari_sam, napari_sam.notebook, napari_sam.cli.app
from napari_sam.models.load import load_model
import napari_sam.testing.array_contract, napari_sam.testing.engine_contract, napari_sam.testing.target_contract
assert napari_sam.__file__.startswith(sys.argv[1]), napari_sam.__file__
assert "qtpy" not in sys.modules and "napari" not in sys.modules, "importing the package must not start Qt"
print(napari_sam.__version__, load_model().name)
"""


def build(folder: Path) -> Path:
    """The wheel of this source tree, built into `folder`."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def look_inside(wheel: Path) -> None:
    """Leave with a sentence unless the wheel is small and holds what it must."""
    size = wheel.stat().st_size
    if size > LARGEST_WHEEL:
        sys.exit(f"{wheel.name} has {size / 1e6:.1f} MB; {LARGEST_WHEEL / 1e6:.0f} MB is the limit")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in NEEDED:
        if not any(name.endswith(needed) for name in names):
            sys.exit(f"{wheel.name} lacks {needed}")


def import_elsewhere(wheel: Path, folder: Path) -> str:
    """Install `wheel` into `folder` (dependencies come from this environment) and import it from there."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(wheel)]
    subprocess.run(install, check=True)
    environment = os.environ | {"PYTHONPATH": str(folder)}
    probe = [sys.executable, "-c", PROBE, str(folder)]
    return subprocess.run(probe, check=True, cwd=folder, env=environment, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Build, look inside, install, import."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        wheel = build(folder / "dist")
        look_inside(wheel)
        imported = import_elsewhere(wheel, folder / "installed")
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, installed elsewhere and imported ({imported})")


if __name__ == "__main__":
    main()

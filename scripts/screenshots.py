"""Draw the README's pictures (the demo on the generated stack, step by step), or every state of the window.

Needs a screen or a virtual one; `make screenshots` brings it.
"""

import argparse
import os
import tempfile
from pathlib import Path

from napari import Viewer
from panel_states import States
from PIL import Image

from napari_sam.demo.play import Demo, sample_for_demo, save_screenshot
from napari_sam.plugin.settings import CONFIG_VARIABLE
from napari_sam.session.record.log_folder import FOLDER_VARIABLE

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
SIZE = (1280, 960)
SHOWN = ("before", "click", "correction", "propagated")


def shrink(path: Path) -> None:
    """Store a picture in as few bytes as PNG can."""
    with Image.open(path) as picture:
        picture.convert("RGB").save(path, optimize=True)


def save(viewer: Viewer, path: Path) -> None:
    """Save a picture of the window, small."""
    save_screenshot(viewer, path)
    shrink(path)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def draw_readme() -> None:
    """Play the demo and save its steps."""
    source, known = sample_for_demo()
    viewer = Viewer(title="napari")
    viewer.window.resize(*SIZE)

    def save_step(name: str) -> None:
        if name in SHOWN:
            save(viewer, FOLDER / f"{name}.png")

    demo = Demo(viewer, source, known=known, on_step=save_step, say=print)
    demo.widget.prompts.dismiss_hint()
    demo.play()
    print(f"IoU with the known nucleus: {demo.iou():.3f}")
    viewer.close()


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=Path, metavar="FOLDER", help="draw every state of the window into FOLDER")
    parser.add_argument("--size", default="1280x1200", help="of the window in which states are drawn")
    asked = parser.parse_args()
    states, size = asked.states, tuple(map(int, asked.size.split("x")))
    with tempfile.TemporaryDirectory() as folder:
        # As on the first start, and without leaving a trace in the user's settings and saved sessions.
        os.environ[CONFIG_VARIABLE] = os.environ[FOLDER_VARIABLE] = folder
        if states is None:
            draw_readme()
        else:
            States(lambda viewer, name: save(viewer, states / f"{name}.png"), size).draw()


if __name__ == "__main__":
    main()

"""Draw the README's pictures: the demo on the generated stack, a screenshot at each step.

Needs a screen or a virtual one; `make screenshots` brings it.
"""

from pathlib import Path

from napari import Viewer
from PIL import Image

from napari_sam.plugin.demo.play import Demo, sample_for_demo, save_screenshot

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
SIZE = (1280, 860)
SHOWN = ("before", "click", "correction", "propagated")


def shrink(path: Path) -> None:
    """Store a picture in as few bytes as PNG can."""
    with Image.open(path) as picture:
        picture.convert("RGB").save(path, optimize=True)


def main() -> None:
    """Play the demo and save its steps."""
    source, known = sample_for_demo()
    viewer = Viewer(title="napari")
    viewer.window.resize(*SIZE)

    def save(name: str) -> None:
        if name not in SHOWN:
            return
        path = FOLDER / f"{name}.png"
        save_screenshot(viewer, path)
        shrink(path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")

    demo = Demo(viewer, source, known=known, on_step=save, say=print)
    demo.play()
    print(f"IoU with the known nucleus: {demo.iou():.3f}")
    viewer.close()


if __name__ == "__main__":
    main()

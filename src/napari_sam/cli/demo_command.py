"""``napari-sam demo``: the main job in a real window."""

from pathlib import Path
from typing import Annotated

import typer

from napari_sam.cli.arguments import ModelName, PromptWords
from napari_sam.cli.image_options import ImageOptions, takes_image
from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource

Stack = Annotated[
    Path | None, typer.Argument(metavar="[STACK]", help="A z-stack of your own.", show_default="a generated one")
]
Point = Annotated[
    str | None,
    typer.Option("--point", metavar="[Z,]R,C", help="Where to click, in a stack of your own.", show_default=False),
]
Headless = Annotated[bool, typer.Option("--headless", help="Go fast, save pictures and labels, and end.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where pictures and labels go, with --headless.")
]


@takes_image
def demo_command(
    options: ImageOptions,
    stack: Stack = None,
    point: Point = None,
    model: ModelName = "nano",
    headless: Headless = False,
    output: Output = Path("demo-output"),
) -> None:
    """Open a z-stack in napari and have one object clicked, corrected and carried through it; then it is yours."""
    source, at = (None, None) if stack is None else _read(stack, point, options)
    if stack is None and point is not None:
        raise UserError("--point is for a stack of your own; the generated one knows where to click.")
    try:
        from napari_sam.demo.aim import Aim
        from napari_sam.demo.play import play_demo
    except ImportError as error:
        raise UserError(f'The demo needs napari and Qt ({error}): pip install "napari[pyqt6]".') from error
    aim = None if at is None else Aim(*at)
    play_demo(source, aim=aim, model=model, output=output if headless else None, say=typer.echo)


def _read(stack: Path, point: str | None, options: ImageOptions) -> tuple[ImageSource, tuple[Plane, int, int] | None]:
    """Return the image and where to click it; a point without a plane is one on the middle plane."""
    source = options.open(stack)
    if point is None:
        return source, None
    leading = source.shape[:-2]
    middle = ",".join(str(length // 2) for length in leading) or None
    ((plane, prompts),) = PromptWords([point], [], [], [], middle).read(source).items()
    return source, (plane, round(prompts.points[0].row), round(prompts.points[0].column))

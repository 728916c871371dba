"""The demo from beginning to end: a stack, a window, and one object that is clicked, corrected and propagated."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
from napari import Viewer, run
from napari.layers import Image
from numpy.typing import NDArray
from qtpy.QtCore import Qt

from napari_sam.demo.aim import (
    SHOWN_SIDE,
    Aim,
    aim_at_known,
    aim_at_likely,
    largest_error,
    likely_correction,
    middle_plane,
)
from napari_sam.demo.hand import Hand
from napari_sam.errors import UserError
from napari_sam.models.load import load_model
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.plugin.image_chooser import source_of
from napari_sam.prompts.prompt import Point
from napari_sam.sample import TISSUE, generate_stack
from napari_sam.segment.segmenter import Segmenter
from napari_sam.session.status import State

if TYPE_CHECKING:
    from napari_sam.plugin.segment_widget import SegmentWidget

GOOD_ENOUGH = 0.92
"""IoU with the known object from which the demo corrects no further (chosen, by eye)."""

MAX_CORRECTIONS = 3

SAMPLE_SEED = 10
"""Makes a stack in whose middle lies a nucleus that one click does not quite get: something to correct."""


class Demo:
    """A demo of one object, from the first click to the accepted labels, in a viewer.

    Parameters
    ----------
    viewer
        The viewer, its window shown.
    source
        The image; of several channels the first one chosen is shown and segmented.
    model
        Name of the model.
    known
        What is truly there: labels of the image's shape, if that is known.
    aim
        Where to click; None leaves it to the demo.
    pace
        See `Hand`.
    on_step
        Told the name of each step when the window shows its result: "before", "click", "correction", "propagated",
        "accepted".
    say
        Told a sentence about each step.
    """

    def __init__(
        self,
        viewer: Viewer,
        source: ImageSource,
        *,
        model: str = "nano",
        known: NDArray[Any] | None = None,
        aim: Aim | None = None,
        pace: float = 0.0,
        on_step: Callable[[str], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.viewer = viewer
        self.hand = Hand(viewer, pace)
        self._known = known
        self._on_step = on_step
        self._tell = say
        self.layer = _show(viewer, source)
        self._source = source_of(self.layer)
        self._model = model
        self.aim = aim or self._take_aim()
        self._look()
        self.widget: SegmentWidget = viewer.window.add_plugin_dock_widget("napari-sam-stacks", "Segment")[1]
        self.widget.session.model.choose(model)
        # The demo shows what a new user sees, whatever this one prefers.
        self.widget.session.model.set_object_size(None)

    @property
    def mask(self) -> Mask:
        """The object's mask on the clicked plane as it stands."""
        masks = self.widget.session.current.draft.masks
        return masks[self.aim.plane] if self.aim.plane in masks else Mask.from_pixels(np.zeros((0, 0), bool))

    def play(self) -> None:
        """Do it all."""
        self._prepare()
        self._click()
        self._correct()
        if self._source.ndim > 2:
            self._propagate()
        self._accept()

    @property
    def labels(self) -> NDArray[Any]:
        """The accepted labels."""
        layer = self.widget.controller.target_layer
        return np.zeros(self._source.shape, np.uint8) if layer is None else np.asarray(layer.data)

    def iou(self) -> float:
        """Return the IoU of what was accepted with the known object, over the whole stack."""
        return _iou(self.labels > 0, np.asarray(self._known == self.aim.label))

    def save_labels(self, path: Path) -> None:
        """Save what was accepted, as *Save* does."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.widget.session.record.save(path)
        self._settle("the file")

    def _look(self) -> None:
        """Show the plane to click, and of a large one the part around the click."""
        world = self._world(self.aim.row, self.aim.column)
        self.viewer.dims.set_point(range(self._source.ndim), world)
        height, width = self.aim.plane.shape(self._source.shape)
        if min(height, width) > SHOWN_SIDE:
            self.viewer.camera.center = world[-2:]
            self.viewer.camera.zoom *= min(height, width) / SHOWN_SIDE

    def _prepare(self) -> None:
        self._say("The plane is embedded ahead of the first click")
        self._settle("the embedding")
        self._step("before")

    def _click(self) -> None:
        self._say("A click on an object")
        self._add(Point(self.aim.row, self.aim.column))
        if not self.mask.area:
            raise UserError("The demo's click found no object there; give another place with --point.")
        self._step("click")

    def _correct(self) -> None:
        shape = self.aim.plane.shape(self._source.shape)
        if self._known is None:
            self._add_told(likely_correction(self.aim, self.mask, self._segmenter(), shape))
        else:
            self._correct_towards(self._known[self.aim.plane.index[:-2]] == self.aim.label)
        self._step("correction")

    def _correct_towards(self, known: NDArray[np.bool_]) -> None:
        """Click the largest error until the mask is good; a click that did not help is taken back."""
        agreement = _iou(self.mask.painted(known.shape), known)
        for _ in range(MAX_CORRECTIONS):
            if agreement >= GOOD_ENOUGH:
                return
            self._add_told(largest_error(self.mask.painted(known.shape), known))
            before, agreement = agreement, _iou(self.mask.painted(known.shape), known)
            if agreement < before:
                self._say("U removes a click that did not help")
                self.hand.key(Qt.Key.Key_U)
                self._settle("the mask")
                return

    def _propagate(self) -> None:
        self._say("G carries the object through the stack, both ways")
        session = self.widget.session
        self.hand.key(Qt.Key.Key_G)
        self.hand.wait_until(lambda: not session.volume.active and not session.status.working, "propagation", 600)
        reached = sorted(plane.index[-3] for plane in session.current.draft.masks)
        self._say(f"It was found on planes {reached[0]} to {reached[-1]}")
        middle = self.aim.plane.index[-3]
        self._walk(middle, reached[-1])
        self._walk(reached[-1], reached[0])
        self._walk(reached[0], (reached[0] + middle) // 2)
        self._settle("the view")
        self._step("propagated")

    def _accept(self) -> None:
        self._say("Enter accepts it into the labels")
        self.hand.key(Qt.Key.Key_Return)
        self.hand.wait_until(lambda: self.widget.controller.target_layer is not None, "the labels")
        self._settle("the labels")
        self._say("The window is yours: click the next object")
        self._step("accepted")

    def _add_told(self, click: Point) -> None:
        self._say("A click adds what is missing" if click.positive else "A right click excludes what is too much")
        self._add(click)

    def _add(self, point: Point) -> None:
        button = Qt.MouseButton.LeftButton if point.positive else Qt.MouseButton.RightButton
        self.hand.click(self._world(point.row, point.column), button)
        self._settle("the mask")

    def _walk(self, start: int, end: int) -> None:
        """Step from plane to plane with the arrow keys."""
        for _ in range(abs(end - start)):
            self.hand.key(Qt.Key.Key_Right if end > start else Qt.Key.Key_Left)

    def _settle(self, what: str) -> None:
        """Wait until nothing is computed any more."""
        session = self.widget.session

        def settled() -> bool:
            return session.image.plane == self._plane_in_view and not session.status.working

        # The panel follows the slider and the camera with a delay.
        self.hand.wait_until(settled, what, 600, steady=0.5)
        if session.status.state is State.ERROR:
            raise UserError(session.status.sentence)
        self.hand.pause(0.5)

    def _step(self, name: str) -> None:
        self.hand.pause()
        self._on_step(name)

    def _say(self, sentence: str) -> None:
        self._tell(sentence)
        # napari 0.9 moved it.
        overlay = self.viewer.canvas.overlays.text if hasattr(self.viewer, "canvas") else self.viewer.text_overlay
        overlay.text, overlay.visible, overlay.font_size, overlay.color = sentence, True, 12, "white"

    @property
    def _plane_in_view(self) -> Plane:
        at = self.layer.world_to_data(self.viewer.dims.point)
        return Plane(self.aim.plane.axes, tuple(round(float(position)) for position in at))

    def _world(self, row: float, column: float) -> tuple[float, ...]:
        return tuple(self.layer.data_to_world(self.aim.plane.to_data(row, column)))

    def _take_aim(self) -> Aim:
        if self._known is not None:
            return aim_at_known(self._known, np.asarray(self.layer.data), self._source.scale)
        return aim_at_likely(self._source, self._segmenter(), middle_plane(self._source))

    def _segmenter(self) -> Segmenter:
        """Return a segmenter beside the window's own, for finding out where a click is worth it."""
        axes = (self._source.ndim - 2, self._source.ndim - 1)
        return Segmenter(load_model(self._model), self._source, measure_contrast(self._source, axes))


def play_demo(
    source: ImageSource | None = None,
    *,
    aim: Aim | None = None,
    model: str = "nano",
    output: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Play the demo and leave the window open; or save pictures and labels and end.

    Parameters
    ----------
    source
        The image; None generates a stack whose nuclei are known.
    aim
        Where to click; None leaves it to the demo.
    model
        Name of the model.
    output
        Folder for pictures and labels, to end without leaving the window open; None leaves it open.
    say
        Told a sentence about each step and what came of it.
    """
    known = None
    if source is None:
        say("Making a z-stack of nuclei")
        source, known = sample_for_demo()
    viewer = Viewer(title="napari-sam demo")
    viewer.window.resize(1500, 1000)

    def save(name: str) -> None:
        if output is not None:
            save_screenshot(viewer, output / f"{name}.png")

    pace = 0.8 if output is None else 0.0
    demo = Demo(viewer, source, model=model, known=known, aim=aim, pace=pace, on_step=save, say=say)
    demo.play()
    if known is not None:
        say(f"IoU with the known nucleus, over the whole stack: {demo.iou():.3f}")
    if output is None:
        run()
        return
    demo.save_labels(output / "labels.tif")
    say(f"Pictures and labels are in {output}")
    viewer.close()


def sample_for_demo() -> tuple[ImageSource, NDArray[np.int32]]:
    """Return a generated stack of nuclei, and what they truly are."""
    stack = generate_stack(TISSUE, SAMPLE_SEED)
    source = ImageSource(stack.nuclei, scale=stack.scale, axis_labels="zyx", units=("um",) * 3)
    return source, stack.nucleus_labels


def save_screenshot(viewer: Viewer, path: Path) -> None:
    """Save a picture of the whole window."""
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, viewer.screenshot(canvas_only=False, flash=False)[..., :3])


def _iou(found: NDArray[np.bool_], known: NDArray[np.bool_]) -> float:
    return float((found & known).sum() / max(int((found | known).sum()), 1))


def _show(viewer: Viewer, source: ImageSource) -> Image:
    """Add the image to the viewer as napari's own readers would; of several channels the first one shown."""
    levels = [source.array(level) for level in range(source.n_levels)]
    multiscale = len(levels) > 1
    if source.channel_axis is not None and not source.rgb:
        first = (slice(None),) * source.channel_axis + ((source.shown or (0,))[0],)
        levels = [level[first] for level in levels]
    contrast = measure_contrast(source, (source.ndim - 2, source.ndim - 1))
    return viewer.add_image(
        levels if multiscale else levels[0],
        name="stack",
        multiscale=multiscale,
        rgb=source.rgb,
        scale=source.scale,
        axis_labels=source.axis_labels,
        units=source.units,
        contrast_limits=None if source.rgb or contrast.constant else contrast.limits[0],
    )

"""Between a viewer and a session: layers and gestures in, masks and labels out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes
from psygnal import Signal
from skimage.measure import approximate_polygon

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collides, Collision
from napari_sam.labels.pixel_change import PixelChange
from napari_sam.plugin import each_object
from napari_sam.plugin.accepting import Accepting
from napari_sam.plugin.actions import Action, bind_keys, unbind_keys
from napari_sam.plugin.click_clipboard import ClickClipboard
from napari_sam.plugin.image_source import contrast_of, source_of
from napari_sam.plugin.label_prompts import label_under, mask_reader, masks_reader
from napari_sam.plugin.layer_target import LayerTarget, check_writable, new_labels
from napari_sam.plugin.own_layers import OwnLayers
from napari_sam.plugin.placement import placed_alike
from napari_sam.plugin.strokes import StrokeWatch
from napari_sam.plugin.view import View, camera_of, displayed_axes, resolve_view
from napari_sam.plugin.world_map import world_map
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.batch import BatchObject
from napari_sam.session.propagation import DOUBTFUL
from napari_sam.session.session import Session
from napari_sam.session.target import Target

NEW_LABELS_NAME = "objects"
_ANSWERS = {
    Action.ACCEPT: Collision.KEEP,
    Action.ACCEPT_OVERWRITING: Collision.OVERWRITE,
    Action.REJECT: None,
}
"""What the keys mean while the user is asked about pixels of other labels."""
STROKE_TOLERANCE = 1.0
"""Screen pixels by which a scribble may be straightened."""


class SegmentController:
    """Mirrors one session in one viewer; knows napari's models but no Qt.

    Parameters
    ----------
    viewer
        The viewer.
    session
        The session.
    later
        Has a function called once the present event is over; at once by default.

    Signals
    -------
    layers_changed()
        The images or labels that may be chosen are different, or other ones are chosen.
    told(str)
        One sentence for the user about what was just asked for; empty to forget the last one.
    picking_changed(bool)
        Whether the next click picks a label.
    asked_changed()
        `asked` is different.
    """

    layers_changed = Signal()
    told = Signal(str)
    picking_changed = Signal(bool)
    asked_changed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        later: Callable[[Callable[[], None]], None] = lambda function: function(),
    ) -> None:
        self.viewer = viewer
        self.session = session
        self.collision = Collision.KEEP
        self._image: Image | None = None
        self._own: OwnLayers | None = None
        self._targets: dict[Labels, LayerTarget] = {}
        self._strokes: dict[Labels, StrokeWatch] = {}
        self.propagation_axis: int | None = None
        self._layer_contrast = False
        self._picking = False
        self._scribbling = False
        self._changing = False
        self._later = later
        self._arranging = False
        self.prompt_source: Points | Shapes | Labels | None = None
        self._accepting = Accepting(session, later, self.asked_changed.emit, self.told.emit)
        self._deeds: dict[Action, Callable[[], object]] = {
            Action.ACCEPT: self.accept,
            Action.ACCEPT_OVERWRITING: self.accept_overwriting,
            Action.EACH: self.segment_each,
            Action.REJECT: session.reject,
            Action.NEXT: self.next_object,
            Action.REMOVE_LAST: session.remove_last,
            Action.CLEAR: session.clear,
            Action.HIDE: self.toggle_preview,
            Action.PICK: self.refine_under_cursor,
            Action.CANDIDATE: partial(self.cycle_candidates, 1),
            Action.CANDIDATE_BACK: partial(self.cycle_candidates, -1),
            Action.POLARITY: self.turn_polarity,
            Action.PROPAGATE: self.propagate,
            Action.CANCEL: session.cancel,
            Action.UNDO: session.undo,
            Action.REDO: session.redo,
        }
        session.prompts_changed.connect(self._show_prompts)
        session.masks_changed.connect(self._show_masks)
        session.labels_changed.connect(self._show_labels)
        session.label_changed.connect(self._show_object)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.events.reordered.connect(self._on_renamed)
        for layer in viewer.layers:
            layer.events.name.connect(self._on_renamed)

    # Choosing

    @property
    def images(self) -> list[Image]:
        """The image layers that may be chosen, the topmost first."""
        return [layer for layer in reversed(self.viewer.layers) if isinstance(layer, Image)]

    @property
    def labels(self) -> list[Labels]:
        """The Labels layers that fit the image, the topmost first."""
        source = self.session.source
        if source is None:
            return []
        return [
            layer
            for layer in reversed(self.viewer.layers)
            if isinstance(layer, Labels)
            and not self._is_own(layer)
            and not layer.multiscale
            and tuple(layer.data.shape) == source.shape
        ]

    @property
    def prompt_sources(self) -> list[Points | Shapes | Labels]:
        """Layers that the user made and that may serve as prompts, the topmost first."""
        return [
            layer
            for layer in reversed(self.viewer.layers)
            if isinstance(layer, Points | Shapes | Labels) and not self._is_own(layer)
        ]

    @property
    def _labels_layers(self) -> list[Labels]:
        return [layer for layer in self.prompt_sources if isinstance(layer, Labels)]

    @property
    def image(self) -> Image | None:
        """The chosen image layer."""
        return self._image

    @property
    def target_layer(self) -> Labels | None:
        """The chosen Labels layer; None for one that is yet to be made."""
        target = self.session.target
        return target.layer if isinstance(target, LayerTarget) else None

    @property
    def propagation_axes(self) -> dict[int, str]:
        """Data axes that an object can be carried along, with names, the likeliest first."""
        if self._image is None:
            return {}
        shown = displayed_axes(self.viewer.dims, self._image.ndim)
        names = self._image.axis_labels
        return {axis: str(names[axis]) for axis in reversed(range(self._image.ndim)) if axis not in shown}

    @property
    def own(self) -> OwnLayers | None:
        """The plugin's own layers, if an image is chosen."""
        return self._own

    @property
    def picking(self) -> bool:
        """Whether the next click picks a label to refine."""
        return self._picking

    @property
    def candidates(self) -> Segmentation | None:
        """The answer on the plane in view, if it offers more than one candidate."""
        plane = self.session.plane
        answer = None if plane is None else self.session.draft.segmentations.get(plane)
        return answer if answer is not None and len(answer.candidates) > 1 else None

    def choose_first_image(self) -> None:
        """Choose a visible image layer, if there is any: a selected one first, then the topmost."""
        visible = [layer for layer in self.images if layer.visible]
        selected = [layer for layer in visible if layer in self.viewer.layers.selection]
        for layer in (*selected, *visible):
            self.choose_image(layer)
            return

    def choose_image(self, layer: Image | None) -> None:
        """Segment another image, or none."""
        if layer is self._image:
            return
        self.told.emit("")
        self._drop_image()
        if layer is None:
            self.session.set_image(None)
        else:
            try:
                source = source_of(layer)
                self._image = layer
                self.session.set_image(
                    source,
                    axes=self._axes_in_view(layer),
                    contrast=contrast_of(layer, source.n_channels) if self._layer_contrast else None,
                )
            except UserError as error:
                self._image = None
                self.session.set_image(None)
                self.told.emit(str(error))
            else:
                layer.events.data.connect(self._on_image_data)
                self._make_own()
                self.update_view()
        self.layers_changed.emit()

    def choose_target(self, layer: Labels | None) -> None:
        """Accept objects into another Labels layer; None for one that is made when first needed."""
        self.told.emit("")
        try:
            if layer is None:
                self.session.set_target(None)
            else:
                check_writable(layer)
                self.session.set_target(self._target_of(layer))
                if self._image is not None and not placed_alike(layer, self._image):
                    self.told.emit(
                        f"'{layer.name}' lies elsewhere than '{self._image.name}' (another scale or translate): "
                        "objects are written pixel by pixel and appear displaced."
                    )
        except UserError as error:
            self.told.emit(str(error))
        self.layers_changed.emit()

    def use_layer_contrast(self, use: bool) -> None:
        """Scale the network's input by the image layer's contrast limits, or by limits measured on the stack."""
        self._layer_contrast = use
        source = self.session.source
        if self._image is not None and source is not None:
            self.session.set_contrast(contrast_of(self._image, source.n_channels) if use else None)

    # Following the viewer

    def resolve(self) -> View | str:
        """The plane in view, or why there is none."""
        if self._image is None:
            return "Choose an image."
        return resolve_view(self.viewer.dims, self._image)

    def update_view(self) -> None:
        """Tell the session what is in view."""
        if self._image is None:
            return
        if self._own is not None:
            self._own.prompts.follow_zoom(self._screen_pixel(self._image))
        view = self.resolve()
        if isinstance(view, str):
            self.session.clear_view(view)
            return
        if self._own is not None:
            self._own.prompts.set_defaults(axes=view.plane.axes)
        anew = self.session.plane != view.plane
        self.session.set_view(view.plane, view.center)
        if anew:
            self._show_masks()

    # Gestures (data coordinates of the Points layer, which are the image's)

    def clicked(self, position: np.ndarray, positive: bool) -> None:
        """A click, adding or excluding - or picking a label, when asked to."""
        self.told.emit("")
        if self._picking:
            self._set_picking(False)
            self.try_to(lambda: self._refine_at(self._world(position)))
            return
        self.try_to(lambda: self._add_click(position, positive))

    def dragging(self, start: np.ndarray, end: np.ndarray) -> None:
        """A box is being dragged."""
        view = self.resolve()
        if self._own is not None and isinstance(view, View):
            self._own.prompts.show_box(view.plane, self._clipped_box(view, start, end))

    def dragged(self, start: np.ndarray, end: np.ndarray) -> None:
        """A box was dragged."""
        self.told.emit("")
        view = self.resolve()
        if isinstance(view, str):
            self.told.emit(view)
            return
        self.dragging(start, end)
        self._read_prompts()

    def scribbling(self, path: Sequence[np.ndarray], positive: bool) -> None:
        """A scribble is being drawn."""
        view = self.resolve()
        if self._own is not None and isinstance(view, View):
            scribble = self._scribble(view, path, positive)
            self._own.prompts.show_scribble(view.plane, scribble, instead=self._scribbling)
            self._scribbling = True

    def scribbled(self, path: Sequence[np.ndarray], positive: bool) -> None:
        """A scribble was drawn."""
        self.told.emit("")
        view = self.resolve()
        if isinstance(view, str):
            self.told.emit(view)
            return
        self.scribbling(path, positive)
        self._scribbling = False
        self._read_prompts()

    def scrolled(self, step: int) -> None:
        """The wheel was turned while Shift was held."""
        self.do(Action.CANDIDATE if step > 0 else Action.CANDIDATE_BACK)

    # Deeds

    def do(self, action: Action) -> None:
        """Do what a key or button asks for; what cannot be done is told."""
        self.told.emit("")
        if self._accepting.question is not None and action in _ANSWERS:
            self.answer(_ANSWERS[action])
            return
        for strokes in self._strokes.values():
            # What is done in the middle of a stroke comes after what is painted of it.
            strokes.flush()
        self.try_to(self._deeds[action])

    def try_to(self, deed: Callable[[], object]) -> None:
        """Do something that may refuse with a sentence for the user."""
        try:
            deed()
        except UserError as error:
            self.told.emit(str(error))

    def accept(self) -> None:
        """Accept the object; new labels are made if none are chosen."""
        self._ensure_target()
        self._accepting.accept(self.collision)

    def accept_overwriting(self) -> None:
        """Accept the object and overwrite what it meets, this once."""
        self._ensure_target()
        self._accepting.accept(Collision.OVERWRITE)

    def next_object(self) -> None:
        """Leave this object, accepting it if it has a mask."""
        if self.session.draft.masks or self.session.draft.in_flight:
            self.accept()
        else:
            self.session.next_object()

    @property
    def asked(self) -> Collides | None:
        """What the user is asked about; None if nothing is."""
        return self._accepting.question

    def answer(self, collision: Collision | None) -> None:
        """Answer what was asked: what happens to pixels of other labels; None to write nothing."""
        self.told.emit("")
        self.try_to(partial(self._accepting.answer, collision))

    def choose_candidate(self, at: int) -> None:
        """Take another candidate on the plane in view."""
        if self.candidates is None:
            raise UserError("There are no candidates to choose from here: they come with a single click.")
        self.session.choose(at)

    def cycle_candidates(self, step: int) -> None:
        """Take the next candidate that is not empty, or the one before."""
        answer = self.candidates
        if answer is None:
            raise UserError("There are no candidates to choose from here: they come with a single click.")
        at = answer.chosen
        for _ in answer.candidates:
            at = (at + step) % len(answer.candidates)
            if answer.candidates[at].area:
                break
        self.choose_candidate(at)

    def propagate(self) -> None:
        """Carry the object through the stack."""
        self._follow_view_now()
        axis = self.propagation_axis if self.propagation_axis in self.propagation_axes else None
        self.session.propagate(axis)

    def toggle_preview(self) -> None:
        """Hide the preview, or show it again."""
        if self._own is not None:
            layer = self._own.preview.layer
            layer.visible = not layer.visible

    def draw(self) -> None:
        """Make the Points layer ready for gestures; layers that were removed come back."""
        if self._image is None:
            self.told.emit("Choose an image first.")
            return
        if self._own is None or not self._own.whole:
            self._make_own()
            self._show_prompts()
            self._show_masks()
        if self._own is not None:
            self._own.draw()

    def use_source(self) -> None:
        """Use the chosen layer's prompts for the object in work.

        Points and shapes count, wherever their layer lies, as long as the object is in work, and are followed as they
        change. Of a Labels layer the selected label is refined.
        """
        self.told.emit("")
        self.try_to(self._use_source)

    def _use_source(self) -> None:
        source = self.prompt_source
        if source is None:
            raise UserError("The plugin's own clicks and shapes count already: choose another layer.")
        image, view = self._image_and_view()
        if isinstance(source, Labels):
            self._refine(source, int(source.selected_label))
        elif self._own is not None:
            to_image = world_map(source, image, self.viewer.dims.point)
            if not self._own.prompts.found_in(source, to_image, view.plane.axes):
                raise UserError(f"'{source.name}' holds no prompts on '{image.name}': add points or shapes to it.")
            self._own.prompts.link(source, to_image, view.plane.axes)
            bind_keys(source, self.do)

    def segment_each(self) -> None:
        """Make an object of each prompt of the chosen layer on the plane in view.

        Of the plugin's own layers, each box and outline; of others each point or shape, or all that have the same id
        in the feature "object"; of labels each one, under its id.
        """
        image, view = self._image_and_view()
        plane, source = view.plane, self.prompt_source
        assert self._own is not None
        layers = self._own.prompts
        objects: Sequence[BatchObject] | Callable[[], Sequence[BatchObject]]
        if isinstance(source, Labels):
            read = masks_reader(source, image, plane, self.viewer.dims.point, own=source is self.target_layer)
            objects = lambda: each_object.labels(read(), plane)  # noqa: E731
        elif source is not None:
            to_image = world_map(source, image, self.viewer.dims.point)
            objects = each_object.objects(layers.found_in(source, to_image, plane.axes), plane)
        else:
            objects = each_object.regions(layers.found_in(layers.shapes), plane)
            if not each_object.only_regions(self.session.draft.prompts, plane):
                raise UserError("The object in work has clicks or scribbles too: accept or reject it first.")
        if not callable(objects) and not objects:
            raise UserError("There is nothing to segment on this plane: draw boxes or outlines first.")
        self._ensure_target(wanted=True)
        self._follow_view_now()
        self.session.segment_each(objects, self.collision, instead=source is None)

    def turn_polarity(self) -> None:
        """Turn the selected clicks or scribbles, or the last one, from adding to excluding or back."""
        if self._own is None:
            raise UserError("Choose an image first.")
        active = self.viewer.layers.selection.active
        self._own.prompts.turn_polarity(active if isinstance(active, Points | Shapes) else None)

    def edit_points(self) -> None:
        """Make the Points layer active with napari's tool to select and move points."""
        if self._own is not None and self._own.whole:
            self.viewer.layers.selection.active = self._own.prompts.points
            self._own.prompts.points.mode = "select"

    def edit_shapes(self) -> None:
        """Make the Shapes layer active with napari's tool to select and move shapes."""
        if self._own is not None and self._own.whole:
            self.viewer.layers.selection.active = self._own.prompts.shapes
            self._own.prompts.shapes.mode = "select"

    def refine_under_cursor(self) -> None:
        """Take the label under the mouse as prompt."""
        self._refine_at(np.asarray(self.viewer.cursor.position, float))

    def start_picking(self) -> None:
        """Take the active Labels layer's selected label as prompt; else let the next click pick one, or no longer."""
        self.told.emit("")
        self.try_to(self._start_picking)
        self.picking_changed.emit(self._picking)

    def close(self, *, keep_layers: bool) -> bool:
        """End the session; the plugin's own layers go unless `keep_layers` (the window closes anyway)."""
        self.session.prompts_changed.disconnect(self._show_prompts)
        self.session.masks_changed.disconnect(self._show_masks)
        self.session.labels_changed.disconnect(self._show_labels)
        self.session.label_changed.disconnect(self._show_object)
        for event, callback in (
            (self.viewer.layers.events.inserted, self._on_inserted),
            (self.viewer.layers.events.removed, self._on_removed),
            (self.viewer.layers.events.reordered, self._on_renamed),
        ):
            event.disconnect(callback)
        for layer in self.viewer.layers:
            layer.events.name.disconnect(self._on_renamed)
        self._accepting.close()
        for strokes in self._strokes.values():
            strokes.close()
        self._strokes.clear()
        ended = self.session.close()
        if not keep_layers:
            self._drop_image()
        self._own = None
        return ended

    # Inside: layers

    def _axes_in_view(self, layer: Image) -> tuple[int, int]:
        view = resolve_view(self.viewer.dims, layer)
        return (layer.ndim - 2, layer.ndim - 1) if isinstance(view, str) else view.plane.axes

    def _make_own(self) -> None:
        assert self._image is not None
        if self._own is not None:
            self._remove_own()
        self._changing = True
        try:
            self._own = OwnLayers(self.viewer, self._image, self)
            for layer in (self._own.prompts.points, self._own.prompts.shapes):
                bind_keys(layer, self.do)
            self._own.prompts.edited.connect(self._read_prompts)
            self._own.prompts.unlinked.connect(unbind_keys)
            ClickClipboard(self._own.prompts, lambda: self.session.plane)
            self._own.draw()
        finally:
            self._changing = False

    def _remove_own(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            own.prompts.edited.disconnect(self._read_prompts)
            own.remove()
            own.prompts.unlinked.disconnect(unbind_keys)

    def _drop_image(self) -> None:
        self._set_picking(False)
        if self._image is not None:
            self._image.events.data.disconnect(self._on_image_data)
        self._image = None
        self._remove_own()

    def _is_own(self, layer: Layer) -> bool:
        return self._own is not None and layer in self._own

    def _target_of(self, layer: Labels) -> LayerTarget:
        if layer not in self._targets:
            self._targets[layer] = LayerTarget(layer)
            self._strokes[layer] = StrokeWatch(
                layer, self._painted, partial(self.do, Action.UNDO), partial(self.do, Action.REDO)
            )
            layer.events.data.connect(self._on_labels_data)
        return self._targets[layer]

    def _ensure_target(self, *, wanted: bool = False) -> None:
        """Make new labels if none are chosen and there is something, or `wanted`; they go below the plugin's own."""
        if self.session.target is not None or self._image is None or self._own is None:
            return
        draft = self.session.draft
        if not draft.masks and not draft.in_flight and not wanted:
            return
        active = self.viewer.layers.selection.active
        layer = new_labels(self._image, NEW_LABELS_NAME)
        at = self.viewer.layers.index(self._image) + 1
        if self._own.preview.layer in self.viewer.layers:
            at = self.viewer.layers.index(self._own.preview.layer)
        self._changing = True
        try:
            self.viewer.layers.insert(at, layer)
            self.viewer.layers.selection.active = active
        finally:
            self._changing = False
        self.session.set_target(self._target_of(layer), next_label=1)
        self.layers_changed.emit()

    def _on_inserted(self, event: Any) -> None:
        event.value.events.name.connect(self._on_renamed)
        if self._changing:
            return
        self.layers_changed.emit()
        if not self._arranging:
            # A file or a sample may bring several layers; which is the one to work on shows when all are there.
            self._arranging = True
            self._later(self._arrange)

    def _arrange(self) -> None:
        """After layers were added: choose an image if none is, and keep the plugin's own layers on top."""
        self._arranging = False
        if self._image is None:
            self.choose_first_image()
        elif self._own is not None:
            self._own.raise_to_top()

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        layer.events.name.disconnect(self._on_renamed)
        if layer is self.prompt_source:
            self.prompt_source = None
        if layer in self._targets:
            target = self._targets.pop(layer)
            self._strokes.pop(layer).close()
            layer.events.data.disconnect(self._on_labels_data)
            self.session.forget_target(target)
        if layer is self._image:
            self.choose_image(None)
        elif self._own is not None and layer in self._own.prompts.linked:
            self._own.prompts.unlink()
            self._read_prompts()
        elif self._own is not None and layer in (self._own.prompts.points, self._own.prompts.shapes):
            # Deleting the layer deletes what is in it.
            self._own.prompts.empty(layer)
            self._read_prompts()
        self.layers_changed.emit()

    def _on_renamed(self) -> None:
        self.layers_changed.emit()

    def _on_image_data(self) -> None:
        """Other pixels in the same layer are another image."""
        image = self._image
        if image is not None:
            self._image = None
            self.choose_image(image)

    def _on_labels_data(self, event: Any) -> None:
        """The labels were replaced as a whole: what was accepted into the former ones cannot be undone in these."""
        target = self._targets.get(event.source)
        if target is not None:
            chosen = self.session.target is target
            self.session.forget_target(target)
            if chosen:
                self.choose_target(event.source)

    def _painted(self, layer: Labels, change: PixelChange) -> None:
        """A stroke on a layer that is or was the target."""
        if layer in self._targets:
            self.session.painted(self._targets[layer], change)

    # Inside: prompts

    def _add_click(self, position: np.ndarray, positive: bool) -> None:
        view = self.resolve()
        if isinstance(view, str):
            raise UserError(view)
        if self._own is None or self._image is None or self.session.source is None:
            raise UserError("Choose an image first.")
        row, column = view.plane.from_data(tuple(position))
        rows, columns = view.plane.shape(self.session.source.shape)
        if not (-0.5 <= row <= rows - 0.5 and -0.5 <= column <= columns - 0.5):
            raise UserError("That click is outside the image: click inside it.")
        self._follow_view_now()
        self._own.prompts.add_point(view.plane, Point(row, column, positive))

    def _clipped_box(self, view: View, start: np.ndarray, end: np.ndarray) -> Box:
        assert self.session.source is not None
        limits = np.asarray(view.plane.shape(self.session.source.shape), float) - 0.5
        corners = np.asarray([view.plane.from_data(tuple(start)), view.plane.from_data(tuple(end))])
        (row0, column0), (row1, column1) = np.clip(corners, -0.5, limits)
        return Box(float(row0), float(column0), float(row1), float(column1))

    def _scribble(self, view: View, path: Sequence[np.ndarray], positive: bool) -> Scribble:
        assert self.session.source is not None
        assert self._image is not None
        limits = np.asarray(view.plane.shape(self.session.source.shape), float) - 0.5
        vertices = np.clip([view.plane.from_data(tuple(at)) for at in path], -0.5, limits)
        tolerance = STROKE_TOLERANCE * self._screen_pixel(self._image)
        smooth = approximate_polygon(vertices, tolerance)  # type: ignore[no-untyped-call]
        return Scribble(tuple((float(row), float(column)) for row, column in smooth), positive)

    def _screen_pixel(self, image: Image) -> float:
        """A pixel of the screen, in data pixels of the image (of its last axis, as napari measures points)."""
        step = abs(float(image.scale[-1])) * float(camera_of(self.viewer).zoom)
        return 1 / step if step > 0 else 1.0

    def _follow_view_now(self) -> None:
        """The view is usually followed with a delay; a click does not wait for it."""
        self.update_view()

    def _read_prompts(self) -> None:
        """The prompt layers changed: so do the session's prompts; mask prompts that no layer shows stay."""
        if self._own is None:
            return
        layers = self._own.prompts
        read = layers.read()
        changed = {}
        for plane in dict.fromkeys([*self.session.draft.prompts, *read]):
            prompts, earlier = read.get(plane, Prompts()), self.session.prompts(plane).mask
            if prompts.mask is None and (earlier is None or earlier.outline is None):
                prompts = replace(prompts, mask=earlier)
            changed[plane] = prompts
        self.try_to(partial(self.session.set_all_prompts, changed))

    def _world(self, position: np.ndarray) -> np.ndarray:
        """World coordinates of a position in the image, of all the viewer's axes."""
        world = np.asarray(self.viewer.dims.point, float)
        if self._image is not None:
            world[len(world) - self._image.ndim :] = self._image.data_to_world(position)
        return world

    def _refine_at(self, world: np.ndarray) -> None:
        layers = (layer for layer in self._labels_layers if layer.visible)
        found = label_under(layers, world)
        if found is None:
            raise UserError("There is no label there: point at a label of a visible Labels layer.")
        self._refine(*found)

    def _refine(self, layer: Labels, label: int) -> None:
        image, view = self._image_and_view()
        if not label:
            raise UserError("Label 0 is the background; pick a label to refine.")
        own = layer is self.target_layer
        read = mask_reader(layer, image, view.plane, label, self.viewer.dims.point, own=own)
        missing = f"Label {label} of '{layer.name}' has no pixels on this plane of '{image.name}'."
        self.session.refine_mask(view.plane, read, missing, label if own else None)

    def _image_and_view(self) -> tuple[Image, View]:
        view = self.resolve()
        if self._image is None or isinstance(view, str):
            raise UserError(view if isinstance(view, str) else "Choose an image first.")
        return self._image, view

    def _start_picking(self) -> None:
        active = self.viewer.layers.selection.active
        if isinstance(active, Labels) and not self._is_own(active):
            self._refine(active, int(active.selected_label))
            return
        if self._image is None:
            raise UserError("Choose an image first.")
        self._set_picking(not self._picking)
        if self._picking:
            self.draw()
            self.told.emit("Click the label to refine.")

    def _set_picking(self, picking: bool) -> None:
        if picking != self._picking:
            self._picking = picking
            self.picking_changed.emit(picking)

    # Inside: showing

    def _show_prompts(self) -> None:
        if self._own is not None:
            self._own.prompts.write(self.session.draft.prompts)

    def _show_object(self) -> None:
        if self._own is not None:
            self._own.prompts.show_object(self.session.current_label)

    def _show_masks(self) -> None:
        self._accepting.draft_changed()
        if self._own is None:
            return
        draft = self.session.draft
        propagated = [plane for plane in draft.proposal if plane not in draft.segmentations]
        doubtful = [plane for plane in propagated if draft.proposal[plane].confidence < DOUBTFUL]
        self._own.preview.show(draft.masks, propagated, doubtful, self.session.plane)

    def _show_labels(self, target: Target, _: Sequence[slice]) -> None:
        if isinstance(target, LayerTarget):
            target.layer.refresh(extent=False)

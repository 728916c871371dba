"""Between a viewer and a session: layers and gestures in, masks and labels out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes
from psygnal import Signal

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collides, Collision
from napari_sam.plugin.accepting import Accepting
from napari_sam.plugin.actions import Action, bind_keys, unbind_keys
from napari_sam.plugin.canvas import Canvas
from napari_sam.plugin.click_clipboard import ClickClipboard
from napari_sam.plugin.image_source import contrast_of, source_of
from napari_sam.plugin.jump import jump_to
from napari_sam.plugin.keyboard_cursor import KeyboardCursor
from napari_sam.plugin.label_picking import LabelPicking
from napari_sam.plugin.layer_target import LayerTarget
from napari_sam.plugin.own_layers import OwnLayers
from napari_sam.plugin.prompt_sources import PromptSources
from napari_sam.plugin.refresh_box import refresh_box
from napari_sam.plugin.stage import Stage
from napari_sam.plugin.target_layers import TargetLayers
from napari_sam.plugin.view import displayed_axes, resolve_view
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.propagation import DOUBTFUL
from napari_sam.session.restored import Restored
from napari_sam.session.session import Session
from napari_sam.session.target import Target

_ANSWERS = {
    Action.ACCEPT: Collision.KEEP,
    Action.ACCEPT_OVERWRITING: Collision.OVERWRITE,
    Action.REJECT: None,
}
"""What the keys mean while the user is asked about pixels of other labels."""


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
    soon
        Gives the answer to a gesture a moment to arrive, so that both are drawn at once; does nothing by default.
    after_drawing
        Has a function called when the window has had time to draw; as `later` by default.

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
    cursor_changed(bool)
        Whether the keyboard's cursor is on.

    Attributes
    ----------
    canvas : Canvas
        Where gestures go.
    picking : LabelPicking
        Labels to be refined.
    cursor : KeyboardCursor
        Prompting without a mouse.
    sources : PromptSources
        Layers that prompts are taken from.
    collision : Collision
        What happens to pixels of other labels on accepting.
    propagation_axis : int or None
        The data axis to carry objects along; None for the likeliest.
    """

    layers_changed = Signal()
    told = Signal(str)
    picking_changed = Signal(bool)
    asked_changed = Signal()
    cursor_changed = Signal(bool)

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        later: Callable[[Callable[[], None]], None] = lambda function: function(),
        soon: Callable[[], None] = lambda: None,
        after_drawing: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self.viewer = viewer
        self.session = session
        self.collision = Collision.KEEP
        self._stage = Stage(viewer, session, self.told.emit)
        self.try_to = self._stage.try_to
        self.picking = LabelPicking(self._stage, self.picking_changed.emit)
        self.sources = PromptSources(self._stage, self.picking, lambda layer: bind_keys(layer, self.do))
        self.canvas = Canvas(
            self._stage, self.picking, self.update_view, self._read_prompts, self.cycle_candidates, soon
        )
        self.cursor = KeyboardCursor(
            self._stage, self.canvas, self._show_prompts, self._unnoticed, self.cursor_changed.emit
        )
        self._targets = TargetLayers(
            self._stage,
            self._unnoticed,
            partial(self.do, Action.UNDO),
            partial(self.do, Action.REDO),
            self.layers_changed.emit,
            after_drawing or later,
        )
        self.propagation_axis: int | None = None
        self._layer_contrast = False
        self._changing = False
        self._later = later
        self._arranging = False
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
            Action.PICK: self.picking.pick_under_cursor,
            Action.CANDIDATE: partial(self.cycle_candidates, 1),
            Action.CANDIDATE_BACK: partial(self.cycle_candidates, -1),
            Action.POLARITY: self.turn_polarity,
            Action.CURSOR: self.cursor.toggle,
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
        return self._targets.fitting

    @property
    def image(self) -> Image | None:
        """The chosen image layer."""
        return self._stage.image

    @property
    def target_layer(self) -> Labels | None:
        """The chosen Labels layer; None for one that is yet to be made."""
        return self._targets.chosen

    @property
    def propagation_axes(self) -> dict[int, str]:
        """Data axes that an object can be carried along, with names, the likeliest first."""
        if self._stage.image is None:
            return {}
        shown = displayed_axes(self.viewer.dims, self._stage.image.ndim)
        names = self._stage.image.axis_labels
        return {axis: str(names[axis]) for axis in reversed(range(self._stage.image.ndim)) if axis not in shown}

    @property
    def own(self) -> OwnLayers | None:
        """The plugin's own layers, if an image is chosen."""
        return self._stage.own

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
        if layer is self._stage.image:
            return
        self.told.emit("")
        self._drop_image()
        if layer is None:
            self.session.set_image(None)
        else:
            try:
                source = source_of(layer)
                self._stage.image = layer
                self.session.set_image(
                    source,
                    axes=self._axes_in_view(layer),
                    contrast=contrast_of(layer, source.n_channels) if self._layer_contrast else None,
                )
            except UserError as error:
                self._stage.image = None
                self.session.set_image(None)
                self.told.emit(str(error))
            else:
                layer.events.data.connect(self._on_image_data)
                self._make_own()
                self.update_view()
        self.layers_changed.emit()

    def choose_target(self, layer: Labels | None) -> None:
        """Accept objects into another Labels layer; None for one that is made when first needed."""
        self._targets.choose(layer)

    def add_restored(self, restored: Restored) -> LayerTarget:
        """A Labels layer, on the chosen image, of labels that were read back from disk; see `TargetLayers`."""
        return self._targets.add_restored(restored)

    def use_layer_contrast(self, use: bool) -> None:
        """Scale the network's input by the image layer's contrast limits, or by limits measured on the stack."""
        self._layer_contrast = use
        source = self.session.source
        if self._stage.image is not None and source is not None:
            self.session.set_contrast(contrast_of(self._stage.image, source.n_channels) if use else None)

    # Following the viewer

    def update_view(self) -> None:
        """Tell the session what is in view."""
        if self._stage.image is None:
            return
        if self._stage.own is not None:
            self._stage.own.prompts.follow_zoom(self._stage.screen_pixel)
        self.cursor.follow()
        view = self._stage.resolve()
        if isinstance(view, str):
            self.session.clear_view(view)
            return
        if self._stage.own is not None:
            self._stage.own.prompts.set_defaults(axes=view.plane.axes)
        anew = self.session.plane != view.plane
        self.session.set_view(view.plane, view.center)
        if anew:
            self._show_masks()

    # Deeds

    def do(self, action: Action) -> None:
        """Do what a key or button asks for; what cannot be done is told."""
        self.told.emit("")
        if self._accepting.question is not None and action in _ANSWERS:
            self.answer(_ANSWERS[action])
            return
        # What is done in the middle of a stroke comes after what is painted of it.
        self._targets.flush()
        self.try_to(self._deeds[action])

    def accept(self) -> None:
        """Accept the object; new labels are made if none are chosen."""
        self._targets.ensure()
        self._accepting.accept(self.collision)

    def accept_overwriting(self) -> None:
        """Accept the object and overwrite what it meets, this once."""
        self._targets.ensure()
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
        self.update_view()
        axis = self.propagation_axis if self.propagation_axis in self.propagation_axes else None
        self.session.propagate(axis)

    def reopen(self, label: int) -> None:
        """Go on with an accepted object, ready for clicks."""
        self.told.emit("")
        self.try_to(lambda: self.session.objects.reopen(label))
        self.draw()

    def jump_to(self, label: int) -> None:
        """Bring an accepted object into view."""
        if self.image is not None:
            plane, center = self.session.objects.place(label)
            jump_to(self.viewer, self.image, plane, center)

    def toggle_preview(self) -> None:
        """Hide the preview, or show it again."""
        if self._stage.own is not None:
            layer = self._stage.own.preview.layer
            layer.visible = not layer.visible

    def draw(self) -> None:
        """Make the Points layer ready for gestures; layers that were removed come back."""
        if self._stage.image is None:
            self.told.emit("Choose an image first.")
            return
        if self._stage.own is None or not self._stage.own.whole:
            self._make_own()
            self._show_prompts()
            self._show_masks()
        if self._stage.own is not None:
            self._stage.own.draw()

    def turn_polarity(self) -> None:
        """Turn the selected clicks or scribbles, or the last one, from adding to excluding or back."""
        if self._stage.own is None:
            raise UserError("Choose an image first.")
        active = self.viewer.layers.selection.active
        self._stage.own.prompts.turn_polarity(active if isinstance(active, Points | Shapes) else None)

    def edit_points(self) -> None:
        """Make the Points layer active with napari's tool to select and move points."""
        if self._stage.own is not None and self._stage.own.whole:
            self.viewer.layers.selection.active = self._stage.own.prompts.points
            self._stage.own.prompts.points.mode = "select"

    def edit_shapes(self) -> None:
        """Make the Shapes layer active with napari's tool to select and move shapes."""
        if self._stage.own is not None and self._stage.own.whole:
            self.viewer.layers.selection.active = self._stage.own.prompts.shapes
            self._stage.own.prompts.shapes.mode = "select"

    def start_picking(self) -> None:
        """Take the active Labels layer's selected label as prompt; else let the next click pick one, or no longer."""
        self.told.emit("")
        self.try_to(self.picking.start)
        self.picking_changed.emit(self.picking.active)

    def use_source(self) -> None:
        """Use the chosen layer's prompts for the object in work."""
        self.told.emit("")
        self.try_to(self.sources.use)

    def segment_each(self) -> None:
        """Make an object of each prompt of the chosen layer on the plane in view."""
        self.sources.objects()
        self._targets.ensure(wanted=True)
        self.update_view()
        self.sources.segment_each(self.collision)

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
        self._targets.close(window=keep_layers)
        ended = self.session.close()
        if not keep_layers:
            self._drop_image()
        self._stage.own = None
        return ended

    # Inside: layers

    def _axes_in_view(self, layer: Image) -> tuple[int, int]:
        view = resolve_view(self.viewer.dims, layer)
        return (layer.ndim - 2, layer.ndim - 1) if isinstance(view, str) else view.plane.axes

    def _make_own(self) -> None:
        assert self._stage.image is not None
        if self._stage.own is not None:
            self._remove_own()
        with self._unnoticed():
            self._stage.own = OwnLayers(self.viewer, self._stage.image, self.canvas)
            for layer in (self._stage.own.prompts.points, self._stage.own.prompts.shapes):
                bind_keys(layer, self.do)
            self._stage.own.prompts.edited.connect(self._read_prompts)
            self._stage.own.prompts.unlinked.connect(unbind_keys)
            ClickClipboard(self._stage.own.prompts, lambda: self.session.plane)
            self._stage.own.draw()

    @contextmanager
    def _unnoticed(self) -> Iterator[None]:
        """Layers come and go without the plugin taking notice."""
        before, self._changing = self._changing, True
        try:
            yield
        finally:
            self._changing = before

    def _remove_own(self) -> None:
        self.cursor.stop()
        own, self._stage.own = self._stage.own, None
        if own is not None:
            own.prompts.edited.disconnect(self._read_prompts)
            own.remove()
            own.prompts.unlinked.disconnect(unbind_keys)

    def _drop_image(self) -> None:
        self.picking.stop()
        if self._stage.image is not None:
            self._stage.image.events.data.disconnect(self._on_image_data)
        self._stage.image = None
        self._remove_own()

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
        if self._stage.image is None:
            self.choose_first_image()
        elif self._stage.own is not None:
            self._stage.own.raise_to_top()
            self.cursor.raise_to_top()

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        layer.events.name.disconnect(self._on_renamed)
        if layer is self.cursor.layer:
            self.cursor.stop()
        if layer is self.sources.chosen:
            self.sources.chosen = None
        self._targets.removed(layer)
        if layer is self._stage.image:
            self.choose_image(None)
        elif self._stage.own is not None and layer in self._stage.own.prompts.linked:
            self._stage.own.prompts.unlink()
            self._read_prompts()
        elif self._stage.own is not None and layer in (self._stage.own.prompts.points, self._stage.own.prompts.shapes):
            # Deleting the layer deletes what is in it.
            self._stage.own.prompts.empty(layer)
            self._read_prompts()
        self.layers_changed.emit()

    def _on_renamed(self) -> None:
        self.layers_changed.emit()

    def _on_image_data(self) -> None:
        """Other pixels in the same layer are another image."""
        image = self._stage.image
        if image is not None:
            self._stage.image = None
            self.choose_image(image)

    # Inside: prompts

    def _read_prompts(self) -> None:
        """The prompt layers changed: so do the session's prompts; mask prompts that no layer shows stay."""
        if self._stage.own is None:
            return
        layers = self._stage.own.prompts
        read = layers.read()
        changed = {}
        for plane in dict.fromkeys([*self.session.draft.prompts, *read]):
            prompts, earlier = read.get(plane, Prompts()), self.session.prompts(plane).mask
            if prompts.mask is None and (earlier is None or earlier.outline is None):
                prompts = replace(prompts, mask=earlier)
            changed[plane] = prompts
        self.try_to(partial(self.session.set_all_prompts, changed))

    # Inside: showing

    def _show_prompts(self) -> None:
        if self._stage.own is not None:
            self._stage.own.prompts.write(self.session.draft.prompts)

    def _show_object(self) -> None:
        if self._stage.own is not None:
            self._stage.own.prompts.show_object(self.session.current_label)

    def _show_masks(self) -> None:
        self._accepting.draft_changed()
        if self._stage.own is None:
            return
        draft = self.session.draft
        propagated = [plane for plane in draft.proposal if plane not in draft.segmentations]
        doubtful = [plane for plane in propagated if draft.proposal[plane].confidence < DOUBTFUL]
        self._stage.own.preview.show(draft.masks, propagated, doubtful, self.session.plane)

    def _show_labels(self, target: Target, box: Sequence[slice]) -> None:
        if isinstance(target, LayerTarget):
            refresh_box(target.layer, box)

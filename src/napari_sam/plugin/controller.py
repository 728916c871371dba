"""The controller between a viewer and a session: layers and gestures in, masks and labels out."""

from collections.abc import Callable, Sequence
from functools import partial

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_sam.labels.paint import Collides, Collision
from napari_sam.planes.file_axes import is_unnamed, looks_like_channels
from napari_sam.planes.geometry import Plane
from napari_sam.plugin.accept_dialog import AcceptDialog, Candidates
from napari_sam.plugin.actions import Action, LayerKeys
from napari_sam.plugin.canvas.canvas import Canvas, NoRest, Rest
from napari_sam.plugin.canvas.keyboard_cursor import KeyboardCursor
from napari_sam.plugin.canvas.object_editing import TREATMENTS, ObjectEditing
from napari_sam.plugin.canvas.plugin_tools import PluginTools
from napari_sam.plugin.canvas.split_clicks import SplitClicks
from napari_sam.plugin.image_chooser import ImageChooser
from napari_sam.plugin.layers.label_picking import LabelPicking
from napari_sam.plugin.layers.layer_list import LayerList
from napari_sam.plugin.layers.layer_sync import LayerSync
from napari_sam.plugin.layers.plugin_layers import PluginLayers
from napari_sam.plugin.layers.prompt_sources import PromptSources
from napari_sam.plugin.layers.proposal_layer import ProposalLayer
from napari_sam.plugin.layers.regions import Where, region_in_view
from napari_sam.plugin.layers.target_layers import TargetLayers
from napari_sam.plugin.layers.view import View, displayed_axes, jump_to
from napari_sam.plugin.layers.viewer_context import ViewerContext
from napari_sam.session.propagation import depth_axes, doubtful_planes, next_in_turn, share_text
from napari_sam.session.session import Session

_ANSWERS = {
    Action.ACCEPT: Collision.KEEP,
    Action.ACCEPT_OVERWRITING: Collision.OVERWRITE,
    Action.REJECT: None,
}
"""What the keys mean while the user is asked about pixels of other labels."""


def axis_text(axis: int, name: str, length: int) -> str:
    """Say in a few words which axis it is, and whether it is none to carry objects along.

    Parameters
    ----------
    axis, name, length
        Its number, its name (possibly only a number too) and how many positions it has.
    """
    text = f"axis {axis}" if is_unnamed(name) else name
    return f"{text} ({length} positions: looks like channels)" if looks_like_channels(name, length) else text


class SegmentController:
    """A controller that mirrors one session in one viewer; it knows napari's models but no Qt.

    It puts the parts together and does what keys and buttons ask for; each part does one thing.

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
    rest
        Notices where the pointer rests; by default it never does.

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
    object_shown(int)
        An accepted object was brought into view.
    splitting_changed(bool)
        Whether clicks split an object.

    Attributes
    ----------
    images : ImageChooser
        The image layers.
    targets : TargetLayers
        The Labels layers that objects are accepted into.
    tools : PluginTools
        The plugin's own layers.
    canvas : Canvas
        Where gestures go.
    candidates : Candidates
        What an ambiguous click offers.
    picking : LabelPicking
        Labels to be refined.
    proposals : ProposalLayer
        Everything that is proposed.
    cursor : KeyboardCursor
        Prompting without a mouse.
    splitting : SplitClicks
        Where an object is clicked to be split.
    editing : ObjectEditing
        Accepted objects merged, split and reshaped.
    sources : PromptSources
        Layers that prompts are taken from.
    collision : Collision
        What happens to pixels of other labels on accepting.
    everything_where : Where
        Where everything is looked for.
    propagation_axis : int or None
        The data axis to carry objects along; None for the likeliest.
    propagation_planes : (int or None, int or None)
        The first and the last position along it to carry them to; None for the image's ends.
    propagation_views : bool or None
        Whether three views of an object vote; None for whether that makes sense.
    """

    layers_changed = Signal()
    told = Signal(str)
    picking_changed = Signal(bool)
    asked_changed = Signal()
    cursor_changed = Signal(bool)
    object_shown = Signal(int)
    splitting_changed = Signal(bool)

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        later: Callable[[Callable[[], None]], None] = lambda function: function(),
        soon: Callable[[], None] = lambda: None,
        after_drawing: Callable[[Callable[[], None]], None] | None = None,
        rest: Rest | None = None,
    ) -> None:
        self.viewer = viewer
        self.session = session
        self.collision = Collision.KEEP
        self.everything_where = Where.PLANE
        self.propagation_axis: int | None = None
        self.propagation_planes: tuple[int | None, int | None] = (None, None)
        self.propagation_views: bool | None = None
        self._doubted: tuple[int, Plane] | None = None
        self._context = context = ViewerContext(viewer, session, self.told.emit)
        self.try_to = context.try_to
        changed = self.layers_changed.emit
        self._accepting = AcceptDialog(session, later, self.asked_changed.emit, self.told.emit)
        self._mirror = mirror = LayerSync(context, self._accepting.draft_changed)
        self._layer_list = layer_list = LayerList(viewer, later, changed, self._on_arrived, self._on_removed)
        self.candidates = Candidates(session)
        self.picking = LabelPicking(context, self.picking_changed.emit)
        keys = LayerKeys(self.do)
        self.proposals = ProposalLayer(context, layer_list.unnoticed)
        self.splitting = SplitClicks(context, layer_list.unnoticed, self.splitting_changed.emit)
        session.label_changed.connect(self.splitting.follow_labels)
        self.editing = ObjectEditing(context, self.splitting, self.update_view, self._chosen_axis)
        self.sources = PromptSources(context, self.picking, keys.bind)
        self.canvas = Canvas(
            context,
            self.picking,
            self.update_view,
            mirror.read_prompts,
            self.candidates.cycle,
            soon,
            rest or NoRest(),
            self.proposals,
            self.splitting,
        )
        self.cursor = KeyboardCursor(
            context, self.canvas, mirror.show_prompts, layer_list.unnoticed, self.cursor_changed.emit
        )
        self.targets = TargetLayers(
            context,
            layer_list.unnoticed,
            partial(self.do, Action.UNDO),
            partial(self.do, Action.REDO),
            changed,
            after_drawing or later,
        )
        # What is written by itself in the middle of a stroke comes after what is painted of it.
        session.writing.connect(self.targets.flush)
        self.tools = PluginTools(context, layer_list, mirror, self.canvas, self.cursor, self.splitting, keys)
        self.images = ImageChooser(context, self.tools, self.picking, self.update_view, changed)
        self.targets.note_arrivals()
        self._split_deeds: dict[Action, Callable[[], object]] = {
            Action.ACCEPT: self.editing.finish_split,
            Action.REJECT: self.splitting.stop,
            Action.REMOVE_LAST: self.splitting.remove_last,
        }
        self._deeds: dict[Action, Callable[[], object]] = {
            Action.ACCEPT: partial(self._accept, None),
            Action.ACCEPT_OVERWRITING: partial(self._accept, Collision.OVERWRITE),
            Action.EACH: partial(self._segment_each, everywhere=False),
            Action.EACH_EVERYWHERE: partial(self._segment_each, everywhere=True),
            Action.REJECT: session.current.reject,
            Action.NEXT: self._next_object,
            Action.REMOVE_LAST: session.prompts.remove_last,
            Action.CLEAR: session.prompts.clear,
            Action.HIDE: self._toggle_preview,
            Action.PICK: self.picking.pick_under_cursor,
            Action.CANDIDATE: partial(self.candidates.cycle, 1),
            Action.CANDIDATE_BACK: partial(self.candidates.cycle, -1),
            Action.POLARITY: self.tools.turn_polarity,
            Action.CURSOR: self.cursor.toggle,
            Action.PROPAGATE: self._propagate,
            Action.PROPAGATE_ALL: self._propagate_all,
            Action.NEXT_DOUBTFUL: self._next_doubtful,
            Action.FIND: self._find_everything,
            Action.FIND_ALIKE: self._find_alike,
            Action.ACCEPT_FOUND: self._accept_found,
            Action.DISCARD_FOUND: session.everything.discard,
            Action.MERGE: self.editing.merge,
            Action.SPLIT: self.editing.split,
            **{action: partial(self.editing.reshape, each) for action, each in TREATMENTS.items()},
            Action.CANCEL: session.cancel,
            Action.UNDO: session.history.undo,
            Action.REDO: session.history.redo,
        }

    # What is chosen

    @property
    def image(self) -> Image | None:
        """The chosen image layer."""
        return self._context.image

    @property
    def own(self) -> PluginLayers | None:
        """The plugin's own layers, if an image is chosen."""
        return self._context.own

    @property
    def target_layer(self) -> Labels | None:
        """The chosen Labels layer; None for one that is yet to be made."""
        return self.targets.chosen

    def is_own(self, layer: Layer) -> bool:
        """Tell whether a layer is the plugin's own."""
        return self._context.is_own(layer)

    def choose_target(self, layer: Labels | None) -> None:
        """Accept objects into another Labels layer; None for one that is made when first needed."""
        self.splitting.stop()
        self.targets.choose(layer)

    @property
    def propagation_axes(self) -> dict[int, str]:
        """Data axes that an object can be carried along, with what to call them, the likeliest first."""
        image, source = self._context.image, self.session.image.source
        if image is None or source is None:
            return {}
        axes = depth_axes(source, displayed_axes(self.viewer.dims, image.ndim))
        names = source.axis_labels or ("",) * source.ndim
        return {axis: axis_text(axis, names[axis], source.shape[axis]) for axis in axes}

    # Following the viewer

    def update_view(self) -> None:
        """Tell the session what is in view."""
        context = self._context
        if context.image is None:
            return
        if context.own is not None:
            context.own.prompts.follow_zoom(context.screen_pixel)
        self.cursor.follow()
        view = context.resolve()
        if isinstance(view, str):
            self.session.image.clear_view(view)
            return
        if context.own is not None:
            context.own.prompts.set_defaults(axes=view.plane.axes)
        anew = self.session.image.plane != view.plane
        self.session.image.set_view(view.plane, view.center)
        if anew:
            self._mirror.show_masks()
            self.proposals.follow_view()

    def _on_arrived(self) -> None:
        """Choose an image if none is, after layers were added, and keep the plugin's own layers on top."""
        self.targets.note_arrivals()
        if self._context.image is None:
            self.images.choose_first()
        else:
            self.tools.raise_to_top()
            self.proposals.raise_to_top()

    def _on_removed(self, layer: Layer) -> None:
        self.cursor.removed(layer)
        self.splitting.removed(layer)
        self.proposals.removed(layer)
        self.sources.removed(layer)
        self.targets.removed(layer)
        if layer is self._context.image:
            self.images.choose(None)
        else:
            self.tools.removed(layer)

    # What keys and buttons ask for

    def do(self, action: Action) -> None:
        """Do what a key or button asks for; what cannot be done is told."""
        self.told.emit("")
        if self.asked is not None and action in _ANSWERS:
            self.answer(_ANSWERS[action])
            return
        # What is done in the middle of a stroke comes after what is painted of it.
        self.targets.flush()
        if self.splitting.active and action in self._split_deeds:
            self.try_to(self._split_deeds[action])
            return
        self.try_to(self._deeds[action])

    @property
    def asked(self) -> Collides | None:
        """The question that the user is asked; None if nothing is."""
        return self._accepting.question

    def answer(self, collision: Collision | None) -> None:
        """Answer what was asked: what happens to pixels of other labels; None to write nothing."""
        self.told.emit("")
        self.try_to(partial(self._accepting.answer, collision))

    def reopen(self, label: int) -> None:
        """Go on with an accepted object, ready for clicks."""
        self.told.emit("")
        self.try_to(lambda: self.session.objects.reopen(label))
        self.tools.draw()

    def jump_to(self, label: int) -> None:
        """Bring an accepted object into view."""
        if self.image is not None:
            plane, center = self.session.objects.place(label)
            jump_to(self.viewer, self.image, plane, center)

    @property
    def view(self) -> View | None:
        """What the viewer shows of the image, if it shows one of its planes."""
        view = self._context.resolve()
        return None if isinstance(view, str) else view

    def show_plane(self, axis: int, position: int) -> None:
        """Bring another plane along an axis into view."""
        view = self.view
        if self.image is not None and view is not None:
            jump_to(self.viewer, self.image, view.plane.at(axis, position), view.center)

    @property
    def examples(self) -> list[int]:
        """Ids of the objects that others are to be like: those selected in the table, else the layer's own label."""
        objects = self.session.objects
        selected = [label for label in self.editing.selected if label in objects]
        layer = self.target_layer
        if not selected and layer is not None and int(layer.selected_label) in objects:
            selected = [int(layer.selected_label)]
        return selected

    def start_picking(self) -> None:
        """Take the active Labels layer's selected label as prompt; else let the next click pick one, or no longer."""
        self.told.emit("")
        self.try_to(self.picking.start)
        self.picking_changed.emit(self.picking.active)

    def use_source(self) -> None:
        """Use the chosen layer's prompts for the object in work."""
        self.told.emit("")
        self.try_to(self.sources.use)

    def show_position(self, position: Sequence[float]) -> None:
        """Bring a position in the image's data coordinates into view, on planes that lie like the one in view."""
        view = self.view
        if self.image is not None and view is not None and len(position) == view.plane.ndim:
            plane = Plane(view.plane.axes, tuple(round(at) for at in position))
            jump_to(self.viewer, self.image, plane, plane.from_data(position))

    def close(self, *, keep_layers: bool) -> bool:
        """End the session; the plugin's own layers go unless `keep_layers` (the window closes anyway)."""
        self._mirror.close()
        self.proposals.close(window=keep_layers)
        self._layer_list.close()
        self._accepting.close()
        self.targets.close(window=keep_layers)
        ended = self.session.close()
        if not keep_layers:
            self.images.drop()
        self._context.own = None
        return ended

    def _accept(self, collision: Collision | None) -> None:
        """Accept the object, this once so; new labels are made if none are chosen."""
        self.targets.ensure()
        self._accepting.accept(self.collision if collision is None else collision)

    def _next_object(self) -> None:
        """Leave this object, accepting it if it has a mask."""
        if self.session.current.draft.masks or self.session.current.draft.in_flight:
            self._accept(None)
        else:
            self.session.current.next()

    def _chosen_axis(self) -> int | None:
        """Return the axis that the user chose to carry objects along, if it is one of those that they can be."""
        return self.propagation_axis if self.propagation_axis in self.propagation_axes else None

    def _propagate(self) -> None:
        """Carry the object through the stack."""
        self.update_view()
        self.session.volume.propagate(self._chosen_axis(), *self.propagation_planes, views=self.propagation_views)

    def _propagate_all(self) -> None:
        """Carry all objects of the plane in view through the stack."""
        self.targets.ensure(wanted=True)
        self.update_view()
        self.session.batch.propagate(self._chosen_axis(), *self.propagation_planes, views=self.propagation_views)

    def _find_everything(self) -> None:
        """Find everything on the plane in view or in its stack, where it is to be looked for."""
        self.update_view()
        if self.everything_where is Where.STACK:
            self.session.everything.find_volumes(self.propagation_axis, *self.propagation_planes)
        else:
            self.session.everything.find(region_in_view(self._context, self.everything_where))

    def _find_alike(self) -> None:
        """Find what is like the objects that are selected, where it is to be looked for."""
        self.update_view()
        self.targets.flush()
        self.session.everything.find_alike(self.examples, region_in_view(self._context, self.everything_where))

    def _accept_found(self) -> None:
        """Accept all that is proposed; new labels are made if none are chosen."""
        self.targets.ensure(wanted=bool(self.session.everything.chosen))
        self.session.everything.accept(self.collision)

    def _toggle_preview(self) -> None:
        """Hide the preview and what is proposed, or show them again."""
        self.tools.toggle_preview()
        self.proposals.toggle()

    def _next_doubtful(self) -> None:
        """Bring the next plane into view that propagation was not sure of."""
        session = self.session
        number = session.current.label or 0
        found = {(number, plane): each for plane, each in doubtful_planes(session.current.draft).items()}
        accepted = not found
        if accepted:
            found = session.objects.doubtful()
        view = self.view
        here = [] if view is None else [key for key in found if key[1] == view.plane]
        last = [] if self._doubted is None else [self._doubted]
        # Several objects may be doubtful on the plane in view: the one that was looked at last is where the user is.
        visited = last + here if last and last[0] in here else here + last
        going = next_in_turn(list(found), *visited)
        if going is None or self.image is None:
            self.told.emit("No doubtful planes.")
            return
        self._doubted = going
        label, plane = going
        each = found[going]
        row0, column0, row1, column1 = (0, 0, 1, 1) if each.mask is None else each.mask.box
        jump_to(self.viewer, self.image, plane, ((row0 + row1 - 1) / 2, (column0 + column1 - 1) / 2))
        if accepted:
            self.object_shown.emit(label)
        whose = f"object {label}" if label else "the object in work"
        self.told.emit(f"Plane {each.index} of {whose}: confidence {share_text(each.confidence)}.")

    def _segment_each(self, *, everywhere: bool) -> None:
        """Make an object of each prompt of the chosen layer, on the plane in view or on all that lie like it."""
        self.sources.objects(everywhere=everywhere)
        self.targets.ensure(wanted=True)
        self.update_view()
        self.sources.segment_each(self.collision, everywhere=everywhere)

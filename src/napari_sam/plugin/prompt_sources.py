"""Layers that the user made, as prompts; and many objects from one layer."""

from collections.abc import Callable

from napari.layers import Image, Labels, Layer, Points, Shapes

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collision
from napari_sam.plugin import each_object
from napari_sam.plugin.image_shape import image_shape
from napari_sam.plugin.label_picking import LabelPicking
from napari_sam.plugin.label_prompts import masks_reader
from napari_sam.plugin.layer_target import LayerTarget
from napari_sam.plugin.parallel_planes import ParallelPlanes
from napari_sam.plugin.stage import Stage
from napari_sam.plugin.world_map import world_map
from napari_sam.session.batch import BatchObjects


class PromptSources:
    """Which layer prompts are taken from, and what is made of them.

    Parameters
    ----------
    stage
        The viewer and the session.
    picking
        Refines labels.
    on_linked
        Told a layer whose points or shapes count from now on.

    Attributes
    ----------
    chosen : Points, Shapes, Labels or None
        The layer; None for the plugin's own ones.
    """

    def __init__(self, stage: Stage, picking: LabelPicking, on_linked: Callable[[Layer], None]) -> None:
        self._stage = stage
        self._picking = picking
        self._on_linked = on_linked
        self.chosen: Points | Shapes | Labels | None = None

    @property
    def layers(self) -> list[Points | Shapes | Labels]:
        """Layers that may be chosen, the topmost first."""
        return [
            layer
            for layer in reversed(self._stage.viewer.layers)
            if isinstance(layer, Points | Shapes | Labels) and not self._stage.is_own(layer)
        ]

    def removed(self, layer: Layer) -> None:
        """A layer left the viewer: it is not chosen any more."""
        if layer is self.chosen:
            self.chosen = None

    def use(self) -> None:
        """Use the chosen layer's prompts for the object in work.

        Points and shapes count, wherever their layer lies, as long as the object is in work, and are followed as they
        change. Of a Labels layer the selected label is refined.

        Raises
        ------
        UserError
            If there is nothing to use.
        """
        source = self.chosen
        if source is None:
            raise UserError("The plugin's own clicks and shapes count already: choose another layer.")
        image, own, view = self._stage.in_view()
        if isinstance(source, Labels):
            self._picking.refine(source, int(source.selected_label))
            return
        to_image = world_map(source, image, self._stage.point)
        if not own.prompts.found_in(source, to_image, view.plane.axes):
            raise UserError(f"'{source.name}' holds no prompts on '{image.name}': add points or shapes to it.")
        point = self._stage.point
        # Either layer may be moved meanwhile.
        own.prompts.link(source, lambda positions: world_map(source, image, point)(positions), view.plane.axes)
        self._on_linked(source)

    def objects(self, *, everywhere: bool) -> BatchObjects:
        """The objects that the chosen layer asks for.

        Of the plugin's own layers, each box and outline; of others each point or shape, or all that have the same id
        in the feature "object"; of labels each one, under its id.

        Parameters
        ----------
        everywhere
            Whether on every plane that lies as the one in view does; else on that alone.

        Raises
        ------
        UserError
            If there are none, or the object in work would be lost.
        """
        image, own, view = self._stage.in_view()
        shape = image_shape(image)
        planes = ParallelPlanes.everywhere(view.plane, shape) if everywhere else ParallelPlanes(view.plane, shape)
        source, layers = self.chosen, own.prompts
        if isinstance(source, Labels):
            return self._labels(source, image, planes)
        if source is not None:
            to_image = world_map(source, image, self._stage.point)
            there = layers.found_in(source, to_image, view.plane.axes)
            found = each_object.objects(each for each in there if each.plane in planes)
        else:
            there = layers.found_in(layers.shapes)
            found = each_object.regions(each for each in there if each.plane in planes)
            if not each_object.only_regions(self._stage.session.draft.prompts, planes):
                raise UserError("The object in work has other prompts too: accept or reject it first.")
        if not found:
            where = "on any plane like this one" if everywhere else "on this plane"
            raise UserError(f"There is nothing to segment {where}: draw boxes or outlines first.")
        return found

    def segment_each(self, collision: Collision, *, everywhere: bool) -> None:
        """Make an object of each; see `objects`."""
        objects = self.objects(everywhere=everywhere)
        self._stage.session.segment_each(objects, collision, instead=self.chosen is None)

    def _labels(self, layer: Labels, image: Image, planes: ParallelPlanes) -> BatchObjects:
        """The labels on some planes; one of fewer axes than the image is on no other plane than the one in view."""
        target = self._stage.session.target
        mine = isinstance(target, LayerTarget) and target.layer is layer
        read = masks_reader(layer, image, planes.last(layer.ndim), self._stage.point, own=mine)
        return lambda: (each_object.labels(masks, plane) for plane, masks in read())

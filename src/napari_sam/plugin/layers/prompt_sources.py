"""Layers that the user made, as prompts; and many objects from one layer."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from napari.layers import Image, Labels, Layer, Points, Shapes

from napari_sam.errors import UserError
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.plugin.layers.label_picking import LabelPicking, masks_reader
from napari_sam.plugin.layers.layer_prompts import LayerPrompt, with_prompt
from napari_sam.plugin.layers.placement import image_shape, world_map
from napari_sam.plugin.layers.target_layers import LayerTarget
from napari_sam.plugin.viewer_context import ViewerContext
from napari_sam.prompts.prompt import Box, Prompts
from napari_sam.session.batch import BatchObject, BatchObjects


def objects_of_regions(found: Iterable[LayerPrompt]) -> list[BatchObject]:
    """Return an object for each box and each outline."""
    return [
        BatchObject(each.plane, with_prompt(Prompts(), each.prompt))
        for each in found
        if isinstance(each.prompt, Box | Mask)
    ]


def objects_of_prompts(found: Iterable[LayerPrompt]) -> list[BatchObject]:
    """Return an object for each id that prompts have, on every plane that they are on, and for each prompt without one.

    Clicks and scribbles that exclude count only beside others of the same id on the same plane.
    """
    known: dict[tuple[int, Plane], Prompts] = {}
    single = []
    for each in found:
        if each.object is not None:
            key = each.object, each.plane
            known[key] = with_prompt(known.get(key, Prompts()), each.prompt)
        elif _adds(each):
            single.append(BatchObject(each.plane, with_prompt(Prompts(), each.prompt)))
    ordered = sorted(known.items(), key=lambda item: (item[0][0], item[0][1].index))
    return [*(BatchObject(plane, prompts, label) for (label, plane), prompts in ordered), *single]


def objects_of_labels(masks: Mapping[int, Mask], plane: Plane) -> list[BatchObject]:
    """Return an object for each label on a plane, under its id."""
    return [BatchObject(plane, Prompts(mask=mask), label) for label, mask in masks.items()]


def only_regions(prompts: Mapping[Plane, Prompts], planes: Container[Plane]) -> bool:
    """Tell whether an object has no prompts but boxes and outlines, on some planes."""
    return all(
        on in planes
        and each == Prompts(box=each.box, mask=each.mask)
        and (each.mask is None or each.mask.outline is not None)
        for on, each in prompts.items()
    )


def _adds(each: LayerPrompt) -> bool:
    return isinstance(each.prompt, Box | Mask) or each.prompt.positive


@dataclass(frozen=True)
class ParallelPlanes:
    """The planes at every position along some axes.

    Parameters
    ----------
    plane
        One of them.
    shape
        The image's.
    along
        The axes, none of which is displayed; none of them for the one plane alone.
    """

    plane: Plane
    shape: tuple[int, ...]
    along: tuple[int, ...] = ()

    @classmethod
    def everywhere(cls, plane: Plane, shape: Sequence[int]) -> "ParallelPlanes":
        """Return all planes of an image that lie like one of them."""
        return cls(plane, tuple(shape), tuple(axis for axis in range(plane.ndim) if axis not in plane.axes))

    def last(self, ndim: int) -> "ParallelPlanes":
        """Return those along the image's last `ndim` axes only."""
        return ParallelPlanes(
            self.plane, self.shape, tuple(axis for axis in self.along if axis >= self.plane.ndim - ndim)
        )

    def __iter__(self) -> Iterator[Plane]:
        for positions in product(*(range(self.shape[axis]) for axis in self.along)):
            index = list(self.plane.index)
            for axis, at in zip(self.along, positions, strict=True):
                index[axis] = at
            yield Plane(self.plane.axes, tuple(index))

    def __contains__(self, plane: object) -> bool:
        return (
            isinstance(plane, Plane)
            and plane.axes == self.plane.axes
            and all(
                0 <= at < self.shape[axis] if axis in self.along else at == self.plane.index[axis]
                for axis, at in enumerate(plane.index)
                if axis not in plane.axes
            )
        )


class PromptSources:
    """The layer that prompts are taken from, and what is made of them.

    Parameters
    ----------
    context
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

    def __init__(self, context: ViewerContext, picking: LabelPicking, on_linked: Callable[[Layer], None]) -> None:
        self._context = context
        self._picking = picking
        self._on_linked = on_linked
        self.chosen: Points | Shapes | Labels | None = None

    @property
    def layers(self) -> list[Points | Shapes | Labels]:
        """Layers that may be chosen, the topmost first."""
        return [
            layer
            for layer in reversed(self._context.viewer.layers)
            if isinstance(layer, Points | Shapes | Labels) and not self._context.is_own(layer)
        ]

    def removed(self, layer: Layer) -> None:
        """Choose no longer a layer that left the viewer."""
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
        image, own, view = self._context.in_view()
        if isinstance(source, Labels):
            self._picking.refine(source, int(source.selected_label))
            return
        to_image = world_map(source, image, self._context.point)
        if not own.prompts.found_in(source, to_image, view.plane.axes):
            raise UserError(f"'{source.name}' holds no prompts on '{image.name}': add points or shapes to it.")
        point = self._context.point
        # Either layer may be moved meanwhile.
        own.prompts.link(source, lambda positions: world_map(source, image, point)(positions), view.plane.axes)
        self._on_linked(source)

    def objects(self, *, everywhere: bool) -> BatchObjects:
        """Return the objects that the chosen layer asks for.

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
        image, own, view = self._context.in_view()
        shape = image_shape(image)
        planes = ParallelPlanes.everywhere(view.plane, shape) if everywhere else ParallelPlanes(view.plane, shape)
        source, layers = self.chosen, own.prompts
        if isinstance(source, Labels):
            return self._labels(source, image, planes)
        if source is not None:
            to_image = world_map(source, image, self._context.point)
            there = layers.found_in(source, to_image, view.plane.axes)
            found = objects_of_prompts(each for each in there if each.plane in planes)
        else:
            there = layers.found_in(layers.shapes)
            found = objects_of_regions(each for each in there if each.plane in planes)
            if not only_regions(self._context.session.current.draft.prompts, planes):
                raise UserError("The object in work has other prompts too: accept or reject it first.")
        if not found:
            where = "on any plane like this one" if everywhere else "on this plane"
            raise UserError(f"There is nothing to segment {where}: draw boxes or outlines first.")
        return found

    def segment_each(self, collision: Collision, *, everywhere: bool) -> None:
        """Make an object of each; see `objects`."""
        objects = self.objects(everywhere=everywhere)
        self._context.session.batch.segment(objects, collision, instead=self.chosen is None)

    def _labels(self, layer: Labels, image: Image, planes: ParallelPlanes) -> BatchObjects:
        """Read the labels on some planes; a layer of fewer axes than the image is on the plane in view alone."""
        target = self._context.session.labels.target
        mine = isinstance(target, LayerTarget) and target.layer is layer
        read = masks_reader(layer, image, planes.last(layer.ndim), self._context.point, own=mine)
        return lambda: (objects_of_labels(masks, plane) for plane, masks in read())

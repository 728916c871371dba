"""Endless batches for training, made by a worker process."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import measure
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from napari_sam.nn.nano import FRAME
from training.config import Config
from training.contrast import disturb, scale
from training.first_prompts import Request, WindowPrompts, draw_first_prompts, draw_request
from training.geometry import cut, draw_placement
from training.image_source import ImageSource
from training.maps import auxiliary_maps
from training.shares import draw_by_share

ALIGNMENT = 8
Origin = tuple[int, int]


@dataclass(frozen=True)
class PromptedWindows:
    """W windows of encoded images with equally many prompts of equally many tokens, which are decoded together.

    Attributes
    ----------
    images
        (W,) index of each window's image.
    origins
        (W, 2) as (row, column) of the windows' upper left pixels; multiples of 8.
    offsets
        (W, 2) as (x, y), where the windows' upper left corners lie in the network's frame, pixels.
    points, labels
        (N, K, 2) and (N, K), see `WindowPrompts`; ordered by window, N / W for each.
    masks
        (N, S / 2, S / 2) logits, or None.
    targets
        (N, S / 2, S / 2).
    """

    images: Tensor
    origins: Tensor
    offsets: Tensor
    points: Tensor
    labels: Tensor
    masks: Tensor | None
    targets: Tensor


@dataclass(frozen=True)
class Batch:
    """What one step needs.

    Attributes
    ----------
    images
        (B, 3, H, W), 0..1 between the contrast limits.
    maps
        (B, 3, H / 4, W / 4) targets of the auxiliary maps; NaN where there may be an object without a label.
    windows
        The windows to decode.
    """

    images: Tensor
    maps: Tensor
    windows: list[PromptedWindows]

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The same in memory that a graphics card reads by itself; the loader calls this."""
        return self._changed(Tensor.pin_memory)

    def tensors(self) -> list[Tensor]:
        """All of it, in the same order for all batches of the same make-up."""
        found: list[Tensor] = []
        self._changed(lambda tensor: found.append(tensor) or tensor)
        return found

    def _changed(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        windows = [
            replace(
                group,
                images=change(group.images),
                origins=change(group.origins),
                offsets=change(group.offsets),
                points=change(group.points),
                labels=change(group.labels),
                masks=None if group.masks is None else change(group.masks),
                targets=change(group.targets),
            )
            for group in self.windows
        ]
        return Batch(change(self.images), change(self.maps), windows)


class Batches(IterableDataset[Batch]):
    """Draws batches for ever.

    Parameters
    ----------
    groups
        (weight, source) of every set and kind of generated image.
    config
        All settings.
    seed
        Of the first worker; a resumed run must give another one.
    """

    def __init__(self, groups: Sequence[tuple[float, ImageSource]], config: Config, seed: int) -> None:
        self.sources = [source for _, source in groups]
        weights = np.array([weight for weight, _ in groups], float)
        self.shares = weights / weights.sum()
        self.config = config
        self.seed = seed

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            yield self.draw(rng)

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch."""
        settings = self.config.window
        count, side = map(int, draw_by_share(rng, settings.layouts).split("x"))
        window = int(draw_by_share(rng, settings.sides))
        # Few kinds a step: prompts with equal numbers of tokens are decoded together, and large groups are cheaper.
        requests = [draw_request(rng, self.config.prompt) for _ in range(self.config.prompt.kinds)]
        images: list[NDArray[np.float32]] = []
        maps: list[NDArray[np.float32]] = []
        windows: list[tuple[int, Origin, WindowPrompts]] = []
        while len(images) < count:
            wanted = settings.windows // count + (len(images) < settings.windows % count)
            # By turns, so that each kind has the same number of windows.
            turn = [requests[(len(windows) + index) % len(requests)] for index in range(wanted)]
            drawn = self._draw_image(rng, side, window, turn)
            if drawn is None:
                continue
            pixels, target, pieces = drawn
            windows += [(len(images), origin, prompts) for origin, prompts in pieces]
            images.append(pixels)
            maps.append(target)
        return Batch(torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(maps)), group_alike(windows, rng))

    def _draw_image(
        self, rng: np.random.Generator, side: int, window: int, requests: list[Request]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], list[tuple[Origin, WindowPrompts]]] | None:
        settings = self.config.window
        image = self.sources[rng.choice(len(self.sources), p=self.shares)].draw(rng)
        plane, placement = draw_placement(rng, image, side, settings)
        planes = [plane, *self._neighbour(rng, plane, len(image.labels))]
        raw, cuts, inside = cut(image, planes, placement)
        labels = cuts[0]
        rows, columns = np.nonzero(labels)
        if not len(rows):
            return None
        prompt = self.config.prompt if image.complete else replace(self.config.prompt, missing=0.0)
        pieces = []
        for request in requests:
            for _ in range(4):
                at = rng.integers(len(rows))
                origin = _origin(rng, (int(rows[at]), int(columns[at])), side, window)
                shown = np.s_[origin[0] : origin[0] + window, origin[1] : origin[1] + window]
                neighbour = cuts[1][shown] if len(cuts) > 1 and rng.random() < 0.75 else None
                prompts = draw_first_prompts(
                    rng, labels[shown], neighbour, inside[shown], request, settings.smallest_object, prompt
                )
                if prompts is not None:
                    break
            else:
                return None
            pieces.append((origin, prompts))
        pixels = disturb(rng, scale(rng, raw, image, self.config.contrast), self.config.contrast)
        maps = auxiliary_maps(measure.label(labels, background=0, connectivity=1).astype(np.int32))
        if not image.complete:
            maps[:, maps[0] == 0] = np.nan
        return pixels, maps, pieces

    def _neighbour(self, rng: np.random.Generator, plane: int, planes: int) -> list[int]:
        if planes == 1:
            return []
        step = int(rng.choice([-2, -1, 1, 2], p=[0.1, 0.4, 0.4, 0.1]))
        other = plane + step if 0 <= plane + step < planes else plane - step
        return [other] if 0 <= other < planes else []


def group_alike(
    windows: Sequence[tuple[int, Origin, WindowPrompts]], rng: np.random.Generator
) -> list[PromptedWindows]:
    """Join windows, given with their images and origins, whose prompts have the same numbers of tokens."""
    alike: dict[tuple[int, bool], list[tuple[int, Origin, WindowPrompts]]] = defaultdict(list)
    for window in windows:
        prompts = window[2]
        alike[prompts.points.shape[1], prompts.masks is None].append(window)
    groups = []
    for members in alike.values():
        images, origins, prompted = map(list, zip(*members, strict=True))
        masks = [prompts.masks for prompts in prompted if prompts.masks is not None]
        groups.append(
            PromptedWindows(
                torch.tensor(images),
                torch.tensor(origins),
                torch.from_numpy(_offsets(rng, prompted)),
                _joined([prompts.points for prompts in prompted]),
                _joined([prompts.labels for prompts in prompted]),
                _joined(masks) if masks else None,
                _joined([prompts.targets for prompts in prompted]),
            )
        )
    return groups


def _offsets(rng: np.random.Generator, windows: Sequence[WindowPrompts]) -> NDArray[np.float32]:
    """Anywhere in the network's frame, in its middle for three in ten of them."""
    offsets = []
    for prompts in windows:
        room = FRAME - 2 * prompts.targets.shape[-1]
        offsets.append((room / 2, room / 2) if rng.random() < 0.3 else rng.uniform(0, room, 2))
    return np.array(offsets, np.float32)


def _joined(arrays: Sequence[NDArray[np.generic]]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays))


def _origin(rng: np.random.Generator, point: tuple[int, int], side: int, window: int) -> Origin:
    """An aligned window that holds the point anywhere."""
    corners = []
    for at in point:
        low = -(-max(at - window + 1, 0) // ALIGNMENT)
        high = min(at, side - window) // ALIGNMENT
        corners.append(int(rng.integers(low, high + 1)) * ALIGNMENT)
    return corners[0], corners[1]

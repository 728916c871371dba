"""Networks that are ready to run, each on its device."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from napari_sam.errors import UserError, UserNotice
from napari_sam.models.device import (
    CPU,
    DECODED_ALONE,
    ENCODED_ALONE,
    Precision,
    WorkShares,
    cannot_compute,
    free_unused,
    images_at_once,
    in_parts,
    ran_out_of_memory,
    threads_sleep,
)
from napari_sam.models.registry import ModelSpec
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import EncodedImages, ImageFeatures, MaskPrediction, NetworkSizes, PromptableNetwork

BYTES_PER_PIXEL = 2048
"""At the peak of encoding, of the largest published network in float32, roughly: estimated, not measured."""
SMALL_BATCH = 512 * 512
"""Pixels up to which a CPU gains by encoding several images together.

Four of nano together are 1.5 times as fast at 256 pixels, 1.0 at 512 and 0.7 at 1024 (`python -m benchmarks.speed
together`).
"""

PROMPTS_AT_ONCE = 8
"""Prompts, each on a window of its own, that gain by being decoded together, where windows are small.

Boxes of a batch: 5.3 ms each instead of 9.5 (docs/log-of-measurements.md, "Interaction: many boxes together").
"""

Part = TypeVar("Part")


@dataclass(eq=False)
class Model(ABC):
    """A network with its weights, ready to run: here, or on another machine.

    Parameters
    ----------
    name
        A name of `REGISTRY`, or the name of the file without its suffix.
    network
        Its sizes.
    device
        Where the network is.
    digest
        SHA-256 of the file of weights, hexadecimal.
    spec
        What is known about the model.
    precision
        In which images are encoded.

    Attributes
    ----------
    fell_back : str
        Sentence that says why it moved to the CPU; empty where it did not.
    """

    name: str
    network: NetworkSizes
    device: torch.device
    digest: str
    spec: ModelSpec
    precision: Precision = Precision.FLOAT32
    fell_back: str = field(default="", init=False)

    @property
    def waiting(self) -> str:
        """One sentence while it waits for another machine, which does not answer; empty otherwise."""
        return ""

    def images_at_once(self, pixels: int) -> int:
        """Return the number of images of so many pixels to give to `encode` at once.

        On CPUs several only if they are small, so that each alone would take about as long as it takes the threads to
        meet; and only in bfloat16, where an image has the very features that it has alone. In float32 it has not, and
        an answer must not depend on what else was encoded with it.
        """
        if self.device == CPU:
            return max(1, SMALL_BATCH // pixels) if self.precision is Precision.BFLOAT16 else 1
        return self._images_on_card(pixels)

    @property
    def prompts_at_once(self) -> int:
        """Number of prompts, each on a window of its own, to give to `decode_each` at once.

        On CPUs only one where windows are large: what is computed for several does not stay in the cache, and would
        keep whoever clicks meanwhile waiting.
        """
        small = self.network.window**2 <= SMALL_BATCH
        return PROMPTS_AT_ONCE if small or self.device != CPU else 1

    @abstractmethod
    def encode(self, images: Tensor, cancel: CancelToken | None = None) -> EncodedImages:
        """Encode images on the model's device; see `PromptableNetwork.encode`.

        Parameters
        ----------
        images
            (B, 3, H, W) on any device.
        cancel
            Checked between blocks.

        Raises
        ------
        UserError
            If there is not enough memory, nor on the CPU.
        Cancelled
            If `cancel` was set.
        """

    @abstractmethod
    def decode(
        self,
        features: EncodedImages,
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
        cancel: CancelToken | None = None,
    ) -> MaskPrediction:
        """Decode prompts on the model's device; see `PromptableNetwork.decode`.

        Parameters
        ----------
        features, points, labels, mask, multimask
            As `PromptableNetwork.decode` takes them, on any device; the features as `encode` returned them.
        cancel
            Checked before.

        Raises
        ------
        UserError
            If there is not enough memory, nor on the CPU.
        Cancelled
            If `cancel` was set.
        """

    @abstractmethod
    def decode_each(
        self,
        features: Sequence[EncodedImages],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
        cancel: CancelToken | None = None,
    ) -> MaskPrediction:
        """Decode prompts, each on a window of its own, on the model's device; see `PromptableNetwork.decode_each`.

        Parameters
        ----------
        features, points, labels, mask, multimask, cancel
            As of `decode`, with features for each prompt.

        Raises
        ------
        UserError
            If there is not enough memory, nor on the CPU.
        Cancelled
            If `cancel` was set.
        """

    @abstractmethod
    def close(self) -> None:
        """End what is waited for elsewhere, if anything is; it computes nothing there any more."""

    @abstractmethod
    def _images_on_card(self, pixels: int) -> int:
        """Return the number of images of so many pixels to encode at once where it is not on a CPU."""


@dataclass(eq=False)
class LocalModel(Model):
    """A model that computes on this machine.

    Where memory runs out, batches are halved; where that is not enough, or the device cannot compute, the network moves
    to the CPU for good, and the user is told by a `UserNotice`. What was asked for is answered all the same.

    Parameters
    ----------
    network
        In evaluation mode, without gradients.
    name, device, digest, spec, precision
        As of `Model`.
    """

    network: PromptableNetwork
    _shares: WorkShares = field(default_factory=WorkShares, init=False, repr=False)

    def encode(self, images: Tensor, cancel: CancelToken | None = None) -> EncodedImages:
        """Encode images; see `Model.encode`."""
        small = images.shape[-2] * images.shape[-1] <= ENCODED_ALONE
        with torch.inference_mode():
            return self._computed(
                len(images),
                lambda some: self.network.encode(images[some].to(self.device), cancel),
                small,
                ImageFeatures.joined,
            )

    def decode(
        self,
        features: EncodedImages,
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
        cancel: CancelToken | None = None,
    ) -> MaskPrediction:
        """Decode prompts on one window; see `Model.decode`."""
        assert isinstance(features, ImageFeatures)
        if cancel is not None:
            cancel.check()

        def decoded(some: slice) -> MaskPrediction:
            return self.network.decode(
                features.on(self.device),
                points[some].to(self.device),
                labels[some].to(self.device),
                None if mask is None else mask[some].to(self.device),
                multimask,
            )

        small = len(points) * self.network.window**2 <= DECODED_ALONE
        with torch.inference_mode():
            return self._computed(len(points), decoded, small, MaskPrediction.joined)

    def decode_each(
        self,
        features: Sequence[EncodedImages],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
        cancel: CancelToken | None = None,
    ) -> MaskPrediction:
        """Decode prompts, each on a window of its own; see `Model.decode_each`."""
        windows = [window for window in features if isinstance(window, ImageFeatures)]
        assert len(windows) == len(features)
        if cancel is not None:
            cancel.check()

        def decoded(some: slice) -> MaskPrediction:
            return self.network.decode_each(
                [window.on(self.device) for window in windows[some]],
                points[some].to(self.device),
                labels[some].to(self.device),
                None if mask is None else mask[some].to(self.device),
                multimask,
            )

        small = self.network.window**2 <= DECODED_ALONE
        with torch.inference_mode():
            return self._computed(len(points), decoded, small, MaskPrediction.joined)

    def move_to(self, device: torch.device) -> None:
        """Move the network; to the CPU, with a notice, where there is no room for it.

        Parameters
        ----------
        device
            Where to.
        """
        try:
            self._place(device)
        except RuntimeError as error:
            if not ran_out_of_memory(error):
                raise
            self._give_up(device)

    def close(self) -> None:
        """Do nothing: it waits for nobody."""

    def _images_on_card(self, pixels: int) -> int:
        return images_at_once(self.device, BYTES_PER_PIXEL * pixels)

    def _computed(
        self, count: int, compute: Callable[[slice], Part], small: bool, join: Callable[[list[Part]], Part]
    ) -> Part:
        """Compute a batch, in parts where need be, and join them."""
        parts = self._parts(count, compute, small)
        try:
            return join(parts)
        except (RuntimeError, MemoryError) as error:
            if self.device == CPU or not ran_out_of_memory(error):
                raise
        # All parts had room, but not once more beside themselves.
        del parts
        self._give_up(self.device)
        return join(self._parts(count, compute, small))

    def _parts(self, count: int, compute: Callable[[slice], Part], small: bool) -> list[Part]:
        """Compute a batch; where it is of `small` things, by threads that each take some of them if that is sooner."""
        if small and count and self.device == CPU and threads_sleep():
            parts = self._shares.computed(count, compute)
        else:
            unfit = ""
            try:
                parts = in_parts(count, compute, self.device)
            except RuntimeError as error:
                if self.device == CPU or not cannot_compute(error):
                    raise
                unfit = str(error).partition("\n")[0].rstrip(".")
            if unfit:
                self._give_up(self.device, f"cannot compute here ({unfit}; another build of torch may)")
                parts = in_parts(count, compute, self.device)
        if parts is None and self.device != CPU:
            self._give_up(self.device)
            parts = in_parts(count, compute, self.device)
        if parts is None:
            raise UserError(
                f"There is not enough memory for {self.name}: close other programs, or choose a smaller model."
            )
        return parts

    def _give_up(self, device: torch.device, why: str = "") -> None:
        self._place(CPU)
        free_unused(device)
        self.fell_back = (
            f"{device.type.upper()} {why or f'has too little memory for {self.name}'}: "
            "it goes on on the CPU, which is slower."
        )
        warnings.warn(
            self.fell_back,
            UserNotice,
            stacklevel=2,
        )

    def _place(self, device: torch.device) -> None:
        if isinstance(self.network, torch.nn.Module):
            self.network.to(device)
        self.device = device

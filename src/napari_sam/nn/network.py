"""The interface of every promptable network to the rooms above, whatever its encoder."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_sam.nn.cancel import CancelToken


class EncodedImages(Protocol):
    """A batch of images as a model encoded them, wherever their features are kept: here, or on another machine."""

    @property
    def nbytes(self) -> int:
        """Bytes that the features take where they are kept."""
        ...

    def split(self) -> "Sequence[EncodedImages]":
        """Return every image by itself."""
        ...

    def cut(self, corner: tuple[int, int], side: int, height: int) -> "EncodedImages":
        """Return a square part.

        Parameters
        ----------
        corner
            (row, column) of its upper left corner in pixels; multiples of the network's stride.
        side
            In pixels.
        height
            Of the images, in pixels.
        """
        ...

    def auxiliary_maps(self, cancel: CancelToken | None = None) -> Tensor | None:
        """Return the maps of `ImageFeatures`; None for networks that have none.

        Raises
        ------
        Cancelled
            If `cancel` was set while they were on their way.
        """
        ...

    def moments(self, cancel: CancelToken | None = None) -> Tensor:
        """Return the mean of the (only) image's embedding, and of its square: (2, C) float64, on the CPU."""
        ...

    def sums(self, cells: Tensor, ends: Tensor, cancel: CancelToken | None = None) -> Tensor:
        """Return the sums of the (only) image's embedding over sets of its cells.

        Parameters
        ----------
        cells
            (K,) int64, numbers of cells in row-major order, one set after the other.
        ends
            (N + 1,) int64, where each of N sets begins, and the last one ends.
        cancel
            See `auxiliary_maps`.

        Returns
        -------
        (N, C) float32, on the CPU.
        """
        ...

    def similarity(self, toward: Tensor, cancel: CancelToken | None = None) -> Tensor:
        """Return the cosine of every cell of the (only) image's embedding with a direction.

        Parameters
        ----------
        toward
            (3, C) float64: the direction, of length 1; and what is taken off the embedding, and what it is then divided
            by.
        cancel
            See `auxiliary_maps`.

        Returns
        -------
        (H / stride, W / stride) float64, on the CPU.
        """
        ...


class ImageFeatures(NamedTuple):
    """The features that an image encoder returns for a batch of images; `EncodedImages` that are kept here.

    Attributes
    ----------
    embedding
        (B, C, H / stride, W / stride), the image embedding.
    high_res
        Finer features, finest last, each (B, C', H / stride', W / stride') with ``stride' < stride``;
        empty for networks that have none (the published ViTs).
    maps
        (B, 3, H / 4, W / 4) auxiliary maps as probabilities in 0..1 (foreground, centre proximity,
        normalised boundary distance), or None for networks that have none.
    """

    embedding: Tensor
    high_res: tuple[Tensor, ...] = ()
    maps: Tensor | None = None

    def to(self, dtype: torch.dtype) -> "ImageFeatures":
        """Return the same in another type of number."""
        return ImageFeatures(
            self.embedding.to(dtype),
            tuple(each.to(dtype) for each in self.high_res),
            None if self.maps is None else self.maps.to(dtype),
        )

    def on(self, device: torch.device) -> "ImageFeatures":
        """Return the same on another device."""
        return ImageFeatures(
            self.embedding.to(device),
            tuple(each.to(device) for each in self.high_res),
            None if self.maps is None else self.maps.to(device),
        )

    @property
    def nbytes(self) -> int:
        """Bytes that the tensors hold."""
        tensors = [self.embedding, *self.high_res, *([] if self.maps is None else [self.maps])]
        return sum(tensor.element_size() * tensor.nelement() for tensor in tensors)

    def cut(self, corner: tuple[int, int], side: int, height: int) -> "ImageFeatures":
        """Return a square part, in the same memory; see `EncodedImages.cut`."""

        def part(tensor: Tensor) -> Tensor:
            stride = height // tensor.shape[-2]
            top, left, cells = corner[0] // stride, corner[1] // stride, side // stride
            return tensor[..., top : top + cells, left : left + cells]

        return ImageFeatures(
            part(self.embedding),
            tuple(part(tensor) for tensor in self.high_res),
            None if self.maps is None else part(self.maps),
        )

    def auxiliary_maps(self, cancel: CancelToken | None = None) -> Tensor | None:
        """Return the maps."""
        del cancel
        return self.maps

    def moments(self, cancel: CancelToken | None = None) -> Tensor:
        """Return the mean of the embedding, and of its square; see `EncodedImages.moments`."""
        del cancel
        embedding = self.embedding[0].cpu().double()
        return torch.stack([embedding.mean((1, 2)), (embedding**2).mean((1, 2))])

    def sums(self, cells: Tensor, ends: Tensor, cancel: CancelToken | None = None) -> Tensor:
        """Return the sums of the embedding over sets of cells; see `EncodedImages.sums`."""
        del cancel
        by_cell = self.embedding[0].cpu().float().flatten(1).T.contiguous()
        if len(ends) == 1:
            return by_cell[:0]
        sums: Tensor = F.embedding_bag(cells, by_cell, ends[:-1], mode="sum")
        return sums

    def similarity(self, toward: Tensor, cancel: CancelToken | None = None) -> Tensor:
        """Return the cosine of every cell with a direction; see `EncodedImages.similarity`."""
        del cancel
        direction, middle, spread = toward[..., None, None]
        seen = (self.embedding[0].cpu().double() - middle) / spread
        cosine: Tensor = (direction * seen).sum(0) / torch.linalg.vector_norm(seen, dim=0).clamp(min=1e-9)
        return cosine

    def split(self) -> "list[ImageFeatures]":
        """Return the features of every image by themselves, in memory of their own."""
        count = len(self.embedding)
        if count == 1:
            return [self]
        return [
            ImageFeatures(
                self.embedding[at : at + 1].clone(),
                tuple(each[at : at + 1].clone() for each in self.high_res),
                None if self.maps is None else self.maps[at : at + 1].clone(),
            )
            for at in range(count)
        ]

    @classmethod
    def joined(cls, parts: "list[ImageFeatures]") -> "ImageFeatures":
        """Join the features of several batches of images into those of one."""
        if len(parts) == 1:
            return parts[0]
        maps = [each.maps for each in parts if each.maps is not None]
        return cls(
            torch.cat([each.embedding for each in parts]),
            tuple(torch.cat(level) for level in zip(*(each.high_res for each in parts), strict=True)),
            torch.cat(maps) if maps else None,
        )


class MaskPrediction(NamedTuple):
    """The masks that a mask decoder returns for N prompts, with their predicted IoU.

    Attributes
    ----------
    logits
        (N, M, h, w) mask logits, positive inside, at `PromptableNetwork.mask_stride`.
    iou
        (N, M) predicted IoU of each mask.
    """

    logits: Tensor
    iou: Tensor

    @classmethod
    def joined(cls, parts: "list[MaskPrediction]") -> "MaskPrediction":
        """Join the predictions for several batches of prompts into one."""
        if len(parts) == 1:
            return parts[0]
        return cls(torch.cat([each.logits for each in parts]), torch.cat([each.iou for each in parts]))


class NetworkSizes(Protocol):
    """The sizes of a promptable network.

    Attributes
    ----------
    window
        Side, in pixels, of the square on which prompts are decoded (1024 for the published ViTs, 256 for nano).
    stride
        Pixels per cell of the image embedding (16 for the published ViTs, 8 for nano).
    mask_stride
        Pixels per cell of the mask logits (4 for the published ViTs, 2 for nano).
    fully_convolutional
        Whether `encode` takes any multiple of `encode_multiple` and an embedding may be cut into windows afterwards.
    encode_multiple
        Side lengths given to `encode` must be multiples of this (1024 for the published ViTs, 32 for nano).
    """

    window: int
    stride: int
    mask_stride: int
    fully_convolutional: bool
    encode_multiple: int


class PromptableNetwork(NetworkSizes, Protocol):
    """A network that segments what is prompted: encode once, decode per prompt."""

    def encode(self, images: Tensor, cancel: CancelToken | None = None) -> ImageFeatures:
        """Encode images.

        Parameters
        ----------
        images
            (B, 3, H, W) float32, contrast-scaled so that 0..1 spans the contrast limits (values beyond are
            allowed); the network applies its own normalisation.
        cancel
            Checked between blocks.

        Raises
        ------
        Cancelled
            If `cancel` was set.
        """
        ...

    def decode(
        self,
        features: ImageFeatures,
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
    ) -> MaskPrediction:
        """Decode N prompts on one window.

        Parameters
        ----------
        features
            Features of one window (batch of 1), cut to `window` pixels.
        points
            (N, K, 2) float32, (x, y) in window pixels, pixel centres on integers (the network adds its half
            pixel). A box is two points, its upper left and lower right corner. K may be 0.
        labels
            (N, K) int64: 1 positive, 0 negative, 2 and 3 box corners, -1 padding.
        mask
            (N, 1, window / mask_stride, window / mask_stride) logits of a previous or given mask, or None.
        multimask
            Three candidates if True, else one.
        """
        ...

    def decode_each(
        self,
        features: list[ImageFeatures],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
    ) -> MaskPrediction:
        """Decode N prompts, each on a window of its own.

        Parameters
        ----------
        features
            N times the features of one window.
        points, labels, mask, multimask
            As of `decode`.
        """
        ...


class PlacedImage(NamedTuple):
    """Cells of an image embedding, its dense prompt added, with and without their positions.

    Attributes
    ----------
    cells
        (N or 1, h * w, dim); a batch of 1 is shared by all prompts.
    positions
        (N or 1, h * w, dim).
    placed
        (N or 1, h * w, dim), the sum of both.
    shape
        (h, w).
    """

    cells: Tensor
    positions: Tensor
    placed: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, cells: Tensor, positions: Tensor, shape: tuple[int, int]) -> "PlacedImage":
        """Return the image with these cells at these positions."""
        return cls(cells, positions, cells + positions, shape)

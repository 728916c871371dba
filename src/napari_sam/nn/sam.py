"""The published Segment Anything network (Kirillov et al. 2023)."""

import weakref
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from napari_sam.nn import cells
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.image_encoder import ImageEncoder, VitConfig
from napari_sam.nn.mask_decoder import CANDIDATES, SINGLE_MASK, MaskDecoder
from napari_sam.nn.network import ImageFeatures, MaskPrediction, PlacedImage
from napari_sam.nn.prompt_encoder import BOX_START, PADDING, PromptEncoder
from napari_sam.nn.tiny_vit import TinyVit, TinyVitConfig

# As published (Kirillov et al. 2023): mean and deviation of ImageNet's colours, of 255.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)

# On the CPU: what one prompt makes of the image fits the processor's cache, and what several make does not. 64 points
# are decoded 3.4 times as fast as by segment-anything, which takes them together (docs/benchmarks.md, "Speed").
PROMPTS_AT_ONCE = 1


@dataclass(frozen=True)
class SamConfig:
    """The sizes of a SAM network; the defaults are those of all published ones.

    Parameters
    ----------
    encoder
        Of the image encoder.
    dim
        Channels of the image embedding and features of a token.
    mask_channels
        Channels of the two hidden layers between a mask prompt and its embedding.
    depth, heads, mlp_dim
        Of the two-way transformer.
    """

    encoder: VitConfig | TinyVitConfig
    dim: int = 256
    mask_channels: tuple[int, int] = (4, 16)
    depth: int = 2
    heads: int = 8
    mlp_dim: int = 2048


VIT_T = SamConfig(TinyVitConfig())
VIT_B = SamConfig(VitConfig(dim=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11)))
VIT_L = SamConfig(VitConfig(dim=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23)))
VIT_H = SamConfig(VitConfig(dim=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31)))


class _Image(NamedTuple):
    """An image embedding as prepared for the decoder, with the weights that it was prepared with."""

    embedding: weakref.ref[Tensor]
    no_mask: Tensor
    matrix: Tensor
    cells: Tensor
    without_mask: PlacedImage


class Sam(nn.Module):
    """SAM under the published names of its parameters; a `PromptableNetwork`.

    Parameters
    ----------
    config
        `VIT_T`, `VIT_B`, `VIT_L`, `VIT_H` or other sizes.
    """

    fully_convolutional = False

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.config = config
        self.window = self.encode_multiple = config.encoder.image_side
        self.stride = config.encoder.patch
        self.mask_stride = self.stride // 4
        self.image_encoder = (
            TinyVit(config.encoder, config.dim)
            if isinstance(config.encoder, TinyVitConfig)
            else ImageEncoder(config.encoder, config.dim)
        )
        self.prompt_encoder = PromptEncoder(config.dim, self.window, self.stride, config.mask_channels)
        self.mask_decoder = MaskDecoder(config.dim, config.depth, config.heads, config.mlp_dim)
        self._latest: _Image | None = None

    def fuse(self) -> None:
        """Fold what can be folded in evaluation mode, where it is exact: TinyViT's batch normalisation."""
        if isinstance(self.image_encoder, TinyVit):
            self.image_encoder.fuse()

    def encode(self, images: Tensor, cancel: CancelToken | None = None) -> ImageFeatures:
        """Encode images; see `PromptableNetwork.encode`. 0..1 stands for the published network's 0..255.

        The encoder may be of another type than the images and the rest of the network, to which its result returns.
        """
        mean, std = (torch.tensor(per_channel)[:, None, None].to(images) for per_channel in (PIXEL_MEAN, PIXEL_STD))
        normalised = (255 * images - mean) / std
        return ImageFeatures(self.image_encoder(normalised.to(self.image_encoder.dtype), cancel)).to(images.dtype)

    def decode(
        self, features: ImageFeatures, points: Tensor, labels: Tensor, mask: Tensor | None, multimask: bool
    ) -> MaskPrediction:
        """Decode N prompts on one window; see `PromptableNetwork.decode`.

        Prompts without a box get one padding point, as the published predictor gives them.

        Raises
        ------
        ValueError
            If some prompts have a box and others have neither a box nor a padding point of their own.
        """
        points, labels = _padded(points, labels)
        image = self._image(features.embedding)
        together = PROMPTS_AT_ONCE if points.device.type == "cpu" else max(len(points), 1)
        parts = []
        for start in range(0, max(len(points), 1), together):
            some = slice(start, start + together)
            part = points[some], labels[some], None if mask is None else mask[some]
            parts.append(self._decode(image, *part, CANDIDATES if multimask else SINGLE_MASK))
        return MaskPrediction.joined(parts)

    def decode_each(
        self,
        features: list[ImageFeatures],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
    ) -> MaskPrediction:
        """Decode N prompts, each on a window of its own; see `PromptableNetwork.decode_each`."""
        each = [
            (points[at : at + 1], labels[at : at + 1], None if mask is None else mask[at : at + 1])
            for at in range(len(features))
        ]
        return MaskPrediction.joined(
            [self.decode(window, *said, multimask) for window, said in zip(features, each, strict=True)]
        )

    def _decode(
        self, image: _Image, points: Tensor, labels: Tensor, mask: Tensor | None, masks: slice
    ) -> MaskPrediction:
        placed = image.without_mask
        prompts = self.prompt_encoder(points, labels, mask, placed.shape, points.new_zeros(1, 2))
        if mask is not None:
            placed = PlacedImage.of(image.cells + prompts.dense, placed.positions, placed.shape)
        prediction: MaskPrediction = self.mask_decoder(placed, prompts, masks=masks)
        return prediction

    def _image(self, embedding: Tensor) -> _Image:
        """Prepare an embedding for the decoder, whatever the prompts; it is kept, since clicks on one plane follow."""
        no_mask = self.prompt_encoder.no_mask_embed.weight
        matrix = self.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
        latest = self._latest
        # Weights may change while the embedding stays the same.
        if (
            latest is not None
            and latest.embedding() is embedding
            and torch.equal(latest.no_mask, no_mask)
            and torch.equal(latest.matrix, matrix)
        ):
            return latest
        h, w = embedding.shape[-2:]
        bare = cells.group(embedding, 1)
        positions = self.prompt_encoder.image_positions((h, w), embedding.new_zeros(1, 2))
        image = _Image(
            weakref.ref(embedding),
            no_mask.detach().clone(),
            matrix.clone(),
            bare,
            PlacedImage.of(bare + no_mask, positions, (h, w)),
        )
        if torch.is_inference_mode_enabled():
            self._latest = image
        return image


def _padded(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Add a padding point to each prompt if they are points without a box."""
    if labels.shape[1] == 0:
        return points, labels
    boxed = (labels == BOX_START).any(1)
    if not boxed.any():
        count = len(points)
        return (
            torch.cat([points, points.new_zeros(count, 1, 2)], dim=1),
            torch.cat([labels, labels.new_full((count, 1), PADDING)], dim=1),
        )
    if not (boxed | (labels == PADDING).any(1)).all():
        raise ValueError("prompts with and without a box share a batch only if those without have a padding point")
    return points, labels


def sam_vit_b() -> Sam:
    """Build SAM with ViT-B, its parameters not loaded."""
    return Sam(VIT_B)


def sam_vit_l() -> Sam:
    """Build SAM with ViT-L, its parameters not loaded."""
    return Sam(VIT_L)


def sam_vit_h() -> Sam:
    """Build SAM with ViT-H, its parameters not loaded."""
    return Sam(VIT_H)

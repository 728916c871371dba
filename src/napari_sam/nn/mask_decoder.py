"""Image embedding and prompts -> masks."""

import torch
from torch import Tensor, nn

from napari_sam.nn import cells
from napari_sam.nn.layers import Gelu, Mlp, plus
from napari_sam.nn.network import MaskPrediction, PlacedImage
from napari_sam.nn.prompt_encoder import DRAWN_CHANNELS, EmbeddedPrompts
from napari_sam.nn.two_way_transformer import TwoWayTransformer

# The weights were trained with these, since version 5; no others are in the log of the training.
DILATIONS = (1, 2)


class LocalMixing(nn.Module):
    """Two 3 x 3 convolutions, the second one dilated, in a bottleneck around which the input is added back.

    Attention compares cells with what the tokens remember of the prompts; this lets what a prompt says, and what the
    tokens have written into the cells, spread and halt from cell to cell. The bottleneck is that of He et al. (2016)
    with layer normalisation in front, as in transformers. It starts as the identity.

    Parameters
    ----------
    dim
        Features of a cell.
    hidden
        Features in the bottleneck.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.narrow = nn.Linear(dim, hidden)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(hidden, hidden, kernel_size=3, padding=dilation, dilation=dilation) for dilation in DILATIONS
        )
        self.widen = nn.Linear(hidden, dim)
        self.activate = Gelu()
        nn.init.zeros_(self.widen.weight)
        nn.init.zeros_(self.widen.bias)

    def forward(self, cells: Tensor, shape: tuple[int, int]) -> Tensor:
        """Map (N, h * w, dim) cells of (h, w) to the same shape."""
        x = self.activate(self.narrow(self.norm(cells)))
        # Cells are the pixels of a map whose channels come last.
        x = x.unflatten(1, shape).permute(0, 3, 1, 2)
        for convolution in self.convolutions:
            x = self.activate(convolution(x))
        return plus(self.widen(x.permute(0, 2, 3, 1).flatten(1, 2)), cells)


ALL_MASKS = slice(None)
SINGLE_MASK = slice(0, 1)
CANDIDATES = slice(1, None)

UPSCALED_AT_ONCE = 2**21
"""Numbers that the largest tensor of prompts that are upscaled together has, on the CPU: 8 MB of them.

Chosen, not compared.
"""


class MaskDecoder(nn.Module):
    """SAM's mask decoder: one mask for clear prompts, three candidates for ambiguous ones, an IoU for each.

    Parameters
    ----------
    dim
        Features of a token and of the image embedding.
    depth, heads, mlp_dim
        Of the two-way transformer.
    drawn
        Whether drawn prompts are added in the last upscaling step.
    mixing
        Hidden features of the blocks before and after the transformer in which neighbouring cells read each other; 0
        for no such blocks.
    """

    def __init__(self, dim: int, depth: int, heads: int, mlp_dim: int, drawn: bool = False, mixing: int = 0) -> None:
        super().__init__()
        self.mix_before = LocalMixing(dim, mixing) if mixing else None
        self.mix_after = LocalMixing(dim, mixing) if mixing else None
        self.transformer = TwoWayTransformer(depth, dim, heads, mlp_dim)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(4, dim)
        self.output_upscaling = nn.Sequential(
            cells.Double(dim, dim // 4),
            nn.LayerNorm(dim // 4, eps=1e-6),
            Gelu(),
            cells.Double(dim // 4, dim // 8),
            Gelu(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp(dim, dim, dim, dim // 8) for _ in range(4))
        self.iou_prediction_head = Mlp(dim, dim, dim, 4)
        self.drawn_shortcut = cells.Pointwise(DRAWN_CHANNELS, dim // 8) if drawn else None

    def forward(
        self,
        image: PlacedImage,
        prompts: EmbeddedPrompts,
        high_res: tuple[cells.Maps, ...] = (),
        masks: slice = ALL_MASKS,
    ) -> MaskPrediction:
        """Decode N prompts.

        Parameters
        ----------
        image
            The image, the prompts' dense embedding added: one for each prompt, or one for all.
        prompts
            N embedded prompts, ordered by image if there are several images.
        high_res
            Nothing, or maps (B, dim / 4, 2 h, 2 w) and (B, dim / 8, 4 h, 4 w), added while upscaling.
        masks
            Which of the four masks: `SINGLE_MASK`, `CANDIDATES` or `ALL_MASKS`.
        """
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(prompts.tokens), -1, -1), prompts.tokens], dim=1)
        if self.mix_before is not None:
            image = PlacedImage.of(self.mix_before(image.cells, image.shape), image.positions, image.shape)
        tokens, read = self.transformer(image, tokens)
        if self.mix_after is not None:
            read = self.mix_after(read, image.shape)
        chosen = range(4)[masks]
        weights = torch.stack([self.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in chosen], dim=1)
        logits = []
        for some in self._parts(read, high_res):
            features = tuple(each if len(each) == 1 else each[some] for each in high_res)
            part = prompts._replace(drawn=None if prompts.drawn is None else prompts.drawn[some])
            pixels = self._upscale(read[some], features, part)
            logits.append(cells.ungroup(weights[some] @ pixels.flatten(1, 3).transpose(1, 2), image.shape))
        iou: Tensor = self.iou_prediction_head(tokens[:, 0])
        return MaskPrediction(logits[0] if len(logits) == 1 else torch.cat(logits), iou[:, masks])

    def _parts(self, read: Tensor, high_res: tuple[cells.Maps, ...]) -> list[slice]:
        """Choose prompts to upscale together: on the CPU no more than find room in memory that was used before."""
        count, grid, dim = read.shape
        together = max(1, UPSCALED_AT_ONCE // (2 * grid * dim))
        shared = len(high_res) == 0 or len(high_res[0]) in (1, count)
        if torch.is_grad_enabled() or read.device.type != "cpu" or not shared:
            together = max(count, 1)
        return [slice(start, start + together) for start in range(0, max(count, 1), together)]

    def _upscale(self, image: Tensor, high_res: tuple[cells.Maps, ...], prompts: EmbeddedPrompts) -> Tensor:
        """Map (N, h * w, dim) to (N, h * w, 4, 4, dim / 8), grouped by cell."""
        first, norm, activate, second, _ = self.output_upscaling
        pixels = _added(first, image, cells.group(high_res[0], 2) if high_res else None)
        pixels = _added(second, activate(norm(pixels)), cells.group(high_res[1], 4) if high_res else None)
        if self.drawn_shortcut is not None and prompts.drawn is not None:
            pixels = self.drawn_shortcut(prompts.drawn, pixels, prompts.channels)
        upscaled: Tensor = activate(pixels)
        return upscaled


def _added(layer: nn.Module, prompts: Tensor, images: Tensor | None) -> Tensor:
    """Apply a layer to prompts, and add features of images to the result, which no one else needs."""
    if images is not None and len(images) == len(prompts):
        added: Tensor = layer(prompts, images)
        return added
    mapped: Tensor = layer(prompts)
    if images is None:
        return mapped
    return plus(mapped, images) if len(images) == 1 else add_per_image(mapped, images)


def add_per_image(prompts: Tensor, images: Tensor) -> Tensor:
    """Add (B, ...) of images to (N, ...) of prompts that are ordered by image, without copying images.

    Prompts that share one row (N = 1) keep sharing it: the sum then has B rows.
    """
    if len(images) == 1 or len(images) == len(prompts) or len(prompts) == 1:
        return prompts + images
    return (prompts.view(len(images), -1, *prompts.shape[1:]) + images[:, None]).flatten(0, 1)

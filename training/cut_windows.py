"""Cut windows out of encoded images, at places that only the device knows."""

from typing import Any

import torch
from torch import Tensor

from napari_sam.nn.network import ImageFeatures

EMBEDDING_STRIDE, HIGH_RES_STRIDES = 8, (4, 2)


def cut_windows(features: ImageFeatures, images: Tensor, origins: Tensor, side: int) -> ImageFeatures:
    """Features of W windows.

    Parameters
    ----------
    features
        Of B images.
    images
        (W,) index of each window's image. Where the windows are as large as the images and as many, they are the
        images, in their order.
    origins
        (W, 2) as (row, column) of the windows' upper left pixels, multiples of 8.
    side
        Of the windows, pixels.
    """

    def windows(maps: Tensor, stride: int) -> Tensor:
        size = side // stride
        if maps.shape[-1] == size and len(maps) == len(images):
            return maps
        cut: Tensor = _CutWindows.apply(maps, images, origins // stride, size)  # type: ignore[no-untyped-call]
        return cut

    high_res = (windows(maps, stride) for maps, stride in zip(features.high_res, HIGH_RES_STRIDES, strict=True))
    return ImageFeatures(windows(features.embedding, EMBEDDING_STRIDE), tuple(high_res))


class _CutWindows(torch.autograd.Function):
    """Pick windows of (B, C, H, W) maps; the gradients of overlapping ones add up."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, images: Tensor, origins: Tensor, size: int) -> Tensor:
        count, channels, height, width = maps.shape
        pixels = torch.arange(size, device=maps.device)
        rows, columns = (origins[:, axis, None] + pixels for axis in (0, 1))
        where = ((images[:, None, None] * height + rows[:, :, None]) * width + columns[:, None, :]).flatten()
        ctx.save_for_backward(where, images, origins)
        ctx.shape = maps.shape
        by_pixel = maps.permute(0, 2, 3, 1).reshape(count * height * width, channels)
        return by_pixel.index_select(0, where).view(len(images), size, size, channels).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        where, images, origins = ctx.saved_tensors
        count, channels, height, width = ctx.shape
        by_window = gradients[0].permute(0, 2, 3, 1)
        summed = by_window.new_zeros(count, height, width, channels)
        if by_window.device.type == "cpu":
            # There, adding by index goes pixel by pixel.
            size = by_window.shape[1]
            for gradient, image, (row, column) in zip(by_window, images.tolist(), origins.tolist(), strict=True):
                summed[image, row : row + size, column : column + size] += gradient
        else:
            summed.view(-1, channels).index_add_(0, where, by_window.reshape(-1, channels))
        return summed.permute(0, 3, 1, 2), None, None, None

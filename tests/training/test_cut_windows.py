import torch

from napari_sam.nn.network import ImageFeatures
from training.cut_windows import cut_windows


def _features(count, side):
    torch.manual_seed(0)
    maps = [
        torch.randn(count, channels, side // stride, side // stride) for channels, stride in ((6, 8), (4, 4), (2, 2))
    ]
    embedding, *high_res = (each.requires_grad_() for each in maps)
    return ImageFeatures(embedding, tuple(high_res))


def _sliced(maps, images, origins, side, stride):
    at = [(row // stride, column // stride) for row, column in origins.tolist()]
    size = side // stride
    return torch.stack(
        [
            maps[image, :, row : row + size, column : column + size]
            for image, (row, column) in zip(images.tolist(), at, strict=True)
        ]
    )


def test_windows_and_their_gradients_are_those_of_slices():
    features = _features(2, 64)
    images, origins = torch.tensor([0, 1, 1]), torch.tensor([[8, 16], [0, 32], [8, 24]])
    found = cut_windows(features, images, origins, 32)
    for maps, windows, stride in (
        (features.embedding, found.embedding, 8),
        *zip(features.high_res, found.high_res, (4, 2), strict=True),
    ):
        expected = _sliced(maps, images, origins, 32, stride)
        torch.testing.assert_close(windows, expected, rtol=0, atol=0)
        weights = torch.randn_like(expected)
        ours, theirs = (torch.autograd.grad((each * weights).sum(), maps)[0] for each in (windows, expected))
        torch.testing.assert_close(ours, theirs)


def test_windows_as_large_as_the_images_are_the_images():
    features = _features(2, 32)
    found = cut_windows(features, torch.tensor([0, 1]), torch.zeros(2, 2, dtype=torch.long), 32)
    assert found.embedding is features.embedding
    assert found.high_res == features.high_res

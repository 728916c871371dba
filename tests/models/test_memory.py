"""Memory that runs out: on a device that is faked; what a graphics card does is in `tests/cuda`."""

import pytest
import torch
from torch import nn

from napari_sam.errors import UserError, UserNotice
from napari_sam.models.device import in_parts, ran_out_of_memory
from napari_sam.models.model import LocalModel
from napari_sam.models.registry import REGISTRY
from napari_sam.nn.network import ImageFeatures, MaskPrediction

CPU = torch.device("cpu")
# Tensors can be moved there on any machine; nothing can be computed with them.
SMALL_GPU = torch.device("meta")


class HungryNetwork(nn.Module):
    """Encodes an image into its mean; holds at most so many images, or prompts, at once on each device."""

    window = 256

    def __init__(self, room: dict[str, int]) -> None:
        super().__init__()
        self.room = room
        self.seen: list[tuple[str, int]] = []

    def take(self, tensor: torch.Tensor) -> None:
        self.seen.append((tensor.device.type, len(tensor)))
        if len(tensor) > self.room[tensor.device.type]:
            raise torch.cuda.OutOfMemoryError("Tried to allocate 20.00 GiB")

    def encode(self, images, cancel=None):
        self.take(images)
        means = images.mean((1, 2, 3), keepdim=True)
        return ImageFeatures(means, (2 * means,), 3 * means)

    def decode(self, features, points, labels, mask, multimask):
        self.take(points)
        assert features.embedding.device == points.device
        logits = points.sum((1, 2))[:, None, None, None] + (0 if mask is None else mask)
        return MaskPrediction(logits, labels.sum(1, keepdim=True).float())


def hungry(device, **room):
    return LocalModel("hungry", HungryNetwork(room), device, "", REGISTRY["nano"])


IMAGES = torch.arange(5 * 3 * 4, dtype=torch.float32).view(5, 3, 2, 2)
PROMPTS = torch.arange(10, dtype=torch.float32).view(5, 1, 2), torch.arange(5).view(5, 1)


def test_a_batch_is_halved_until_it_fits_and_nothing_is_lost():
    model = hungry(CPU, cpu=1)

    features = model.encode(IMAGES)
    prediction = model.decode(features, *PROMPTS, None, True)

    torch.testing.assert_close(features.embedding.flatten(), IMAGES.mean((1, 2, 3)))
    torch.testing.assert_close(features.high_res[0], 2 * features.embedding)
    torch.testing.assert_close(features.maps, 3 * features.embedding)
    torch.testing.assert_close(prediction.logits.flatten(), PROMPTS[0].sum((1, 2)))
    torch.testing.assert_close(prediction.iou, PROMPTS[1].float())
    assert [count for _, count in model.network.seen[:5]] == [5, 3, 2, 1, 1]


def test_parts_that_fit_are_not_computed_again():
    computed = []

    def compute(some):
        if len(range(5)[some]) > 2:
            raise torch.cuda.OutOfMemoryError
        computed.append(list(range(5)[some]))
        return some

    in_parts(5, compute, CPU)
    assert computed == [[0, 1], [2, 3], [4]]


def test_the_cpu_takes_over_with_a_notice():
    model = hungry(SMALL_GPU, meta=0, cpu=2)

    with pytest.warns(UserNotice, match="too little memory for hungry: it goes on on the CPU"):
        features = model.encode(IMAGES)

    torch.testing.assert_close(features.embedding.flatten(), IMAGES.mean((1, 2, 3)))
    assert model.device == CPU
    model.encode(IMAGES[:1])  # without another notice
    assert model.network.seen[-1] == ("cpu", 1)


def test_the_cpu_decodes_what_another_device_encoded():
    model = hungry(SMALL_GPU, meta=1, cpu=9)
    features = model.encode(IMAGES[:1])
    assert features.embedding.device == SMALL_GPU
    model.network.room["meta"] = 0
    features = ImageFeatures(torch.ones(1, 1, 1, 1))

    with pytest.warns(UserNotice):
        prediction = model.decode(features, *PROMPTS, torch.ones(5, 1, 1, 1), True)

    torch.testing.assert_close(prediction.logits.flatten(), 1 + PROMPTS[0].sum((1, 2)))


def test_the_cpu_takes_over_where_parts_fit_but_not_what_joins_them(monkeypatch):
    model = hungry(SMALL_GPU, meta=2, cpu=9)
    join = ImageFeatures.joined

    def joined(parts):
        if parts[0].embedding.device == SMALL_GPU:
            raise torch.cuda.OutOfMemoryError("Tried to allocate 20.00 GiB")
        return join(parts)

    monkeypatch.setattr(ImageFeatures, "joined", joined)
    with pytest.warns(UserNotice, match="it goes on on the CPU"):
        features = model.encode(IMAGES)

    torch.testing.assert_close(features.embedding.flatten(), IMAGES.mean((1, 2, 3)))
    assert model.device == CPU


def test_a_computer_without_memory_is_told_in_a_sentence():
    with pytest.raises(UserError, match="not enough memory for hungry: close other programs"):
        hungry(CPU, cpu=0).encode(IMAGES)


def test_a_network_that_does_not_fit_stays_on_the_cpu():
    class TooLarge(HungryNetwork):
        def to(self, device):
            if torch.device(device) != CPU:
                raise torch.cuda.OutOfMemoryError
            return self

    model = LocalModel("large", TooLarge({"cpu": 9}), CPU, "", REGISTRY["vit_h"])
    with pytest.warns(UserNotice, match="META has too little memory for large"):
        model.move_to(SMALL_GPU)
    assert model.device == CPU


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    class Broken(HungryNetwork):
        def encode(self, images, cancel=None):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        LocalModel("broken", Broken({}), CPU, "", REGISTRY["nano"]).encode(IMAGES)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes"), True),
        (MemoryError(), True),
        (RuntimeError("expected scalar type Float"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_that_mean_a_lack_of_memory(error, expected):
    assert ran_out_of_memory(error) is expected


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be ...",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_a_card_that_cannot_compute_hands_over_to_the_cpu_once(said):
    class OldCard(HungryNetwork):
        def take(self, tensor):
            super().take(tensor)
            if tensor.device.type == "meta":
                raise RuntimeError(said)

    model = LocalModel("old", OldCard({"meta": 9, "cpu": 9}), SMALL_GPU, "", REGISTRY["nano"])
    with pytest.warns(UserNotice, match="META cannot compute here .*CPU, which is slower"):
        features = model.encode(IMAGES)
    torch.testing.assert_close(features.embedding.flatten(), IMAGES.mean((1, 2, 3)))
    model.encode(IMAGES)
    assert [device for device, _ in model.network.seen] == ["meta", "cpu", "cpu"]
    assert said.partition("\n")[0] in model.fell_back


def test_other_errors_of_a_card_are_errors():
    class Broken(HungryNetwork):
        def take(self, tensor):
            raise RuntimeError("shapes differ")

    model = LocalModel("broken", Broken({}), SMALL_GPU, "", REGISTRY["nano"])
    with pytest.raises(RuntimeError, match="shapes differ"):
        model.encode(IMAGES)

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from napari_sam.models.load import nano_config
from napari_sam.nn.nano import Nano
from training.growth import load_released


@pytest.fixture
def released(tiny_sizes, tmp_path):
    torch.manual_seed(0)
    network = Nano(tiny_sizes).eval()
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    file = tmp_path / "small.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    return network, file


def test_a_grown_network_begins_as_the_one_it_was(released, tiny_sizes):
    small, file = released
    grown = Nano(replace(tiny_sizes, blocks=(1, 2, 1, 3, 2), mixing=4)).eval()
    load_released(grown, file)
    images, points, labels = torch.rand(1, 3, 64, 64), torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]])
    with torch.inference_mode():
        expected, found = (
            network.decode(network.encode(images), points, labels, None, True) for network in (small, grown)
        )
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(found.iou, expected.iou)


def test_sizes_are_read_off_the_weights(tiny_sizes):
    grown = Nano(replace(tiny_sizes, blocks=(1, 2, 1, 3, 2), mixing=4))
    sizes = nano_config(grown.state_dict())
    assert (sizes.blocks, sizes.mixing) == ((1, 2, 1, 3, 2), 4)
    assert nano_config(Nano(tiny_sizes).state_dict()).mixing == 0


def test_weights_that_lack_anything_else_are_refused(released, tiny_sizes):
    _, file = released
    with pytest.raises(ValueError, match="does not fit"):
        load_released(Nano(replace(tiny_sizes, depth=3)), file)

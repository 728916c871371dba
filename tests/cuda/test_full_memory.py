"""A graphics card without room hands over to the CPU."""

import pytest
import torch

from napari_sam.errors import UserNotice
from napari_sam.models.load import load_model


def test_an_image_that_does_not_fit(card, full_card):
    model = load_model("nano", card, "float32")
    images = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    on_card = model.encode(images).embedding.cpu()
    with full_card(), pytest.warns(UserNotice, match="CUDA .*it goes on on the CPU"):
        on_cpu = model.encode(images).embedding
    assert model.device == torch.device("cpu")
    assert (on_cpu - on_card).norm() < 1e-3 * on_cpu.norm()


def test_a_network_that_does_not_fit(card, full_card):
    with full_card(), pytest.warns(UserNotice, match="CUDA has too little memory for nano"):
        model = load_model("nano", card, "float32")
    assert model.device == torch.device("cpu")
    assert {each.device.type for each in model.network.parameters()} == {"cpu"}
    assert model.encode(torch.rand(1, 3, 256, 256)).embedding.isfinite().all()


def test_prompts_that_do_not_fit_together_are_decoded_apart(card, monkeypatch):
    model = load_model("nano", card, "float32")
    features = model.encode(torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)))
    count = 2048
    points = 256 * torch.rand(count, 1, 2, generator=torch.Generator().manual_seed(1))
    labels = torch.ones(count, 1, dtype=torch.int64)
    expected = torch.cat([model.decode(features, *each, None, True).logits for each in in_parts(points, labels)])
    decoded, counts = model.network.decode, []

    def counted(features, points, *rest):
        prediction = decoded(features, points, *rest)
        counts.append(len(points))
        return prediction

    monkeypatch.setattr(model.network, "decode", counted)
    torch.cuda.empty_cache()
    # Room for all logits twice, since parts are joined; a prompt alone takes several megabytes on the way.
    room = torch.cuda.memory_reserved() + 2 * expected.nbytes + 2**30
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(0).total_memory)
    try:
        found = model.decode(features, points, labels, None, True).logits
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert model.device.type == card
    assert len(counts) > 1
    assert sum(counts) == count
    assert (found - expected).norm() < 1e-3 * expected.norm()


def in_parts(points, labels, size=64):
    return zip(points.split(size), labels.split(size), strict=True)

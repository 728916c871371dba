import pytest
import torch

from napari_sam.errors import UserError
from napari_sam.models.device import Precision, choose_device, choose_precision, fast_in_bfloat16
from napari_sam.models.load import BUNDLED_FILES, load_model

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_cuda_then_mps_then_the_cpu(cuda, mps, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "xla"])
def test_a_device_that_is_not_here_is_refused(name):
    with pytest.raises(UserError, match="choose auto or cpu"):
        choose_device(name)


@pytest.mark.parametrize(("capabilities", "fast"), [({"amx_bf16": True}, True), ({"avx512_bf16": True}, False)])
def test_cpus_are_fast_in_bfloat16_if_they_have_tiles(capabilities, fast, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert fast_in_bfloat16(CPU) is fast


@pytest.mark.parametrize("reported", [True, False])
def test_older_versions_of_torch_are_asked_in_their_way(reported, monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: reported, raising=False)
    assert fast_in_bfloat16(CPU) is reported
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert not fast_in_bfloat16(CPU)


@pytest.mark.parametrize(("capability", "fast"), [((9, 0), True), ((8, 0), True), ((7, 5), False)])
def test_gpus_are_fast_in_bfloat16_if_it_is_native(capability, fast, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert fast_in_bfloat16(torch.device("cuda")) is fast


def test_mps_keeps_float32():
    assert not fast_in_bfloat16(torch.device("mps"))


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("harmless", [True, False])
def test_auto_precision_is_bfloat16_where_that_is_both_fast_and_harmless(fast, harmless, monkeypatch):
    monkeypatch.setattr("napari_sam.models.device.fast_in_bfloat16", lambda device: fast)
    expected = Precision.BFLOAT16 if fast and harmless else Precision.FLOAT32
    assert choose_precision("auto", CPU, harmless) == expected
    assert choose_precision("float32", CPU, harmless) == Precision.FLOAT32
    assert choose_precision("bfloat16", CPU, harmless) == Precision.BFLOAT16


def test_only_the_bundled_model_is_rounded_unasked(monkeypatch, tmp_path):
    from importlib.resources import files

    monkeypatch.setattr("napari_sam.models.device.fast_in_bfloat16", lambda device: True)
    assert load_model("nano", "cpu").precision == Precision.BFLOAT16

    own = tmp_path / "own.safetensors"
    own.write_bytes((files("napari_sam.models") / "weights" / BUNDLED_FILES["nano"]).read_bytes())
    assert load_model(own, "cpu").precision == Precision.FLOAT32

"""Loading models by name and from users' files."""

import hashlib
import pickle
import shutil
import zlib
from argparse import Namespace
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_sam.errors import UserError
from napari_sam.models.cache import file_hash
from napari_sam.models.load import load_model
from napari_sam.models.registry import REGISTRY
from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.sam import VIT_T, Sam, SamConfig

TINY = SamConfig(
    VitConfig(dim=16, depth=3, heads=2, global_blocks=(1,), image_side=64, attention_window=3),
    dim=32,
    mask_channels=(2, 8),
    depth=1,
    mlp_dim=24,
)


class SettingsOfTraining:
    """What a fine-tuned checkpoint may hold beside the weights."""

    def __init__(self):
        self.rate = 1e-4


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    network = Sam(TINY)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
    return network.eval()


def assert_same_network(model, network):
    assert model.network.config == network.config
    for (name, ours), theirs in zip(model.network.state_dict().items(), network.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, msg=name)
    images = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model.network.encode(images).embedding, network.encode(images).embedding)


def test_nano_is_bundled_and_ready():
    model = load_model(device="cpu", precision="float32")

    assert model.name == "nano"
    assert model.spec == REGISTRY["nano"]
    assert model.device == torch.device("cpu")
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    assert not model.network.training


def test_bundled_file_is_small_and_of_the_size_in_the_registry():
    import napari_sam.models

    (path,) = (Path(napari_sam.models.__file__).parent / "weights").glob("nano-*.safetensors")
    assert path.stat().st_size == REGISTRY["nano"].size_bytes < 20_000_000
    assert load_model(device="cpu").digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_state_dict_as_published(tiny, tmp_path):
    path = tmp_path / "mine.pth"
    torch.save(tiny.state_dict(), path)

    model = load_model(path, "cpu")

    assert_same_network(model, tiny)
    assert model.name == "mine"
    assert model.spec.architecture == "vit"
    assert model.spec.object_size_px == REGISTRY["vit_b"].object_size_px
    assert not model.spec.knows_ends


def test_weights_of_nanos_architecture_are_used_as_nano_is(tmp_path):
    import napari_sam.models

    (bundled,) = (Path(napari_sam.models.__file__).parent / "weights").glob("nano-*.safetensors")
    path = Path(shutil.copy(bundled, tmp_path / "mine.safetensors"))

    spec, nano = load_model(path, "cpu").spec, REGISTRY["nano"]

    assert (spec.name, spec.bundled) == ("mine", False)
    assert (spec.object_size_px, spec.scanned_size_px, spec.boxed_size_px) == (
        nano.object_size_px,
        nano.scanned_size_px,
        nano.boxed_size_px,
    )
    assert spec.knows_ends


def test_state_dict_of_before_torch_1_6(tiny, tmp_path):
    path = tmp_path / "old.pth"
    torch.save(tiny.state_dict(), path, _use_new_zipfile_serialization=False)

    assert_same_network(load_model(path, "cpu"), tiny)


def test_fine_tuned_checkpoint_with_other_things_in_it(tiny, tmp_path):
    path = tmp_path / "best.pt"
    state = {f"sam.{key}": value for key, value in tiny.state_dict().items()}
    checkpoint = {
        "model_state": state | {"decoder.weight": torch.ones(3)},
        "settings": SettingsOfTraining(),
        "schedule": [SettingsOfTraining, len, Path("here"), {1, 2}, torch.float16],
        "epoch": 3,
    }
    torch.save(checkpoint, path)

    assert_same_network(load_model(str(path), "cpu"), tiny)


@pytest.fixture
def mobile():
    torch.manual_seed(0)
    network = Sam(VIT_T)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5 if name.endswith("running_var") else tensor + 0.01)
    return network.eval()


@pytest.mark.parametrize("counted", [True, False])
def test_mobile_sam_with_its_classifier(mobile, tmp_path, counted):
    path = tmp_path / "mobile_sam.pt"
    state = mobile.state_dict() | {
        "image_encoder.head.weight": torch.ones(1000, 320),
        "image_encoder.head.bias": torch.ones(1000),
        "image_encoder.norm_head.weight": torch.ones(320),
        "image_encoder.norm_head.bias": torch.ones(320),
    }
    torch.save({key: value for key, value in state.items() if counted or "num_batches" not in key}, path)

    model = load_model(path, "cpu")

    assert model.spec.architecture == "vit_t"
    assert model.network.config == VIT_T
    images = torch.rand(1, 3, 128, 128)
    with torch.inference_mode():
        ours, theirs = (network.encode(images).embedding for network in (model.network, mobile))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def without(state, key):
    return {name: value for name, value in state.items() if name != key}


NECK = "image_encoder.neck.2.weight"
TOKEN = "mask_decoder.iou_token.weight"
SIZE = "prompt_encoder.mask_downscaling.0.weight"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: without(state, NECK), f"lacks {NECK}, where vit has 32 x 32 x 3 x 3"),
        (lambda state: without(state, SIZE), f"lacks {SIZE}, which vit has"),
        (lambda state: state | {TOKEN: torch.ones(2, 32)}, f"holds {TOKEN} of 2 x 32, where vit has 1 x 32"),
        (lambda state: state | {TOKEN: torch.ones(1, 32).int()}, f"holds {TOKEN} in int32, where vit has numbers with"),
        (lambda state: state | {"mask_decoder.more": torch.ones(7)}, "holds mask_decoder.more of 7, which vit does"),
    ],
)
def test_what_does_not_fit_is_named(tiny, tmp_path, change, sentence):
    path = tmp_path / "other.pth"
    torch.save(change(tiny.state_dict()), path)

    with pytest.raises(UserError, match=sentence):
        load_model(path, "cpu")


def test_half_precision_safetensors(tiny, tmp_path):
    path = tmp_path / "half.safetensors"
    save_file({key: value.half() for key, value in tiny.state_dict().items()}, path)

    model = load_model(path, "cpu")

    for ours, theirs in zip(model.network.parameters(), tiny.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.half().float(), rtol=0, atol=0)


def test_loaded_weights_do_not_depend_on_the_file(tiny, tmp_path):
    path = tmp_path / "here.safetensors"
    save_file(tiny.state_dict(), path)
    model = load_model(path, "cpu")

    path.write_bytes(bytes(path.stat().st_size))

    assert_same_network(model, tiny)


def test_code_in_a_file_is_not_run(tmp_path):
    target = tmp_path / "touched"
    path = tmp_path / "evil.pth"
    torch.save({"model_state": {"sam.image_encoder.pos_embed": torch.ones(1)}, "other": RunsCode(target)}, path)

    with pytest.raises(UserError):
        load_model(path, "cpu")

    assert not target.exists()
    torch.load(path, weights_only=False)
    assert target.exists(), "the file would have run its code elsewhere"


BESIDE = {
    "an own class": SettingsOfTraining(),
    "arguments": Namespace(rate=1e-4),
    "a numpy number": np.float64(0.5),
    "a path": PurePosixPath("/data"),
    "a function": zlib.crc32,
}


@pytest.mark.parametrize("new", [True, False], ids=["archive", "before torch 1.6"])
@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_weights_beside_what_is_unknown_are_read_where_torch_refuses_the_file(tiny, tmp_path, beside, new):
    path = tmp_path / "fine_tuned.pth"
    state = {f"sam.{key}": value for key, value in tiny.state_dict().items()}
    torch.save({"model_state": state, "settings": beside}, path, _use_new_zipfile_serialization=new)

    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(path, weights_only=True)

    assert_same_network(load_model(path, "cpu"), tiny)


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "downloads"))
    return tmp_path / "downloads"


def test_name_that_is_not_downloaded_says_how_to_get_it(downloads):
    with pytest.raises(UserError, match="run `napari-sam models download vit_b`"):
        load_model("vit_b", "cpu")


@pytest.mark.parametrize("algorithm", ["sha256", "xxh128"])
def test_downloaded_model_is_loaded_by_name(tiny, downloads, monkeypatch, algorithm):
    downloads.mkdir()
    path = downloads / "tiny.pth"
    torch.save(tiny.state_dict(), path)
    spec = replace(REGISTRY["vit_b"], name="tiny", file_name=path.name, known_hash=file_hash(path, algorithm))
    monkeypatch.setattr("napari_sam.models.load.REGISTRY", {"tiny": spec})

    model = load_model("tiny", "cpu")

    assert_same_network(model, tiny)
    assert model.spec == spec
    assert model.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_downloaded_file_of_another_hash_is_not_even_opened(downloads):
    downloads.mkdir()
    (downloads / REGISTRY["vit_b"].file_name).write_bytes(b"something else")

    with pytest.raises(UserError, match=r"not vit_b as it was published.*models download vit_b"):
        load_model("vit_b", "cpu")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match="no model and no file cellpose; choose one of nano, vit_t"):
        load_model("cellpose", "cpu")


def test_unknown_device():
    with pytest.raises(UserError, match="device abacus cannot be used"):
        load_model("nano", "abacus")


def unfinished(path):
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        ("pth", lambda path, state: path.write_bytes(b"not weights at all")),
        ("pth", lambda path, state: path.write_bytes(b"")),
        ("safetensors", lambda path, state: path.write_bytes(b"not weights at all")),
        ("safetensors", lambda path, state: save_file({"a": torch.ones(1)}, path)),
        ("pth", lambda path, state: path.write_bytes(pickle.dumps({"a": 1}, protocol=2))),
        ("pth", lambda path, state: torch.save([1, 2], path)),
        ("pth", lambda path, state: torch.save({"model_state": 3}, path)),
        ("pth", lambda path, state: torch.save({"unrelated": torch.ones(2)}, path)),
        ("pth", lambda path, state: torch.save({"image_encoder.layers.0.weight": torch.ones(2)}, path)),
        ("pth", lambda path, state: torch.save(dict(list(state.items())[:-1]), path)),
        ("pth", lambda path, state: torch.save(dict(list(state.items())[:20]), path)),
        ("pth", lambda path, state: torch.save(state | {"image_encoder.pos_embed": torch.ones(1, 3, 3, 16)}, path)),
        ("pth", lambda path, state: (torch.save(state, path), unfinished(path))),
        ("safetensors", lambda path, state: (save_file(state, path), unfinished(path))),
    ],
)
def test_files_that_cannot_be_used_give_one_sentence(tiny, tmp_path, suffix, write):
    path = tmp_path / f"broken.{suffix}"
    write(path, tiny.state_dict())

    with pytest.raises(UserError, match=r"broken\.\w+ .*\.$") as caught:
        load_model(path, "cpu")
    assert "\n" not in str(caught.value)

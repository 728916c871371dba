"""What `benchmarks.speed` compares: the published implementations and ours, on the same random weights and inputs."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import napari_sam
from benchmarks.published_mobile_sam import published_mobile_sam
from benchmarks.published_predictor import published_modeling, published_predictor
from benchmarks.published_transformers import transformers_installed, transformers_sam, with_transformers_names
from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.nn.network import ImageFeatures
from napari_sam.nn.sam import VIT_B, VIT_T
from napari_sam.planes.geometry import Plane
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.reference_frame import ReferencePredictor

Contender = Callable[[], object]
POINTS = 64
IMAGES = 4


class Bench:
    """The models on one device, made when first asked for: a memory measurement must hold no other than its own."""

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        self.weights = weights
        self.device = device
        self.pixels = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
        self.image = torch.from_numpy(self.pixels).permute(2, 0, 1)[None].float().to(device) / 255
        self.made: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def model(self, precision: str = "float32") -> Model:
        return self.once(precision, lambda: load_model(self.weights, self.device, precision))

    def nano(self, precision: str = "float32") -> Model:
        return self.once(f"nano {precision}", lambda: load_model("nano", self.device, precision))

    def published(self) -> Any:
        return self.once("published", lambda: read_published(self.weights).to(self.device))

    def embedding(self) -> torch.Tensor:
        return torch.randn(1, 256, 64, 64, generator=torch.Generator().manual_seed(1)).to(self.device)


def new_published() -> Any:
    """The publishers' ViT-B."""
    parts = published_modeling()
    encoder = parts.ImageEncoderViT(
        1024,
        16,
        embed_dim=768,
        depth=12,
        num_heads=12,
        out_chans=256,
        use_rel_pos=True,
        window_size=14,
        global_attn_indexes=(2, 5, 8, 11),
        norm_layer=lambda dim: torch.nn.LayerNorm(dim, eps=1e-6),
    )
    decoder = parts.MaskDecoder(transformer_dim=256, transformer=parts.TwoWayTransformer(2, 256, 8, 2048))
    return parts.Sam(encoder, parts.PromptEncoder(256, (64, 64), (1024, 1024), 16), decoder)


def write_weights(path: Path) -> None:
    """Random weights, positions too, which start as zeros."""
    torch.manual_seed(0)
    state = new_published().state_dict()
    for name, tensor in state.items():
        if "rel_pos" in name or "pos_embed" in name:
            tensor.normal_(0, 0.02)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def read_published(path: Path) -> Any:
    """The publishers' network with the weights of a file."""
    with torch.device("meta"):
        network = new_published()
    network.load_state_dict(load_file(path), assign=True)
    # Not in the file.
    network.pixel_mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    network.pixel_std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    return network.eval().requires_grad_(False)


def encode(bench: Bench) -> dict[str, Callable[[], Contender]]:
    def published() -> Contender:
        network = bench.published()
        return lambda: network.image_encoder(network.preprocess(255 * bench.image))

    def published_in_bfloat16() -> Contender:
        compute = published()

        def encoded() -> object:
            # How its users do it: it has no way of its own.
            with torch.autocast(bench.device, torch.bfloat16):
                return compute()

        return encoded

    def ours(model: Model) -> Contender:
        return lambda: model.network.encode(bench.image)

    def transformers() -> Contender:
        with torch.device("meta"):
            network = transformers_sam(VIT_B)
        network.load_state_dict(with_transformers_names(load_file(bench.weights)), assign=True)
        network.to(bench.device)
        return lambda: network.vision_encoder(bench.image)

    contenders = {
        "segment-anything": published,
        "ours": lambda: ours(bench.model()),
        "ours bfloat16": lambda: ours(bench.model("bfloat16")),
        "nano": lambda: ours(bench.nano()),
        "nano bfloat16": lambda: ours(bench.nano("bfloat16")),
    }
    if bench.device != "cpu":
        # Where most processors are slower in it than in float32, no one does it.
        contenders["segment-anything bfloat16"] = published_in_bfloat16
    if not transformers_installed():
        print("transformers is not installed: left out", file=sys.stderr)
        return contenders
    return contenders | {"transformers": transformers}


def tiny(bench: Bench) -> dict[str, Callable[[], Contender]]:
    """MobileSAM's encoder."""

    def published() -> Contender:
        network = new_mobile_sam().to(bench.device)
        return lambda: network.image_encoder(network.preprocess(255 * bench.image))

    def ours(precision: str) -> Contender:
        network = load_tiny(bench.device, precision).network
        return lambda: network.encode(bench.image)

    return {
        "MobileSAM": published,
        "ours": lambda: ours("float32"),
        "ours bfloat16": lambda: ours("bfloat16"),
    }


def new_mobile_sam() -> Any:
    """The publishers' MobileSAM with random weights, the same whenever it is made."""
    torch.manual_seed(0)
    return published_mobile_sam(VIT_T).eval().requires_grad_(False)


def load_tiny(device: str, precision: str = "float32") -> Model:
    """Our TinyViT with the weights of `new_mobile_sam`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vit_t_random.safetensors"
        state = new_mobile_sam().state_dict()
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
        return load_model(path, device, precision)


def together(bench: Bench) -> dict[str, Callable[[], Contender]]:
    """Several images at once, and one after the other."""

    def contender(model: Model, side: int, at_once: int) -> Contender:
        images = bench.image[..., :side, :side].repeat(IMAGES, 1, 1, 1)
        return lambda: [model.network.encode(some) for some in images.split(at_once)]

    models: dict[str, tuple[Callable[[], Model], int]] = {
        "nano 256": (bench.nano, 256),
        "nano 512": (bench.nano, 512),
        "nano 1024": (bench.nano, 1024),
        "TinyViT 1024": (lambda: bench.once("tiny", lambda: load_tiny(bench.device)), 1024),
    }
    return {
        f"{name} {words}": lambda model=model, side=side, at_once=at_once: contender(model(), side, at_once)
        for name, (model, side) in models.items()
        for words, at_once in (("one by one", 1), ("together", IMAGES))
    }


def click(bench: Bench) -> dict[str, Callable[[], Contender]]:
    first = np.array([[400.0, 300.0]])
    both = np.array([[400.0, 300.0], [700.0, 650.0]])
    logits = np.random.default_rng(2).normal(0, 5, (1, 256, 256)).astype(np.float32)

    def published() -> Any:
        predictor = published_predictor(bench.published())
        predictor.original_size = predictor.input_size = (1024, 1024)
        predictor.features, predictor.is_image_set = bench.embedding(), True
        return predictor

    def ours() -> ReferencePredictor:
        return ReferencePredictor(bench.model(), bench.pixels, features=ImageFeatures(bench.embedding()))

    def published_first() -> Contender:
        predictor = published()
        return lambda: predictor.predict(first, np.array([1]))

    def ours_first() -> Contender:
        predictor = ours()
        return lambda: predictor.predict(first, [1])

    def published_correction() -> Contender:
        predictor = published()
        return lambda: predictor.predict(both, np.array([1, 0]), None, logits, False)

    def ours_correction() -> Contender:
        predictor = ours()
        return lambda: predictor.predict(both, [1, 0], None, logits, False)

    def nano() -> Contender:
        network = bench.nano().network
        with torch.inference_mode():
            features = network.encode(bench.image[..., :256, :256])
        point = torch.tensor([[[120.0, 130.0]]], device=bench.device)
        label = torch.ones(1, 1, dtype=torch.int64, device=bench.device)
        return lambda: network.decode(features, point, label, None, True)

    return {
        "segment-anything first": published_first,
        "ours first": ours_first,
        "segment-anything correction": published_correction,
        "ours correction": ours_correction,
        "nano first": nano,
    }


def batch(bench: Bench) -> dict[str, Callable[[], Contender]]:
    points = (1024 * torch.rand(POINTS, 1, 2, generator=torch.Generator().manual_seed(3))).to(bench.device)
    labels = torch.ones(POINTS, 1, dtype=torch.int64, device=bench.device)

    def published() -> Contender:
        network, embedding = bench.published(), bench.embedding()

        def decode() -> object:
            sparse, dense = network.prompt_encoder((points, labels), None, None)
            return network.mask_decoder(embedding, network.prompt_encoder.get_dense_pe(), sparse, dense, True)

        return decode

    def ours() -> Contender:
        network, features = bench.model().network, ImageFeatures(bench.embedding())
        return lambda: network.decode(features, points, labels, None, True)

    def nano() -> Contender:
        network = bench.nano().network
        with torch.inference_mode():
            features = network.encode(bench.image[..., :256, :256])
        return lambda: network.decode(features, points / 4, labels, None, True)

    return {"segment-anything": published, "ours": ours, "nano": nano}


def plane(bench: Bench) -> dict[str, Callable[[], Contender]]:
    def published() -> Contender:
        predictor = published_predictor(bench.published())

        def cold() -> object:
            predictor.set_image(bench.pixels)
            return predictor.predict(np.array([[400.0, 300.0]]), np.array([1]))

        return cold

    def nano() -> Contender:
        stack = napari_sam.open_stack(bench.pixels[..., 0], model=bench.nano())

        def cold() -> object:
            stack.embedder.forget()
            return stack.segment(Plane((0, 1), (0, 0)), Prompts((Point(300.0, 400.0, positive=True),)))

        return cold

    return {"segment-anything": published, "nano": nano}


GROUPS: Mapping[str, Callable[[Bench], dict[str, Callable[[], Contender]]]] = {
    "encode": encode,
    "tiny": tiny,
    "together": together,
    "click": click,
    "batch": batch,
    "plane": plane,
}

"""Every setting of a training run, typed, read from one TOML file and stored in each checkpoint."""

import dataclasses
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes in which versions differ."""

    blocks: list[int] = field(default_factory=lambda: [1, 2, 3, 3, 2])
    """Residual blocks of the encoder's stages."""
    mixing: int = 0
    """Hidden channels of the decoder's local mixing; 0 for none."""


@dataclass(frozen=True)
class DataConfig:
    """Which images are drawn, and how often."""

    sets: dict[str, float] = field(default_factory=dict)
    """Folder name of each real set -> its relative weight."""
    validation_fraction: float = 0.08
    """Share of every set held out (images by the hash of their name; of stacks, the last planes)."""
    held_out: dict[str, float] = field(default_factory=dict)
    """Set -> its own share instead, for sets of so few images that the common one would hold out next to nothing."""
    partial: list[str] = field(default_factory=list)
    """Sets in which not every object is labelled: what has no label says nothing there, instead of "no object"."""
    isotropic: list[str] = field(default_factory=list)
    """Stacks as finely sampled along z as in the plane: trained on in all three views."""
    synthetic_share: float = 0.3
    """Share of windows cut from generated images."""
    synthetic_images: int = 24
    """Images generated per kind before the run starts; those a worker keeps if they are replaced all the time."""
    synthetic_refresh: float = 0.0
    """How often drawing a generated image makes a new one instead; above 0 each worker keeps its own images."""
    synthetic_side: int = 384
    synthetic_kinds: dict[str, float] = field(default_factory=dict)
    """Kind of generated image -> its relative weight."""


@dataclass(frozen=True)
class WindowConfig:
    """Geometry of the pieces that are encoded and of the windows in which prompts are decoded."""

    side: int = 256
    """Side of the window in which the product decodes prompts, pixels."""
    sides: dict[str, float] = field(default_factory=lambda: {"256": 1.0})
    """Side of the windows in which a step decodes prompts -> how often. Smaller ones are cheaper."""
    layouts: dict[str, float] = field(default_factory=lambda: {"4x256": 1.0})
    """"{images}x{side}" of what one step encodes -> how often."""
    windows: int = 4
    """Decoded windows a step; what more there is of images is trained on the auxiliary maps alone. 0 pretrains the
    encoder: nothing is decoded."""
    diameters: list[list[float]] = field(default_factory=lambda: [[1.0, 14.0, 110.0]])
    """[weight, smallest, largest] of log-uniform ranges of the object diameter in the window, pixels."""
    zoom: list[float] = field(default_factory=lambda: [0.15, 5.0])
    """Smallest and largest factor by which an image is rescaled to reach that diameter."""
    mirrored: float = 0.4
    """How much of a piece may lie beyond a small image, of the image's shorter side."""
    anisotropy: float = 0.1
    """Standard deviation of the logarithm of the ratio of the two axes' scales."""
    warped: float = 0.0
    """Share of pieces that are warped smoothly."""
    warp: float = 0.12
    """Largest standard deviation of the shifts of such a warp, in distances between the points that are shifted."""
    smallest_object: int = 40
    """Pixels an object must show in the window to be prompted."""


@dataclass(frozen=True)
class ContrastConfig:
    """How intensities reach 0..1, and how they are disturbed."""

    image_limits: float = 0.65
    """Share of windows scaled by the limits of their whole image or stack, as the product does; the rest by
    their own limits, or unstretched if they are 8-bit."""
    unstretched: float = 0.1
    invert: float = 0.2
    gamma: float = 0.35
    """Standard deviation of the logarithm of the exponent."""
    gain: float = 0.2
    """Standard deviation of the logarithm of the gain."""
    dim: float = 0.12
    """Share of windows with a gain of .1 to .5."""
    blur: float = 0.25
    noise: float = 0.4
    shading: float = 0.2
    filtered: float = 0.0
    """Share of windows that a random filter makes look like another modality."""
    grey: float = 0.3
    """Share of colour images turned grey."""
    tint: float = 0.08
    """Share of grey images that are given colours."""


@dataclass(frozen=True)
class PromptConfig:
    """First prompts, and the corrective clicks that follow."""

    per_window: int = 8
    kinds: int = 4
    """Kinds of first prompts a step; windows take them by turns."""
    cut_objects: float = 0.3
    """Weight of objects that the window's edge cuts; the product centres its windows on what is prompted."""
    point: float = 0.5
    box: float = 0.2
    box_and_point: float = 0.05
    scribble: float = 0.05
    mask: float = 0.2
    """Relative shares of the first prompts."""
    missing: float = 0.06
    """Share of mask prompts that lie where there is no object."""
    whole: float = 0.0
    """Share of boxes that are drawn around all pieces of a label instead of one."""
    box_jitter: float = 0.08
    """Standard deviation of a corner, of the box's side."""
    rounds: int = 3
    """Rounds a step, the first included."""
    keep: float = 0.5
    """Share of the prompts that stay for the next round."""


@dataclass(frozen=True)
class LossConfig:
    focal: float = 20.0
    dice: float = 1.0
    cross_entropy: float = 2.0
    other_mode: float = 0.2
    """Weight of the single mask where three candidates are trained, and the other way round."""
    iou: float = 4.0
    """Weight of the squared error of the predicted IoUs."""
    regret: float = 2.0
    """Weight of the IoU that is lost by choosing among the candidates by their predicted IoU."""
    temperature: float = 0.05
    """Of the softmax that stands for that choice, in units of IoU."""
    other_candidates: float = 0.05
    """Weight of the mask loss of the candidates that are not the best."""
    shown_candidate: float = 0.0
    """Share of the candidate with the highest predicted IoU in the mask loss of the best one."""
    blend: float = 0.0
    """Share of the blended candidates, which are shown, in the mask loss of the best one."""
    maps: float = 1.0
    centre_maps: float = 8.0
    """Weight of the squared errors of centre and boundary maps against the foreground's cross-entropy."""
    later_round: float = 0.7
    """Weight of the prompts of every round after the first."""
    hurt: float = 0.0
    """Weight of what a corrective click lost: how much larger the dice loss is than that of the mask it corrects."""
    empty: float = 0.3
    """Weight of the mask loss where there is no object."""


@dataclass(frozen=True)
class OptimizerConfig:
    learning_rate: float = 6e-4
    """Of AdamW."""
    muon: bool = False
    """Whether hidden matrices and kernels are moved by Muon instead of AdamW."""
    muon_rate: float = 1e-3
    muon_weight_decay: float = 0.02
    final_learning_rate: float = 0.02
    """Share of the learning rates at the end of the cosine."""
    warm_up_steps: int = 100
    weight_decay: float = 0.02
    betas: list[float] = field(default_factory=lambda: [0.9, 0.98])
    clip: float = 1.0
    ema: float = 0.999
    slower: dict[str, float] = field(default_factory=dict)
    """Module of the network, by name -> the share of the learning rates that its parameters get."""
    frozen: list[str] = field(default_factory=list)
    """Modules of the network, by name, whose parameters stay as they are."""
    freeze_batch_norm: float = 0.6
    """Progress of the run from which batch norms use, and keep, their running statistics."""


@dataclass(frozen=True)
class RunConfig:
    minutes: float = 0.0
    """Length of the schedule in minutes of training (pauses not counted); 0: only `steps` counts."""
    steps: int = 0
    """Length of the schedule in steps; 0: only `minutes` counts."""
    checkpoint_minutes: float = 4.0
    validate_minutes: float = 12.0
    validation_objects: int = 96
    log_steps: int = 50
    threads: int = 2
    workers: int = 1
    seed: int = 0


@dataclass(frozen=True)
class ReleaseConfig:
    """The rule by which a run's weights are released, written down before it; `judge.py` follows it.

    A set's score is the mean of one click, three clicks and a box on the objects held out.
    """

    known: list[str] = field(default_factory=list)
    """Sets that may not lose, because the version before was trained on them as well."""
    gain: float = 0.01
    """What the mean over all sets must gain."""
    loss: float = 0.005
    """What the mean over the known sets may lose."""
    objects: int = 96
    """Objects of each set that are scored, at least, if it is not empty."""
    generated: list[str] = field(default_factory=list)
    """Kinds of generated images that are scored as well, by themselves, on images that no run sees."""
    generated_gain: float = 0.0
    """What the mean over these kinds must gain."""


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    window: WindowConfig = field(default_factory=WindowConfig)
    contrast: ContrastConfig = field(default_factory=ContrastConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    run: RunConfig = field(default_factory=RunConfig)
    release: ReleaseConfig = field(default_factory=ReleaseConfig)


def read_config(path: Path) -> Config:
    """Read a TOML file; settings it leaves out keep their defaults.

    Raises
    ------
    ValueError
        For a setting that does not exist.
    """
    return config_from_dict(tomllib.loads(path.read_text()))


def config_from_dict(settings: dict[str, Any]) -> Config:
    """The inverse of `dataclasses.asdict`."""
    sections = typing.get_type_hints(Config)
    unknown = settings.keys() - sections.keys()
    if unknown:
        raise ValueError(f"Unknown section of the configuration: {', '.join(sorted(unknown))}.")
    built = {}
    for name, values in settings.items():
        known = {setting.name for setting in dataclasses.fields(sections[name])}
        if values.keys() - known:
            raise ValueError(f"Unknown setting in [{name}]: {', '.join(sorted(values.keys() - known))}.")
        built[name] = sections[name](**values)
    return Config(**built)

"""The options of the inference scripts, defined once as dataclass fields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional

from work.configs.flags import Options, check_choices, option, require
from work.configs.resize_factors import parse_factors
from work.configs.target_age import Target, targets

LIFESPAN = "0,10,20,30,40,50,60,70,80,90,100"
METHODS = ("group-gan", "fa-gan", "f-gan")
BLENDS = ("composite", "generator")
MODELS = ("auto", "embedded", "direct")
STEPS = {"draft": 0, "good": 56, "best": 112}  # the embedded model's gradient steps per face
FROM_WEIGHTS = "as the checkpoint says"


@dataclass
class RunOptions(Options):
    """What every script knows."""

    device: str = option("auto", "where to compute: auto, cpu, gpu, gpu:1, ...")
    seed: int = option(0, "seed of all random draws")

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**32, "--seed lies between 0 and 4294967295")


@dataclass
class ModelOptions(Options):
    """The shape of the network. None stands for the checkpoint's saved option, or else what its weights show."""

    output_size: Optional[int] = option(
        None, "pixels of the generated face", shown=FROM_WEIGHTS, expert=True
    )
    input_nc: Optional[int] = option(
        None, "input channels: 4 for SAM, 3 for pSp", shown=FROM_WEIGHTS, expert=True
    )
    start_from_latent_avg: Optional[bool] = option(
        None, "codes are offsets from the mean latent (pSp)", shown=FROM_WEIGHTS, expert=True
    )
    start_from_encoded_w_plus: Optional[bool] = option(
        None,
        "codes are offsets from those of the frozen pSp encoder (SAM)",
        shown=FROM_WEIGHTS,
        expert=True,
    )
    learn_in_w: Optional[bool] = option(
        None, "one style for all layers (pSp)", shown=FROM_WEIGHTS, expert=True
    )


@dataclass
class ModelChoice(ModelOptions, RunOptions):
    """Which ageing model, and how it is run."""

    checkpoint_path: Optional[str] = option(
        None,
        "weights of SAM or pSp: .pdparams, or an official .pt, which is converted as it is read; "
        "or the folder of a run of train_cyclegan.py or train_reaging.py",
        shown="the package's own models, whose parts are fetched through pip once",
    )
    model: str = option(
        "auto",
        "direct: one pass, ages from 15 on; embedded: by a generator, all ages; auto: embedded for children alone",
        shown="auto, or what --checkpoint_path holds",
        choices=MODELS,
    )
    strength: float = option(1.0, "direct model: factor on the change, 0 to 1.5")
    method: Optional[str] = option(
        None,
        "a baseline instead: networks of train_cyclegan.py; without --checkpoint_path, the "
        "package's small ones",
        shown="none; for the folder of such a run, f-gan if it has the networks, else what it has",
        choices=METHODS,
    )
    blend: Optional[str] = option(
        None,
        "composite keeps detail of the photo, generator shows the generator's face",
        shown="composite for the embedded model, generator for SAM, as in the official code",
        choices=BLENDS,
    )
    quality: str = option(
        "good",
        "embedded model: draft takes a few seconds per face, best keeps more likeness in twice the time of good",
        choices=tuple(STEPS),
    )
    refine: Optional[int] = option(
        None,
        "embedded model: gradient steps per face, instead of --quality",
        shown=", ".join(f"{steps} for {name}" for name, steps in STEPS.items()),
        expert=True,
    )
    engine: str = option(
        "auto",
        "what computes: paddle, or on a CPU openvino or paddle-inference (faster; checked against Paddle once)",
        choices=("auto", "paddle", "openvino", "paddle-inference"),
        expert=True,
    )
    precision: str = option(
        "fp32",
        "bf16 is faster on CPUs with AMX and on GPUs; pictures differ slightly",
        choices=("fp32", "bf16"),
        expert=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.quality in STEPS,
            f"--quality {self.quality}: one of {', '.join(STEPS)} (of JPEG files: --jpeg_quality)",
        )
        check_choices(self)
        require(self.refine is None or self.refine >= 0, "--refine is at least 0")
        require(0 <= self.strength <= 1.5, "--strength lies between 0 and 1.5")
        other = "--method" if self.method else "--checkpoint_path" if self.checkpoint_path else ""
        clash = self.method if self.model == "direct" else self.model == "embedded" and other
        require(not clash, f"--model {self.model} does not go with {other}")

    @property
    def steps(self) -> int:
        """The embedded model's gradient steps per face."""
        return STEPS[self.quality] if self.refine is None else self.refine


@dataclass
class TestOptions(ModelChoice):
    """Options of the inference scripts, by their official names."""

    __test__ = False  # the official name starts like a test case; pytest must not collect it

    exp_dir: str = option("exp/test", "folder for the results")
    data_path: str = option("gt_images", "an image of an aligned face, or a folder of them")
    couple_outputs: bool = option(False, "save each input beside its output")
    resize_outputs: bool = option(False, "save faces of 256 instead of 1024 pixels")
    test_batch_size: int = option(2, "faces computed at once")
    test_workers: int = option(2, "threads that read images", expert=True)
    resize_factors: Optional[str] = option(
        None,
        "super-resolution by a pSp: shrink each input by this factor, then enlarge it to 256 pixels again",
        shown="inputs as they are",
        expert=True,
    )
    skip_no_face: bool = option(False, "leave out pictures in which no face is found")
    n_images: Optional[int] = option(None, "stop after this many images", shown="all")
    n_outputs_to_generate: int = option(5, "style mixing: random styles for each image")
    mix_alpha: Optional[float] = option(
        None, "style mixing: weight of the injected style, 0 to 1", shown="1"
    )
    latent_mask: Optional[str] = option(
        None, "style mixing: layers to inject into, e.g. 8,9,10", shown="none; mixing needs some"
    )
    target_age: str = option(
        LIFESPAN,
        "target ages in years, 0 to 100, separated by commas; +20: relative to the estimated age",
    )
    ref_images_paths_file: str = option(
        "./ref_images.txt", "a text file with the path of one reference image per line"
    )

    def __post_init__(self) -> None:
        require(self.test_batch_size >= 1, "--test_batch_size is at least 1")
        require(self.test_workers >= 0, "--test_workers is at least 0")
        super().__post_init__()
        require(self.n_images is None or self.n_images >= 1, "--n_images is at least 1")
        require(self.n_outputs_to_generate >= 1, "--n_outputs_to_generate is at least 1")
        require(
            self.mix_alpha is None or 0 <= self.mix_alpha <= 1, "--mix_alpha lies between 0 and 1"
        )
        self.ages  # noqa: B018  (the properties check what they parse)
        self.mask  # noqa: B018
        self.resize_factor  # noqa: B018

    @property
    def ages(self) -> list[Target]:
        """The target ages; the output folders are named by their texts."""
        return targets(self.target_age)

    @property
    def resize_factor(self) -> int | None:
        """The one factor of `resize_factors`."""
        if self.resize_factors is None:
            return None
        factors = parse_factors(self.resize_factors)
        require(
            len(factors) == 1,
            f"--resize_factors {self.resize_factors}: one factor at a time, e.g. 8",
        )
        return factors[0]

    @property
    def mask(self) -> list[int] | None:
        """The layers of `latent_mask`."""
        if self.latent_mask is None:
            return None
        layers = [layer.strip() for layer in self.latent_mask.split(",") if layer.strip()]
        require(
            bool(layers) and all(map(str.isdecimal, layers)),
            f"--latent_mask {self.latent_mask}: e.g. 8,9,10",
        )
        return [int(layer) for layer in layers]


def check_smallest(pixels: float) -> None:
    """Raise UserError unless faces so wide can be looked for: a photo is enlarged until they fill a window of 12 px."""
    require(8 <= pixels < math.inf, f"--smallest {pixels:g}: at least 8 pixels")

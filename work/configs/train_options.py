"""The options of training SAM and pSp, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from work.configs.flags import flags, require
from work.configs.loop_options import LoopFlags
from work.configs.paths_config import dataset_paths
from work.configs.resize_factors import parse_factors
from work.configs.train_flags import (
    INTO_W,
    INTO_W_PLUS,
    LIGHT,
    MOBILE,
    RECIPES,
    SUPER_RESOLUTION,
    EncoderFlags,
    LossFlags,
    ModelFlags,
)


@dataclass
class TrainOptions(EncoderFlags, LoopFlags, LossFlags, ModelFlags):
    """All options of train.py, checked, with the recipe's defaults filled in."""

    def __post_init__(self) -> None:
        for name, value in RECIPES[self.dataset_type].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        self.learn_in_w = self.learn_in_w or self.encoder_type == INTO_W
        require(self.code_cache >= 0, "--code_cache is at least 0")
        super().__post_init__()

    def check(self) -> None:
        """See LoopFlags."""
        _check_model(self)

    @property
    def mobile(self) -> bool:
        """Whether the generator is the embedded model's."""
        return self.stylegan_weights == MOBILE

    @property
    def renders(self) -> int:
        """How many faces of a batch are generated."""
        return round(self.renders_share * self.batch_size)

    @property
    def ages(self) -> bool:
        """Whether the recipe is SAM's."""
        return self.dataset_type == "ffhq_aging"

    def root(self, flag: str) -> Path:
        """The folder of `train_root` or `test_root`: the flag's, or else the machine's."""
        name = "ffhq" if flag == "train_root" else "celeba_test"
        chosen = getattr(self, flag) or dataset_paths[name]
        require(
            bool(chosen),
            f"no folder of faces: type --{flag}, set SAM_{flag.upper()}, or fill in "
            f'dataset_paths["{name}"] in work/configs/paths_config.py',
        )
        return Path(chosen)


def _check_renders(options: TrainOptions) -> None:
    share, size = options.renders_share, options.batch_size
    require(0 <= share < 1, "--renders_share lies between 0 and 1")
    require(
        options.renders > 0 or share == 0,
        f"--renders_share {share}: of a batch of {size} that is no face",
    )
    require(
        options.renders < options.batch_size,
        f"--renders_share {share}: a batch of {size} needs a face of the folder too",
    )
    require(
        not options.renders or options.dataset_type in ("ffhq_aging", "ffhq_encode"),
        "--renders_share is for --dataset_type=ffhq_aging and ffhq_encode",
    )
    starts = options.start_from_latent_avg or options.start_from_encoded_w_plus
    require(
        not options.renders or starts,
        "--renders_share needs --start_from_latent_avg or --start_from_encoded_w_plus",
    )
    require(
        options.code_lambda == 0 or (options.renders > 0 and not options.ages),
        "--code_lambda is for --dataset_type=ffhq_encode with --renders_share: SAM changes the codes",
    )
    if options.mobile:
        require(options.output_size == 1024, f"--stylegan_weights={MOBILE} draws 1024 px")
        require(not options.train_decoder, f"--train_decoder is not for {MOBILE}")
        require(not options.checkpoint_decoder, f"--checkpoint_decoder is not for {MOBILE}")


def _check_model(options: TrainOptions) -> None:
    require(options.label_nc == 0, "--label_nc: only 0 (RGB faces) is supported")
    require(
        options.moco_lambda == 0,
        "--moco_lambda: MoCo's loss is for pictures without faces; use --id_lambda for faces",
    )
    require(
        not options.use_wandb,
        "--use_wandb: not supported; logs/scalars.jsonl holds every number, VisualDL shows it if installed",
    )
    if options.resize_factors is not None:
        require(
            options.dataset_type == SUPER_RESOLUTION,
            f"--resize_factors needs --dataset_type={SUPER_RESOLUTION}",
        )
        parse_factors(options.resize_factors)
    require(
        not (options.learn_in_w and options.encoder_type in (INTO_W_PLUS, LIGHT)),
        f"--learn_in_w and --encoder_type={options.encoder_type} exclude each other",
    )
    require(
        options.amp != "O2" or options.optim_name == "ranger", "--amp O2 needs --optim_name=ranger"
    )
    require(
        not (options.start_from_latent_avg and options.start_from_encoded_w_plus),
        "--start_from_latent_avg and --start_from_encoded_w_plus exclude each other",
    )
    _check_renders(options)
    size = options.output_size
    require(size >= 8 and not size & (size - 1), f"--output_size {size}: 8, 16, ..., 1024")
    channels = RECIPES[options.dataset_type]["input_nc"]
    require(
        options.input_nc == channels,
        f"--input_nc {options.input_nc}: --dataset_type={options.dataset_type} needs {channels}",
    )
    for f in flags(LossFlags):
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

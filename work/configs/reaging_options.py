"""Options of training the direct re-ageing network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional

from work.configs.flags import option, require
from work.configs.loop_options import LoopFlags

LAMBDAS = ("l1", "lpips", "gan", "id", "age", "cycle")


@dataclass
class ReagingOptions(LoopFlags):
    """Flags of train_reaging.py."""

    script: ClassVar[str] = "train_reaging.py"

    photos_root: Optional[str] = option(
        None, "folder of aligned photos of people of known ages", shown="rendered people only"
    )
    ages_csv: Optional[str] = option(
        None, "file,age of the photos", shown="ages.csv in their folder, else their names"
    )
    photos_share: float = option(0.25, "share of photos in each batch, if there are any")
    whole_share: float = option(
        0.25, "share of the rendered faces that are shown whole; the others are crops"
    )
    test_every: int = option(
        9, "every so many photos, and without --test_root people, are kept aside for validation"
    )
    size: int = option(256, "pixels of a side in training; a crop is taken at the scale of 512")
    ndf: int = option(32, "channels of the discriminator's first layer")
    l1_lambda: float = option(1.0, "weight of the pixels: output against the wanted face")
    lpips_lambda: float = option(1.0, "weight of LPIPS: output against the wanted face")
    gan_lambda: float = option(0.05, "weight of the adversarial loss; 0 trains without it")
    id_lambda: float = option(0.1, "weight of the squared distance of identity embeddings")
    age_lambda: float = option(0.05, "weight of the estimated age's error, in decades")
    cycle_lambda: float = option(1.0, "weight of the cycle loss of photos, back to their own age")
    looks: int = option(2, "random crops and blurs at which a face's age is read", expert=True)
    clip: float = option(0.5, "largest norm of the network's gradient", expert=True)
    judge_rate: float = option(0.4, "learning rate of the discriminator, times --learning_rate")

    exp_dir: str = option("exp/reaging", "folder of the run")
    train_root: Optional[str] = option(
        None, "folder of rendered people, PERSON/AGE.jpg", shown="required"
    )
    test_root: Optional[str] = option(
        None, "the same of people kept aside", shown="some of --train_root"
    )
    batch_size: int = option(4, "faces per step on each device")
    test_batch_size: int = option(2, "whole faces of 512 px at once in validation")
    max_test_batches: Optional[int] = option(30, "validate on at most this many batches")
    learning_rate: float = option(
        0.0002, "of Adam; constant up to 70 % of the steps, then linearly to 0"
    )
    max_steps: int = option(40000, "optimizer steps")
    image_interval: int = option(500, "steps between panels of training faces", expert=True)
    workers: int = option(1, "threads that read training faces", expert=True)
    test_workers: int = option(1, "threads that read test faces", expert=True)
    ema: float = option(0.999, "decay of an average of the weights; 0: no average", expert=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        named = bool(self.train_root) or self.resume is not None
        require(named, "--train_root is needed: a folder of rendered people, PERSON/AGE.jpg")
        require(self.size >= 128 and self.size % 16 == 0, "--size is 128 or more, a multiple of 16")
        require(self.size <= 512, "--size is at most 512")
        for name in LAMBDAS:
            require(getattr(self, f"{name}_lambda") >= 0, f"--{name}_lambda is 0 or more")
        for name in ("photos_share", "whole_share"):
            require(0 <= getattr(self, name) <= 1, f"--{name} lies between 0 and 1")
        require(
            not (self.photos_root and self.photos_share) or self.photos > 0,
            f"--photos_share {self.photos_share}: of a batch of {self.batch_size} that is no photo",
        )
        require(self.test_every >= 2, "--test_every is at least 2")
        require(self.ndf >= 1 and self.looks >= 1, "--ndf and --looks are at least 1")
        require(self.clip > 0 and self.judge_rate > 0, "--clip and --judge_rate are above 0")
        require(self.amp != "O2", "--amp O2 is not for this network; O1 is")

    @property
    def photos(self) -> int:
        """How many faces of a batch are photos, if there are any."""
        return round(self.photos_share * self.batch_size)

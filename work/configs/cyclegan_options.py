"""Options of training Group-GAN, FA-GAN and F-GAN, and which runs one command consists of."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Optional

from work.configs.age_groups import AgeGroup, parse_groups
from work.configs.flags import option, require
from work.configs.loop_options import LoopFlags
from work.configs.options import METHODS
from work.installation import command

FA = "fa"  # the name of FA-GAN's run


@dataclass
class CycleGANOptions(LoopFlags):
    """Flags of train_cyclegan.py."""

    script: ClassVar[str] = "train_cyclegan.py"

    method: str = option(
        "f-gan",
        "group-gan: a CycleGAN for each pair of age groups; fa-gan: two networks that are told "
        "ages and years; f-gan: both",
        choices=METHODS,
    )
    groups: str = option(
        "coarse",
        "age groups, e.g. 00-20,20-40,60+; coarse is 00-20,20-40,40-60,60+ and "
        "fine 30-40,40-50,50-60,60-70",
    )
    pairs: Optional[str] = option(
        None, "pairs of groups to train, e.g. 20-40:60+,20-40:40-60", shown="all"
    )
    only: Optional[str] = option(
        None,
        "train only these of the method's runs, separated by commas, e.g. fa,20-40_60+",
        shown="all",
    )
    ages_csv: Optional[str] = option(
        None, "file,age of the training faces", shown="ages.csv there, else the names"
    )
    test_ages_csv: Optional[str] = option(None, "file,age of the test faces", shown="as above")
    oldest: float = option(85.0, "FA-GAN: largest age in years that it is asked for")
    crop: str = option(
        "utkface",
        "what the faces show: ffhq is the whole aligned face, utkface the tighter crop",
        choices=("utkface", "ffhq"),
    )
    size: int = option(256, "pixels of a side that the networks see")
    ngf: int = option(64, "channels of the generators at full size")
    ndf: int = option(64, "channels of the discriminators' first layer")
    blocks: Optional[int] = option(
        None, "residual blocks of a generator", shown="9 from 256 px, else 6"
    )
    residual: bool = option(
        False, "generators draw a change that is added to the face, not a whole new face"
    )
    upsample: str = option(
        "transposed",
        "how generators double the resolution: transposed is CycleGAN's convolution, resize draws "
        "no checkerboard",
        choices=("transposed", "resize"),
    )
    cycle_lambda: float = option(10.0, "weight of the cycle-consistency loss")
    cycle_interval: int = option(
        1, "steps between cycle passes, whose weight is multiplied by it: saves time"
    )
    identity_lambda: float = option(
        5.0, "Group-GAN: weight of the loss that keeps faces of the target group unchanged"
    )
    l1_lambda: float = option(1.0, "weight of L1 to the input, against inverted colours; 0: off")
    age_lambda: float = option(5.0, "FA-GAN: error of the estimated age, in decades")
    mismatch_lambda: float = option(
        1.0,
        "FA-GAN: weight of the discriminators' loss on sources that they are shown as faces of the "
        "wanted age, in proportion to the years",
    )
    age_net: str = option(
        "age_v1", "FA-GAN's age network: age_v1 is free, dex_vgg DEX", choices=("age_v1", "dex_vgg")
    )
    age_looks: int = option(
        2,
        "FA-GAN: random crops and blurs in which its age network sees an output, so that stripes "
        "do not please it; 0: the output as it is",
    )
    pool_size: int = option(50, "earlier outputs that a discriminator is also shown")
    warmup_steps: int = option(
        0, "first steps in which the generators only learn to give back their input"
    )
    keep_collapsed: bool = option(False, "train on when all outputs have become alike")

    exp_dir: str = option("exp/cyclegan", "folder of the runs, one folder in it for each")
    train_root: Optional[str] = option(
        None, "folder of training faces of known ages", shown="required, except to resume"
    )
    test_root: Optional[str] = option(
        None, "folder of test faces of known ages", shown="required, except to resume"
    )
    batch_size: int = option(1, "faces to age and faces to rejuvenate at once on each device")
    test_batch_size: int = option(8, "the same in validation")
    learning_rate: float = option(
        0.0002, "of Adam; constant for half of the steps, then linearly to 0"
    )
    judge_rate: float = option(1.0, "learning rate of the discriminators, times --learning_rate")
    max_steps: int = option(100000, "optimizer steps of each run")
    ema: float = option(0.999, "decay of an average of the generators' weights; 0: none")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("train_root", "test_root"):
            missing = f"--{name} is needed: a folder of faces of known ages"
            require(bool(getattr(self, name)) or self.resume is not None, missing)
        require(self.size >= 64 and self.size % 4 == 0, "--size is 64 or more, divisible by 4")
        for name in ("ngf", "ndf", "blocks"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"--{name} is at least 1")
        for name in ("cycle", "identity", "l1", "age", "mismatch"):
            require(getattr(self, f"{name}_lambda") >= 0, f"--{name}_lambda is 0 or more")
        require(self.cycle_interval >= 1, "--cycle_interval is at least 1")
        require(self.judge_rate > 0, "--judge_rate is above 0")
        for name in ("pool_size", "age_looks"):
            require(getattr(self, name) >= 0, f"--{name} is 0 or more")
        require(self.warmup_steps >= 0, "--warmup_steps is 0 or more")
        require(self.amp != "O2", "--amp O2 is not for these networks; O1 is")
        if self.resume is None:  # else what was saved decides
            self.runs()

    def age_groups(self) -> list[AgeGroup]:
        """The groups that `groups` names."""
        return parse_groups(self.groups)

    def runs(self) -> list[str]:
        """The names of the runs: "fa", and "20-40_60+" for a pair of groups.

        Raises:
            UserError: a pair or a run that there is not.
        """
        names = [FA] if self.method != "group-gan" else []
        if self.method != "fa-gan":
            names += [f"{young}_{old}" for young, old in self._pairs()]
        chosen = [name.strip() for name in self.only.split(",")] if self.only else names
        for name in chosen:
            require(name in names, f"--only {name}: the runs are {', '.join(names)}")
        return [name for name in names if name in chosen]

    def _pairs(self) -> list[tuple[str, str]]:
        names = [group.name for group in self.age_groups()]
        if self.pairs is None:
            return list(itertools.combinations(names, 2))
        found = []
        for text in self.pairs.split(","):
            young, _, old = text.strip().partition(":")
            known = young in names and old in names and names.index(young) < names.index(old)
            require(known, f"--pairs {text}: YOUNG:OLD of the groups {', '.join(names)}")
            found.append((young, old))
        return found

    def of_run(self, name: str) -> CycleGANOptions:
        """The options of one of the runs, in its own folder; resumed if it has begun."""
        folder = Path(self.exp_dir) / name
        begun = (folder / "checkpoints" / "last.pdopt").exists()
        resume = str(folder) if begun else None
        return dataclasses.replace(self, exp_dir=str(folder), only=name, resume=resume)

    def resume_command(self) -> str:
        """See LoopFlags; it resumes all runs, not only the one in this folder."""
        folder = Path(self.exp_dir)
        whole = folder.parent if self.only else folder
        return f"{command(Path(self.script).stem)} --resume {whole}"

"""The options that all training runs share, and resuming a run with the options it was started with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Optional, TypeVar

from work.configs.flags import option, require
from work.configs.options import RunOptions
from work.configs.saved_options import check_saved, with_saved
from work.errors import UserError
from work.installation import command

LEAST = {"batch_size": 1, "test_batch_size": 1, "grad_accum": 1, "max_steps": 1, "keep": 0}
LEAST.update(workers=0, test_workers=0, image_interval=1, board_interval=1, val_interval=1)
LEAST.update(save_interval=1, max_test_batches=1)


@dataclass
class LoopFlags(RunOptions):
    """Data, schedule and output of a run, whatever it trains."""

    script: ClassVar[str] = "train.py"

    exp_dir: str = option("exp/train", "folder of the run")
    train_root: Optional[str] = option(
        None, "folder of aligned training faces", shown="$SAM_TRAIN_ROOT, else paths_config.py"
    )
    test_root: Optional[str] = option(
        None, "folder of aligned test faces", shown="$SAM_TEST_ROOT, else paths_config.py"
    )
    batch_size: int = option(4, "training faces per batch on each device")
    test_batch_size: int = option(2, "test faces per batch on each device")
    workers: int = option(4, "threads that read training faces", expert=True)
    test_workers: int = option(2, "threads that read test faces", expert=True)
    learning_rate: float = option(0.0001, "learning rate of the optimizer")
    max_steps: int = option(500000, "optimizer steps")
    image_interval: int = option(100, "steps between panels of training faces", expert=True)
    board_interval: int = option(50, "steps between lines of the log", expert=True)
    val_interval: int = option(1000, "steps between validations (`last` is saved then too)")
    save_interval: Optional[int] = option(
        None, "steps between checkpoints iteration_N", shown="at the end only"
    )
    keep: int = option(0, "how many iteration_N to keep on disk; 0 keeps all")
    max_test_batches: Optional[int] = option(
        None, "validate on this many batches", shown="all", expert=True
    )
    amp: Optional[str] = option(
        None, "mixed precision; O1 with bfloat16 on CPUs too", shown="float32", choices=("O1", "O2")
    )
    amp_dtype: str = option(
        "float16", "type for --amp", choices=("float16", "bfloat16"), expert=True
    )
    grad_accum: int = option(1, "batches per optimizer step", expert=True)
    ema: float = option(
        0.0, "decay of an average of the weights, e.g. 0.999; 0: no average", expert=True
    )
    resume: Optional[str] = option(
        None, "continue the run in this folder with its own options", shown="a new run"
    )
    dry_run: bool = option(False, "print the resolved options and stop")
    checkpoint_path: Optional[str] = option(
        None, "start from all weights of this checkpoint", shown="a new network"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, smallest in LEAST.items():
            value = getattr(self, name)
            require(value is None or value >= smallest, f"--{name} is at least {smallest}")
        require(0 <= self.ema < 1, "--ema lies between 0 and 1, e.g. 0.999")
        require(self.learning_rate > 0, "--learning_rate is above 0")
        if self.resume is None:
            self.check()

    def check(self) -> None:
        """Check that the options fit together; in a resumed run, after `resolve` has added its saved ones.

        Raises:
            UserError: they do not; names the first.
        """

    def resume_command(self) -> str:
        """What a person types to resume a run that was stopped."""
        return f"{command(Path(self.script).stem)} --resume {self.exp_dir}"


RunFlags = TypeVar("RunFlags", bound=LoopFlags)


def resolve(options: RunFlags) -> RunFlags:
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
    require(
        "exp_dir" not in options.typed or Path(options.exp_dir) == folder,
        f"--resume {folder} goes on in that folder; leave --exp_dir out",
    )
    source = folder / "opt.json"
    try:
        read = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--resume {folder}: there is no run ({error})") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source}: damaged: not JSON ({error})") from error
    saved = check_saved(read, type(options), source)
    saved.update(exp_dir=str(folder), resume=str(folder))
    resolved = with_saved(options, saved, type(options))
    resolved.check()
    return resolved

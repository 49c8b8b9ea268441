"""Train the face-ageing baselines Group-GAN, FA-GAN and F-GAN, one run after another; --resume FOLDER goes on."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.cyclegan_options import CycleGANOptions
from work.errors import run
from work.progress import loading
from work.scripts.train import lock_run

EXAMPLES = r"""%(prog)s --method=group-gan --exp_dir=exp/groups --size=64 --ngf=32 --max_steps=20000 \
    --train_root=utkface64/train --test_root=utkface64/test
%(prog)s --method=f-gan --pairs=20-40:60+ --exp_dir=exp/fgan --train_root=faces/train --test_root=faces/test
%(prog)s --resume exp/fgan"""


def main(argv: list[str] | None = None) -> int:
    typed = parse(CycleGANOptions, argv, __doc__, EXAMPLES)
    with lock_run(typed):
        with loading():
            from work.training.cyclegan.runs import resolve_runs, train_runs

        options = resolve_runs(typed)
        if options.dry_run:
            print("\n".join(f"{name}: {value}" for name, value in options.plain().items()))
            print(f"runs: {', '.join(options.runs())}")
            return 0
        return train_runs(options)


if __name__ == "__main__":
    sys.exit(run(main))

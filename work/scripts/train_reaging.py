"""Train the direct re-ageing network on rendered people, and on photos when --photos_root names some."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.loop_options import resolve
from work.configs.reaging_options import ReagingOptions
from work.errors import run
from work.scripts.train import lock_run

EXAMPLES = r"""%(prog)s --train_root=people --exp_dir=exp/reaging
%(prog)s --resume exp/reaging
%(prog)s --train_root=people --photos_root=ffhq256 --exp_dir=exp/photos --max_steps=10000 \
    --checkpoint_path=exp/reaging/checkpoints/last.pdparams"""


def main(argv: list[str] | None = None) -> int:
    typed = parse(ReagingOptions, argv, __doc__, EXAMPLES)
    if typed.dry_run:
        print("\n".join(f"{name}: {value}" for name, value in resolve(typed).plain().items()))
        return 0
    with lock_run(typed):
        options = resolve(typed)
        # Paddle is imported only when there is work for it
        from work.models.reaging.shipped import ship
        from work.training.coach import Coach
        from work.training.reaging.recipe import ReagingRecipe

        coach = Coach(options, ReagingRecipe)
        code = coach.run()
        if coach.ranks.first:
            print(f"the network: {ship(coach.files.folder)}")
        return code


if __name__ == "__main__":
    sys.exit(run(main))

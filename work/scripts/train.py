"""Train SAM (--dataset_type=ffhq_aging) or pSp (--dataset_type=ffhq_encode)."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import ContextManager

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.loop_options import LoopFlags, resolve
from work.configs.train_options import TrainOptions
from work.errors import run
from work.locks import lock_folder
from work.progress import loading
from work.runtime import rank_and_world

EXAMPLES = r"""%(prog)s --exp_dir=exp/sam --train_root=ffhq256 --test_root=celeba256 --batch_size=6 \
    --dataset_type=ffhq_aging --start_from_encoded_w_plus --input_nc=4 --target_age=uniform_random \
    --use_weighted_id_loss --id_lambda=0.1 --lpips_lambda=0.1 --lpips_lambda_aging=0.1 \
    --lpips_lambda_crop=0.6 --l2_lambda=0.25 --l2_lambda_aging=0.25 --l2_lambda_crop=1 \
    --w_norm_lambda=0.005 --aging_lambda=5 --cycle_lambda=1"""


def main(argv: list[str] | None = None) -> int:
    typed = parse(TrainOptions, argv, __doc__, EXAMPLES)
    if typed.dry_run:
        print("\n".join(f"{name}: {value}" for name, value in resolve(typed).plain().items()))
        return 0
    with lock_run(typed):
        options = resolve(typed)
        with loading():  # Paddle is imported only when there is work for it
            from work.training.coach import Coach
            from work.training.sam_recipe import SAMRecipe

        return Coach(options, SAMRecipe).run()


def lock_run(options: LoopFlags) -> ContextManager[None]:
    """Keep a second run out of the folder; of several ranks, the first holds the lock for all."""
    if rank_and_world()[0] > 0:
        return nullcontext()
    if options.resume is not None:
        return lock_folder(options.resume, "--resume")
    return lock_folder(options.exp_dir, "--exp_dir")


if __name__ == "__main__":
    sys.exit(run(main))

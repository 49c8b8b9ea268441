"""The runs of one command, one after another, and the file of generators that they leave for users."""

from __future__ import annotations

import json
from pathlib import Path

from work.configs.cyclegan_options import CycleGANOptions
from work.configs.kinds import GANS_FILE
from work.configs.loop_options import resolve
from work.errors import UserError
from work.files import atomic_write
from work.models.cyclegan.generators import collect
from work.training.coach import Coach
from work.training.cyclegan.recipe import CycleRecipe
from work.training.ranks import join_ranks


def resolve_runs(options: CycleGANOptions) -> CycleGANOptions:
    """With `--resume` the options of these runs, except those that the user typed now; checked against `exp_dir`.

    Raises:
        UserError: there is nothing to resume, there is no such run, or new runs would mix with older ones.
    """
    if options.resume is None and (Path(options.exp_dir) / "opt.json").exists():
        raise UserError(
            f"{options.exp_dir} already holds runs: --resume {options.exp_dir} continues them, "
            "another --exp_dir starts new ones"
        )
    options = resolve(options)
    options.runs()
    return options


def train_runs(options: CycleGANOptions) -> int:
    """Train each run to its end, resuming what was begun. Returns the exit code: 0, or 130 after Ctrl-C.

    After each run `generators.pdparams` in the folder is written anew, with all that is trained so far.
    """
    folder = Path(options.exp_dir)
    ranks = join_ranks(options.device, options.seed)
    if ranks.first:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "opt.json") as path:
            path.write_text(json.dumps(options.plain(), indent=1) + "\n")
    code, names = 0, options.runs()
    for number, name in enumerate(names, 1):
        coach = Coach(options.of_run(name), CycleRecipe, ranks)
        coach.log.say(f"run {number} of {len(names)}: {name}")
        code = coach.run()
        if ranks.first:
            collect(folder)
        if code:
            break
    ranks.leave()
    if not code:
        print(f"all generators: {folder / GANS_FILE}")
    return code

"""Compare the package's models, SAM, the three baselines and any folder of results on the same photos."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.flags import option, require
from work.configs.metrics_options import AGE_NETWORKS
from work.configs.options import METHODS, ModelChoice
from work.configs.options import MODELS as OWN_MODELS
from work.configs.target_age import targets
from work.errors import run

EXAMPLES = r"""%(prog)s --data_path=photos --target_age=20,45,70
%(prog)s --data_path=photos --methods=sam,f-gan --results=theirs:their_results \
    --checkpoint_path=sam_ffhq_aging.pdparams --baselines_path=exp/fgan"""
MODELS = (*OWN_MODELS, "sam", *METHODS)


@dataclass
class CompareOptions(ModelChoice):
    """The flags of this script."""

    data_path: str = option("", "a photo, or a folder of them")
    exp_dir: str = option("exp/compare", "folder for the pictures, the table, the CSV and the grid")
    target_age: str = option("20,45,70", "target ages in years, separated by commas")
    methods: str = option("embedded,group-gan,fa-gan,f-gan", f"of {', '.join(MODELS)}")
    baselines_path: Optional[str] = option(
        None, "generators, or the folder of the runs of train_cyclegan.py", shown="the package's"
    )
    results: Optional[str] = option(
        None,
        "other people's results: NAME:FOLDER[,NAME:FOLDER] with FOLDER/AGE/PHOTO",
        shown="none",
    )
    no_crop: bool = option(False, "the photos are aligned faces")
    age_net: str = option(
        "auto",
        "who reads ages: DEX if it is here, else age_v1, which FA-GAN may have learned from",
        choices=AGE_NETWORKS,
    )
    num_threads: int = option(2, "processes that judge pictures")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.data_path), "--data_path is needed: a photo, or a folder of them")
        require(self.num_threads >= 1, "--num_threads is at least 1")
        for target in targets(self.target_age):
            require(
                not target.relative, f"--target_age {target.text}: ages are compared, not years"
            )
        for method in self.method_names():
            require(method in MODELS, f"--methods {method}: one of {', '.join(MODELS)}")
            needs = method != "sam" or self.checkpoint_path is not None
            require(needs, "--methods sam needs --checkpoint_path")
        self.result_folders()

    def method_names(self) -> list[str]:
        return [name.strip() for name in self.methods.split(",") if name.strip()]

    def result_folders(self) -> dict[str, Path]:
        """Folders of other people's results by name."""
        found = {}
        for part in filter(None, (self.results or "").split(",")):
            name, _, folder = part.partition(":")
            require(bool(name and folder), f"--results {part}: NAME:FOLDER is needed")
            require(name not in MODELS, f"--results {part}: {name} is a method of this package")
            found[name] = Path(folder)
        return found

    def choice(self, method: str) -> ModelChoice:
        """The options that load one of the methods."""
        chosen = ModelChoice(**self.plain(ModelChoice))
        if method in METHODS:
            return replace(chosen, method=method, checkpoint_path=self.baselines_path)
        if method == "sam":
            return chosen
        return replace(chosen, model=method, checkpoint_path=None)


def main(argv: list[str] | None = None) -> int:
    options = parse(CompareOptions, argv, __doc__, EXAMPLES)
    from work import runtime
    from work.inference.load import load_model
    from work.metrics.compare import Comparison

    runtime.setup(options.device)
    ages = [target.text for target in targets(options.target_age)]
    comparison = Comparison(Path(options.exp_dir), ages)
    models = {name: load_model(options.choice(name)) for name in options.method_names()}
    comparison.read(Path(options.data_path), options.no_crop)
    for name, model in models.items():
        comparison.run(name, model)
    others = options.result_folders()
    for name, folder in others.items():
        comparison.add_results(name, folder)
    names = [*models, *others]
    rows = comparison.judge(names, options.num_threads, options.age_net, options.device)
    for error in comparison.failed:
        print(f"not judged: {error}", file=sys.stderr)
    comparison.write(rows, f"{len(comparison.faces)} photos; {len(comparison.failed)} not judged")
    print(f"written to {comparison.folder}")
    return 1 if comparison.failed else 0


if __name__ == "__main__":
    sys.exit(run(main))

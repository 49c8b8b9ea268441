"""Age real faces that come with the dependencies into lifespan grids: the first thing to run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.errors import run

ROOT = Path(__file__).resolve().parents[2]
AGES = "0,10,20,30,40,50,60,70,80,90,100"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog="example:\n  make demo")
    parser.add_argument("--exp_dir", default="demo_output", help="folder for the results")
    options = parser.parse_args(argv)
    from work.datasets.samples import save_sample_faces
    from work.scripts import inference_side_by_side

    out = Path(options.exp_dir)
    faces = save_sample_faces(out / "faces")
    weights = golden_sam(out / "sam_64_random.pdparams")
    print(
        "NOTE: real weights are not part of the package. This run uses reproducible random numbers in\n"
        "a SAM with 64 px output: it shows that the whole path works, and its faces are coloured noise.\n"
        "With official weights (README, table of weights) the same command makes lifespans."
    )
    return inference_side_by_side.main(
        [
            f"--exp_dir={out}",
            f"--checkpoint_path={weights}",
            f"--data_path={faces}",
            f"--target_age={AGES}",
            "--resize_outputs",
        ]
    )


def golden_sam(path: Path) -> Path:
    """The SAM of the golden tests as a checkpoint file; made once."""
    if not path.exists():
        sys.path.insert(0, str(ROOT / "tests" / "golden"))
        import weights

        from convert_weights import rules
        from work.models.checkpoint import save_checkpoint

        state = {}
        arrays = weights.fill(weights.load_manifest("sam_64"), seed=1)
        latent_avg = arrays.pop("latent_avg")
        for name, array in arrays.items():
            rule, new = rules.transform(rules.TABLE["sam"], name)
            if new:
                state[new] = array.T if rule.op == rules.TRANSPOSE else array
        save_checkpoint(path, "sam", state, latent_avg)
    return path


if __name__ == "__main__":
    sys.exit(run(main))

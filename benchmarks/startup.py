"""Start-up: `--help` of every script, and the first picture of a checkpoint whose graphs are cached.

    python benchmarks/startup.py [--checkpoint_path sam.pdparams] [--engine auto] [--precision fp32]

The second is `inference.py` from a cold process to its exit with one photo and one age, less what the networks alone
take for it, measured within a process that has computed the same before.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from folders import make_faces, networks_alone
from inference import random_checkpoint


def seconds(command: list[str], repeat: int) -> float:
    """The median of some runs."""
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint_path", type=Path, help="a SAM (default: random weights)")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--help_only", action="store_true")
    options = parser.parse_args()
    print("| script | --help, s |\n| --- | --- |")
    for script in sorted((ROOT / "work/scripts").glob("[a-z]*.py")):
        taken = seconds([sys.executable, str(script), "--help"], options.repeat)
        print(f"| {script.name} | {taken:.2f} |", flush=True)
    if not options.help_only:
        first_picture(options)
    return 0


def first_picture(options: argparse.Namespace) -> None:
    from work.configs.options import TestOptions
    from work.inference.load import load_model

    path = str(options.checkpoint_path or random_checkpoint())
    how = {"checkpoint_path": path, "engine": options.engine, "precision": options.precision}
    model = load_model(TestOptions(device="cpu", **how))  # builds and checks the graphs
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder) / "faces"
        make_faces(faces, 1)
        alone, _ = networks_alone(model, faces, 1, 1)
        del model  # and its memory, and the threads that wait for more work
        gc.collect()
        flags = [f"--{name}={value}" for name, value in how.items()]
        flags += [f"--data_path={faces}", f"--exp_dir={folder}/out", "--target_age=50"]
        script = str(ROOT / "work/scripts/inference.py")
        whole = seconds([sys.executable, script, "--device=cpu", *flags], options.repeat)
    print(f"first picture {whole:.2f} s, networks {alone:.2f} s, start-up {whole - alone:.2f} s")


if __name__ == "__main__":
    sys.exit(main())

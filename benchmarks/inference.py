"""One 1024 px face and a grid of ages: every engine of this package beside plain PyTorch, in one run.

    python benchmarks/inference.py --torch_python /path/to/venv/with/torch/bin/python

Without --checkpoint_path a SAM with reproducible random weights is made (2.2 GB, kept in the cache): the time does not
depend on the weights. Each engine runs in a process of its own, one after the other. Errors are root mean squares
relative to PyTorch's picture (to Paddle's without PyTorch).
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np

ENGINES = ("torch", "paddle fp32", "paddle-inference fp32", "openvino fp32", "openvino bf16")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint_path", type=Path, help="a 1024 px SAM as .pdparams")
    parser.add_argument("--torch_python", help="a Python that has torch")
    parser.add_argument("--ages", type=int, default=11, help="ages of the grid")
    parser.add_argument("--repeat", type=int, default=3, help="runs; the median is printed")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return 0
    options.checkpoint_path = options.checkpoint_path or random_checkpoint()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for engine in ENGINES:
            if engine == "torch" and not options.torch_python:
                continue
            results[engine] = run_worker(engine, options, Path(folder))
    report(results, options.ages)
    return 0


def random_checkpoint(size: int = 1024) -> Path:
    """SAM at `size` px with the golden tests' numbers."""
    from work.downloads import cache_folder

    path = cache_folder() / "benchmarks" / f"sam_{size}_random.pdparams"
    if not path.is_file():
        sys.path.insert(0, str(ROOT / "tests" / "golden"))
        import weights

        from tests.golden_weights import fill_entries
        from work.models.checkpoint import save_checkpoint

        n = 2 * size.bit_length() - 4  # codes
        parts = {"styles": n, "convs": n - 2, "to_rgbs": n // 2 - 1, "noises": n - 1}
        entries = [e for e in weights.load_manifest("sam_1024") if _inside(e["name"], parts)]
        state = fill_entries(entries, "sam")
        save_checkpoint(path, "sam", state, state.pop("latent_avg")[:n])
    return path


def _inside(name: str, parts: dict[str, int]) -> bool:
    """Whether a smaller network has this tensor; `parts` counts its numbered parts."""
    found = re.search(
        r"(?:encoder\.(styles)|decoder\.(convs|to_rgbs|noises))\.(?:noise_)?(\d+)", name
    )
    return found is None or int(found.group(3)) < parts[found.group(1) or found.group(2)]


def run_worker(engine: str, options: argparse.Namespace, folder: Path) -> dict:
    python, checkpoint = sys.executable, options.checkpoint_path
    if engine == "torch":
        python, checkpoint = options.torch_python, checkpoint.with_suffix(".pt")
        if not checkpoint.is_file():
            export = [sys.executable, str(ROOT / "convert_weights/export_torch.py")]
            subprocess.run([*export, str(options.checkpoint_path), str(checkpoint)], check=True)
    out = folder / f"{engine.replace(' ', '_')}.npy"
    command = [python, __file__, "--worker", engine, "--out", str(out), f"--ages={options.ages}"]
    command += [f"--checkpoint_path={checkpoint}", f"--repeat={options.repeat}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "picture": np.load(out)}


def work(options: argparse.Namespace) -> None:
    """Time one engine: a face at one age, the same at many, and everything from nothing to the first picture."""
    import resource

    start = time.perf_counter()
    make = torch_model if options.worker == "torch" else package_model
    transform = make(options)
    levels = np.random.default_rng(0).integers(0, 256, (1, 3, 16, 16)).repeat(16, 2).repeat(16, 3)
    faces = (levels.astype(np.float32) / 255 - 0.5) / 0.5  # what an 8-bit picture becomes
    picture = transform(faces, [35.0])[0]
    first = time.perf_counter() - start
    ages = np.linspace(0, 100, options.ages)

    def median(targets) -> float:
        seconds = []
        for _ in range(options.repeat):
            start = time.perf_counter()
            transform(faces, targets)
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    np.save(options.out, picture)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = {"first": first, "single": median([35.0]), "grid": median(ages), "peak": peak}
    print(json.dumps(result))


def torch_model(options: argparse.Namespace):
    """All three networks for every age, as the official code runs them."""
    import torch
    import torch_sam

    from work.runtime import cpu_count

    torch.set_num_threads(cpu_count())
    net = torch_sam.load(options.checkpoint_path)

    def transform(faces, ages):
        x = torch.from_numpy(faces)
        channels = [torch.full((1, 1, 256, 256), float(age) / 100) for age in ages]
        return [net(torch.cat([x, channel], 1)).numpy() for channel in channels]

    return transform


def package_model(options: argparse.Namespace):
    import paddle

    from work import runtime
    from work.configs.options import TestOptions
    from work.datasets.transforms import to_picture
    from work.faces.aligned import AlignedFace
    from work.inference.load import load_model

    engine, precision = options.worker.split()
    runtime.setup("cpu")
    path = str(options.checkpoint_path)
    chosen = dict(checkpoint_path=path, device="cpu", engine=engine, precision=precision)
    model = load_model(TestOptions(**chosen))

    def transform(faces, ages):
        encoded = model.encode([AlignedFace(to_picture(face, rounded=True)) for face in faces])
        targets = [paddle.to_tensor([age], "float32") for age in ages]
        return [model.transform(encoded, target).numpy() for target in targets]

    return transform


def report(results: dict, ages: int) -> None:
    base = next(iter(results))
    print(f"| engine | one face, s | against {base} | {ages} ages, s | against {base} | ", end="")
    print(
        "first picture, s | peak MiB | error |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    reference = results[base]
    for name, r in results.items():
        error = r["picture"] - reference["picture"]
        error = np.sqrt(np.mean(error**2) / np.mean(reference["picture"] ** 2))
        single, grid = reference["single"] / r["single"], reference["grid"] / r["grid"]
        print(
            f"| {name} | {r['single']:.2f} | {single:.1f}x | {r['grid']:.2f} | {grid:.1f}x | "
            f"{r['first']:.1f} | {r['peak']:.0f} | {error:.1e} |"
        )


if __name__ == "__main__":
    sys.exit(main())

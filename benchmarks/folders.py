"""From files to files: images per second, time outside the networks, and memory, over ages, photos and sizes.

    python benchmarks/folders.py                          # ages 1, 11, 101; photos 1, 8, 64; sizes 256, 512, 1024
    python benchmarks/folders.py --only 16x11x1024        # one run: photos x ages x pixels
    python benchmarks/folders.py --engine openvino --precision bf16
    python benchmarks/folders.py --model embedded --only 8x11x1024

Each run is a process of its own and does what `inference.py` does: photos are read, aged and written (PNG in, PNG out).
"Alone" is the networks' own time for that work, measured in the same process before, without files: the share outside
is 1 - alone / whole. Error: the first picture written against Paddle's own (root mean square, relative).
Memory is the process's peak; "growth" is what the folder added to the peak after the first picture.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from inference import random_checkpoint
from PIL import Image

GRID = "1x1x1024,1x11x1024,1x101x1024,8x1x1024,64x1x1024,1x11x256,1x11x512"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=GRID, help="runs, each photos x ages x pixels")
    parser.add_argument("--model", default="sam", choices=("sam", "embedded"))
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--repeat", type=int, default=3, help="runs; the median is printed")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(options)))
        return 0
    print(f"{options.model}, {options.engine}, {options.precision}, medians of {options.repeat}")
    print(
        "| photos | ages | pixels | s | images/s | alone, s | outside | peak MiB | growth | error |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for chosen in options.only.split(","):
        if options.model == "sam":
            random_checkpoint(int(chosen.split("x")[2]))
        rows = [run_worker(chosen, options) for _ in range(options.repeat)]
        report(chosen, {k: statistics.median(row[k] for row in rows) for k in rows[0]})
    return 0


def run_worker(chosen: str, options: argparse.Namespace) -> dict:
    names = ("model", "engine", "precision")
    flags = [f"--{name}={getattr(options, name)}" for name in names]
    command = [sys.executable, __file__, f"--worker={chosen}", *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work(options: argparse.Namespace) -> dict:
    """Age a folder of made faces; seconds, MiB and the error."""
    from work.configs.options import TestOptions
    from work.inference.grids import age_folder
    from work.inference.load import load_model

    photos, ages, size = map(int, options.worker.split("x"))
    checkpoint = str(random_checkpoint(size)) if options.model == "sam" else None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_faces(root / "faces", photos)
        chosen = TestOptions(
            checkpoint_path=checkpoint,
            model="auto" if checkpoint else "embedded",
            device="cpu",
            engine=options.engine,
            precision=options.precision,
            data_path=str(root / "faces"),
            exp_dir=str(root / "out"),
            target_age=",".join(f"{age:g}" for age in np.linspace(0, 100, ages).round(3)),
        )
        model = load_model(chosen)
        alone, first = networks_alone(model, root / "faces", photos, ages)
        before, start = peak(), time.perf_counter()
        age_folder(model, chosen)
        whole = time.perf_counter() - start
        result = {"whole": whole, "alone": alone, "peak": peak(), "growth": peak() - before}
        result["images"] = photos * ages
        result["error"] = error(model, chosen, first) if options.model == "sam" else 0.0
        written = sorted((root / "out/inference_results").rglob("*.png"))
        if len(written) != photos * ages:
            raise SystemExit(f"{len(written)} pictures of {photos * ages}")
    return result


def make_faces(folder: Path, count: int) -> None:
    """Smooth pictures of 1024 px with some noise, so that PNG has something to compress."""
    folder.mkdir()
    for i in range(count):
        rng = np.random.default_rng(i)
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
        pixels = np.asarray(coarse.resize((1024, 1024), Image.BICUBIC), np.int16)
        noisy = (pixels + rng.integers(-4, 5, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{i:03}.png")


def networks_alone(model, folder: Path, photos: int, ages: int):
    """The networks' seconds for all pictures, from medians of three calls on one photo; and its first picture."""
    import paddle

    from work.faces.aligned import read_aligned

    face = read_aligned(folder / "000.png")

    def timed(call):
        start = time.perf_counter()
        return call(), time.perf_counter() - start

    encoded = model.encode([face])  # does not count
    first = model.transform(encoded, paddle.to_tensor([0.0])).numpy()
    encodes = [timed(lambda: model.encode([face]))[1] for _ in range(3)]
    transforms = [
        timed(lambda: model.transform(encoded, paddle.to_tensor([50.0])).numpy())[1]
        for _ in range(3)
    ]
    alone = statistics.median(encodes) * photos + statistics.median(transforms) * photos * ages
    return alone, first


def error(model, options, found: np.ndarray) -> float:
    """The engine's first picture against Paddle's own."""
    import paddle

    from work.faces.aligned import read_aligned
    from work.inference.sam import SAM
    from work.loading import load_psp, open_model

    checkpoint = open_model(options.checkpoint_path)
    plain = SAM(load_psp(checkpoint, options, "the checkpoint"))
    encoded = plain.encode([read_aligned(Path(options.data_path) / "000.png")])
    expected = plain.transform(encoded, paddle.to_tensor([0.0])).numpy()
    return float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))


def report(chosen: str, r: dict) -> None:
    photos, ages, size = chosen.split("x")
    outside = 1 - r["alone"] / r["whole"]
    print(
        f"| {photos} | {ages} | {size} | {r['whole']:.2f} | {r['images'] / r['whole']:.2f} | "
        f"{r['alone']:.2f} | {100 * outside:.0f} % | {r['peak']:.0f} | {r['growth']:.0f} | "
        f"{r['error']:.0e} |",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

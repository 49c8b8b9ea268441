"""Age aligned photos by a generator and keep what judges need: pictures and what was measured.

    python benchmarks/embedded_quality.py --photos FOLDER --last 100 --count 60 --out quality
    python benchmarks/embedded_quality.py --photos FOLDER --last 100 --count 60 --out sam --checkpoint_path SAM

The embedded model does it, or the SAM of `--checkpoint_path`.

`--last 100` takes the last hundred photos by name (kept aside when fitting), of which the first `--count`
are aged to 10, 20, .. 80 years. Interrupted runs go on where they stopped. A judge that had no part in making
the pictures reads `out/*.rgb` (512 x 512 x 3 bytes) into a JSON of {name: {age, gender, e: embedding}}, see
docs/embedded.md; `--judged FILE` prints the table. The package's own scripts measure the same pictures:

    python work/scripts/calc_age_error.py --data_path quality/aged
    python work/scripts/calc_id_loss_parallel.py --data_path quality/aged --gt_path quality/inverted
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from work.errors import UserError, run
from work.files import atomic_write

AGES = (10, 20, 30, 40, 50, 60, 70, 80)


def small_bytes(image) -> np.ndarray:
    """[1, 3, 1024, 1024] in [-1, 1] -> uint8 [512, 512, 3]."""
    import paddle.nn.functional as F

    pixels = F.interpolate(image, size=[512, 512], mode="area")[0].numpy().transpose(1, 2, 0)
    return ((pixels * 0.5 + 0.5).clip(0, 1) * 255).round().astype(np.uint8)


def age_photo(model, lpips, path: Path, out: Path, codes: Path) -> dict[str, object]:
    """Write the original, the inverted face and all ages of one photo; return what was measured.

    The embedded model's codes of the photo, w_plus [1, 23, 512], are read from `codes` / NAME.npz, or written there.
    """
    import paddle
    import paddle.nn.functional as F

    from work.datasets.images import save_image
    from work.faces.aligned import read_aligned
    from work.inference.embedded.model import EmbeddedModel
    from work.training.arrays import save_arrays

    aligned = read_aligned(path)
    face, photo = aligned.tensor(), aligned.tensor(1024)
    start = time.perf_counter()
    kept = codes / f"{path.stem}.npz"
    embedded = isinstance(model, EmbeddedModel)
    known = paddle.to_tensor(np.load(kept)["w_plus"]) if embedded and kept.exists() else None
    encoded = model.encode([aligned], known)
    seconds = {"encode": time.perf_counter() - start}
    subject = encoded[0] if embedded else None
    if subject and known is None:
        codes.mkdir(parents=True, exist_ok=True)
        save_arrays(kept, w_plus=subject.w_plus.numpy())
    inverted = model.render(subject.w_plus if subject else model.invert(face))
    pictures = {"original": photo, "inverted": inverted}
    start = time.perf_counter()
    for age in AGES:
        pictures[str(age)] = model.transform(encoded, paddle.to_tensor([float(age)]))
    seconds["ages"] = time.perf_counter() - start
    for name, picture in pictures.items():
        pixels = small_bytes(picture)
        (out / f"{path.stem}_{name}.rgb").write_bytes(pixels.tobytes())
        folder = out / "aged" / name if name.isdigit() else out / name
        save_image(Image.fromarray(pixels), folder / f"{path.stem}.png")
    measured = {"lpips": lpips(F.avg_pool2d(inverted, 4), face).item(), "seconds": seconds}
    if subject and subject.composite:
        outside = (subject.composite.mask + subject.composite.hair < 1e-6).astype("float32")
        aged = [pictures[str(age)] for age in AGES]
        measured["outside"] = max(((p - photo).abs() * outside).max().item() for p in aged)
    if subject:
        rungs = subject.calibration.rungs
        measured["rungs"] = [[r.reading, r.likeness, r.gender] for r in rungs]
    return measured


def table(judged: dict, measured: dict) -> list[tuple[str, str]]:
    """The rows of the acceptance table."""
    names = [n for n in measured if judged.get(f"{n}_original")]
    found = sum(bool(judged.get(f"{n}_{a}")) for n in names for a in AGES)

    def read(name: str, age: int | str) -> float:
        return judged.get(f"{name}_{age}", {}).get("age", np.nan)

    ages = np.array([[read(n, a) for a in AGES] for n in names])
    error = ages - np.array(AGES)
    unaged = np.array([[read(n, "inverted") - a for a in AGES] for n in names])
    own = np.array([judged[f"{n}_original"]["age"] for n in names])
    faces = {k: np.array(v["e"]) for k, v in judged.items() if v}

    def apart(first: str, second: str) -> float:
        return (
            float(np.linalg.norm(faces[first] - faces[second]))
            if {first, second} <= set(faces)
            else np.nan
        )

    likeness = np.array([[apart(f"{n}_original", f"{n}_{a}") for a in AGES] for n in names])
    near = np.abs(np.array(AGES)[None] - own[:, None]) <= 15
    old = [(n, a) for n in names for a in (60, 70, 80) if judged.get(f"{n}_{a}")]
    kept = [judged[f"{n}_{a}"]["gender"] == judged[f"{n}_original"]["gender"] for n, a in old]
    inside = [apart(f"{n}_original", f"{n}_inverted") for n in names]
    rising = np.diff(ages, axis=1)
    moved = [apart(f"{n}_inverted", f"{n}_{a}") for n in names for a in AGES]
    lpips = [measured[n]["lpips"] for n in names]
    outside = [measured[n]["outside"] for n in names if "outside" in measured[n]]
    return [
        ("photos", f"{len(names)}"),
        ("age error, years", f"{np.nanmean(np.abs(error)):.1f}"),
        ("age error of the inverted face", f"{np.nanmean(np.abs(unaged)):.1f}"),
        ("bias by target " + str(AGES), str(np.nanmean(error, axis=0).round(1).tolist())),
        ("decade steps that rise", f"{(rising[~np.isnan(rising)] > 0).mean():.1%}"),
        ("identity distance within 15 years", f"{np.nanmean(likeness[near]):.3f}"),
        ("identity distance, all", f"{np.nanmean(likeness):.3f}"),
        ("identity distance of the inverted face", f"{np.nanmean(inside):.3f}"),
        ("identity distance, aged to inverted", f"{np.nanmean(moved):.3f}"),
        ("inversion LPIPS, median", f"{np.median(lpips):.3f}"),
        ("gender kept at 60 to 80", f"{np.mean(kept):.1%}"),
        ("a face is found", f"{found / (len(names) * len(AGES)):.1%}"),
        ("largest change outside the mask", f"{max(outside, default=np.nan):.6f}"),
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="folder of FFHQ-aligned photos")
    parser.add_argument("--last", type=int, default=100)
    parser.add_argument("--skip", type=int, default=0, help="leave out as many (to share the work)")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint_path", help="a SAM, instead of the embedded model")
    parser.add_argument("--refine", type=int, help="steps; by default the model's")
    parser.add_argument("--blend", help="composite, or generator, the default of a SAM")
    parser.add_argument(
        "--codes",
        type=Path,
        help="folder of the photos' codes, for a second blend; by default OUT/codes",
    )
    parser.add_argument("--judged", type=Path, help="print the table from a judge's JSON")
    options = parser.parse_args(argv)
    notes = options.out / "measured.json"
    measured = json.loads(notes.read_text()) if notes.exists() else {}
    if options.judged:
        if not measured:
            raise UserError(f"{notes}: run without --judged first")
        for row in table(json.loads(options.judged.read_text()), measured):
            print(f"{row[0]:70s} {row[1]}")
        return 0
    if not options.photos:
        raise UserError("--photos is needed: a folder of FFHQ-aligned photos")

    from work.configs.options import ModelChoice
    from work.datasets.images import find_images
    from work.inference.load import load_model
    from work.loading import load_lpips

    choice = {name: getattr(options, name) for name in ("checkpoint_path", "refine", "blend")}
    own = "auto" if options.checkpoint_path else "embedded"
    model = load_model(ModelChoice(device="cpu", model=own, **choice))
    options.out.mkdir(parents=True, exist_ok=True)
    lpips, codes = load_lpips("alex"), options.codes or options.out / "codes"
    for path in find_images(options.photos)[-options.last :][options.skip :][: options.count]:
        if path.stem not in measured:
            measured[path.stem] = age_photo(model, lpips, path, options.out, codes)
            with atomic_write(notes) as temporary:
                temporary.write_text(json.dumps(measured))
            print(path.name, json.dumps(measured[path.stem]), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))

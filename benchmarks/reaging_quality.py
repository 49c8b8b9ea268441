"""Age aligned photos with the direct model, or the embedded one, and print what judges say of the pictures.

    python benchmarks/reaging_quality.py age --photos ASIDE --out quality --model direct [--checkpoint_path RUN]
    node benchmarks/judge_faces.cjs quality quality/judged.json
    python benchmarks/reaging_quality.py table --out quality
    python benchmarks/reaging_quality.py real --photos UTKFACE --out real
    node benchmarks/judge_faces.cjs real real/judged.json
    python benchmarks/reaging_quality.py table --out quality --real real/judged.json

`age` makes 512 px pictures of 20, 30, .. 80 years, as they are delivered, and goes on where it was interrupted;
`quality/sheet.jpg` shows the first ten people. `table` needs no judge for background and skin. `real` writes
real people of known age, some of each decade. A judge who takes people of 80 for 70 will say so of pictures that look
80, too; with `--real` the table also compares with what the judge sees in real people.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from work.errors import UserError, run

AGES = (20, 30, 40, 50, 60, 70, 80)
SIZE = 512
OUTSIDE = 0.02  # of the mattes: what is less a person is background
SEEN, REAL = 256, 50  # px of a real person, and people per decade
NEAR = 5.0  # years, of the bell in which real people count as of about an age
ADULT = 15  # years, by the judge
SHOWN, CELL = 10, 192  # rows and px of the contact sheet


def age_photo(model: Any, matte: Any, path: Path, out: Path) -> dict[str, Any]:
    """Write the photo and all ages; returns how background and skin changed."""
    import paddle

    from work.datasets.transforms import to_picture
    from work.faces.aligned import read_aligned
    from work.training.reaging.people import skin_colour

    face = read_aligned(path)
    begun = time.perf_counter()
    encoded = model.encode([face])
    pictures = {"original": face.tensor(SIZE)}
    for age in AGES:
        picture = model.transform(encoded, paddle.full([1], float(age)))
        pictures[str(age)] = paddle.nn.functional.adaptive_avg_pool2d(picture, SIZE)
    seconds = time.perf_counter() - begun
    shown = {name: np.asarray(to_picture(p[0].numpy(), True)) for name, p in pictures.items()}
    people = {name: matte(picture)[0, 0].numpy() for name, picture in pictures.items()}
    background, lightness = [], []
    before = shown["original"].astype(float)
    own = skin_colour(shown["original"])[0]
    for age in map(str, AGES):
        outside = np.maximum(people["original"], people[age]) < OUTSIDE
        change = np.abs(shown[age] - before).mean(axis=2)
        background.append(float(change[outside].mean()) if outside.any() else 0.0)
        lightness.append(float(skin_colour(shown[age])[0] - own))
    for name, picture in shown.items():
        (out / f"{path.stem}_{name}.rgb").write_bytes(picture.tobytes())
    return {"background": background, "skin": float(own), "lighter": lightness, "seconds": seconds}


def contact_sheet(names: list[str], out: Path) -> None:
    """Rows of people: the photo and all ages."""
    from PIL import Image

    columns = ("original", *map(str, AGES))
    sheet = Image.new("RGB", (CELL * len(columns), CELL * len(names)))
    for y, name in enumerate(names):
        for x, column in enumerate(columns):
            pixels = np.fromfile(out / f"{name}_{column}.rgb", np.uint8).reshape(SIZE, SIZE, 3)
            sheet.paste(Image.fromarray(pixels).resize((CELL, CELL)), (x * CELL, y * CELL))
    sheet.save(out / "sheet.jpg", quality=90)


def own_rows(measured: dict[str, Any]) -> list[tuple[str, str]]:
    """What needs no judge."""
    found = list(measured.values())
    lighter = np.array([m["lighter"] for m in found])
    order = np.argsort([m["skin"] for m in found])
    fifth = max(1, len(found) // 5)
    rows = [
        ("photos", f"{len(found)}"),
        ("seconds a photo, with all ages", f"{np.median([m['seconds'] for m in found]):.2f}"),
        (
            "change of the background, of 255: mean, largest",
            f"{np.mean([m['background'] for m in found]):.2f}, {np.max([m['background'] for m in found]):.2f}",
        ),
    ]
    for name, part in (("darkest", order[:fifth]), ("lightest", order[-fifth:])):
        means = lighter[part].mean(axis=0).round(1).tolist()
        rows.append((f"change of L*, {name} fifth, by target", str(means)))
    return rows


def judged_rows(
    judged: dict[str, Any], names: list[str], real: np.ndarray
) -> list[tuple[str, str]]:
    """What a judge finds, whose JSON maps NAME_AGE to age, gender and embedding `e`; `real` as `read_of_real`."""
    names = [name for name in names if judged.get(f"{name}_original")]
    seen = [[judged.get(f"{name}_{age}") or None for age in AGES] for name in names]
    ages = np.array([[one["age"] if one else np.nan for one in row] for row in seen], float)
    error, rising = ages - real, np.diff(ages, axis=1)
    away = np.full(ages.shape, np.nan)
    kept = np.full(ages.shape, np.nan)
    for i, name in enumerate(names):
        original = judged[f"{name}_original"]
        for k, one in enumerate(seen[i]):
            if one:
                away[i, k] = np.linalg.norm(np.subtract(original["e"], one["e"]))
                kept[i, k] = original["gender"] == one["gender"]
    return [
        ("a face is found", f"{np.isfinite(ages).mean():.1%}"),
        ("age error, years", f"{np.nanmean(np.abs(error)):.1f}"),
        ("bias by target", str(np.nanmean(error, axis=0).round(1).tolist())),
        ("decade steps that rise", f"{(rising[np.isfinite(rising)] > 0).mean():.1%}"),
        ("identity distance", f"{np.nanmean(away):.3f}"),
        ("identity distance by target", str(np.nanmean(away, axis=0).round(2).tolist())),
        ("gender kept, by target", str(np.nanmean(kept, axis=0).round(3).tolist())),
    ]


def write_real(folder: Path, out: Path) -> None:
    """Write people of each decade from UTKFace for the judge, by their names there, which begin with the age."""
    from PIL import Image

    from work.datasets.images import find_images, read_image
    from work.faces.align import UTKFACE_TEMPLATE, align

    paths = find_images(folder)
    decades = np.array([true_age(path.stem) // 10 for path in paths])
    rng = np.random.default_rng(0)
    out.mkdir(parents=True, exist_ok=True)
    for decade in range(1, 9):
        for i in rng.permutation(np.flatnonzero(decades == decade))[:REAL]:
            photo = read_image(paths[i])
            face = align(photo, UTKFACE_TEMPLATE * photo.size, SEEN).image
            large = face.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
            (out / f"{paths[i].stem}.rgb").write_bytes(np.asarray(large).tobytes())


def true_age(name: str) -> float:
    """The age in years that a name in UTKFace begins with."""
    return float(name.split("_")[0])


def read_of_real(judged: dict[str, Any]) -> np.ndarray:
    """What the judge sees in real people of AGES: straight lines through those of about these ages."""
    from work.training.reaging.fit_nominal import mean_reading

    pairs = [(true_age(name), one["age"]) for name, one in judged.items() if one]
    true, read = np.array(pairs).T
    return np.array([mean_reading(true, read, age, NEAR) for age in AGES])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("age", "table", "real"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--photos", type=Path, help="FFHQ-aligned photos kept aside; for `real`, UTKFace"
    )
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--model", default="direct")
    parser.add_argument("--real", type=Path, help="for `table`: what the judge said of `real`")
    parser.add_argument("--checkpoint_path", help="weights, or the folder of a run")
    options = parser.parse_args(argv)
    notes = options.out / "measured.json"
    measured = json.loads(notes.read_text()) if notes.exists() else {}
    if options.what == "table":
        if not measured:
            raise UserError(f"{notes}: run `age` first")
        judge = options.out / "judged.json"
        rows = own_rows(measured)
        if judge.exists():
            judged = json.loads(judge.read_text())
            adults = [n for n in measured if (judged[f"{n}_original"].get("age") or 0) >= ADULT]
            for label, names in (("all", list(measured)), (f"{ADULT} and older", adults)):
                rows += [("", ""), (label, f"{len(names)} people")]
                rows += judged_rows(judged, names, np.array(AGES))
                if options.real:
                    real = read_of_real(json.loads(options.real.read_text()))
                    against = judged_rows(judged, names, real)
                    rows += [(f"{name}, against real people", x) for name, x in against[1:3]]
        print("\n".join(f"{name:50s} {value}" for name, value in rows))
        return 0
    if not options.photos:
        raise UserError("--photos is needed: a folder of FFHQ-aligned photos")

    if options.what == "real":
        write_real(options.photos, options.out)
        return 0

    from work.configs.options import ModelChoice
    from work.datasets.images import find_images
    from work.inference.load import load_model
    from work.loading import load_network

    choice = {"model": options.model, "checkpoint_path": options.checkpoint_path}
    model = load_model(ModelChoice(device="cpu", **choice))
    matte = load_network("person_matte")
    options.out.mkdir(parents=True, exist_ok=True)
    for path in find_images(options.photos)[: options.count]:
        if path.stem not in measured:
            measured[path.stem] = age_photo(model, matte, path, options.out)
            notes.write_text(json.dumps(measured))
    contact_sheet(list(measured)[:SHOWN], options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))

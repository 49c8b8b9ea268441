"""Age aligned photos with the direct model, or the embedded one, and print what judges say of the pictures.

    python benchmarks/reaging_quality.py age --photos ASIDE --out quality --model direct [--checkpoint_path RUN]
    node benchmarks/judge_faces.cjs quality quality/judged.json
    python benchmarks/reaging_quality.py table --out quality
    python benchmarks/reaging_quality.py real --photos UTKFACE --out real
    node benchmarks/judge_faces.cjs real real/judged.json
    python benchmarks/reaging_quality.py table --out quality --real real/judged.json

`age` makes 512 px pictures of 20, 30, .. 80 years, as they are delivered, and goes on where it was interrupted;
`quality/sheet.jpg` shows the first ten people. `table` needs no judge for background and skin. `real` writes
real people of known age, some of each decade. A judge that reads real people of 80 as 70 does the same to pictures
that look 80; with `--real` the table also compares with the judge's readings of real people.
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

from benchmarks.reaging_table import AGES, table, true_age
from work.errors import UserError, run
from work.files import atomic_write

SIZE = 512
OUTSIDE = 0.02  # of the mattes: what is less a person is background
SEEN, REAL = 256, 50  # px of a real person, and people per decade
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
        rows = table(options.out, measured, options.real)
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
            with atomic_write(notes) as temporary:
                temporary.write_text(json.dumps(measured))
    contact_sheet(list(measured)[:SHOWN], options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))

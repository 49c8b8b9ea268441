"""A reader of ages beside the package's own: VGG16 (ImageNet), its last six layers trained on UTKFace.

The embedded model's aims were chosen with it (docs/embedded.md), so of these it is no judge.

    python benchmarks/torch_age_judge.py train --people UTKFACE --judge judge.pt
    python benchmarks/torch_age_judge.py test --people UTKFACE --judge judge.pt
    python benchmarks/torch_age_judge.py read --pictures quality --judge judge.pt --judged judged.json --out by_utk.json

As DEX does it, the age is the expectation over 101 classes, of a softmax. Every tenth person by name is never
trained on; `test` prints the error on these, balanced over decades. `read` takes the pictures of embedded_quality.py
and puts its own ages in the place of those in another judge's file. Needs torch, which the package itself does not.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.torch_age_network import (
    FROZEN,
    SIDE,
    STORED,
    AgeJudge,
    read,
    trained_judge,
    years,
)
from work.datasets.images import find_images, read_image
from work.faces.align import UTKFACE_TEMPLATE, align
from work.files import atomic_write
from work.models.face_chip import CHIP

SPREAD = 2.5  # deviation, in years, of the distribution that is learned for a person of one age


def face_of(aligned: Image.Image) -> np.ndarray:
    """uint8 [128, 128, 3] of an FFHQ-aligned face."""
    box = tuple(edge * aligned.size[0] for edge in CHIP)
    return np.asarray(aligned.resize((STORED, STORED), Image.Resampling.LANCZOS, box=box))


def people(folder: Path, kept: Path) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Faces [N, 3, 128, 128] uint8, ages [N] and who is held out [N]; read once."""
    paths = find_images(folder)
    if not kept.exists():
        images = (read_image(path) for path in paths)
        faces = np.stack([face_of(align(i, UTKFACE_TEMPLATE * i.size).image) for i in images])
        with atomic_write(kept) as temporary, open(temporary, "wb") as file:
            np.save(file, faces)
    faces = torch.from_numpy(np.load(kept)).permute(0, 3, 1, 2)
    ages = torch.tensor([float(path.name.split("_")[0]) for path in paths]).clip(0, 100)
    return faces, ages, np.arange(len(paths)) % 10 == 9


def varied(faces: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """uint8 faces [N, 3, 128, 128] -> [N, 3, 112, 112]: turned, shifted, scaled, softened, lighter or darker."""
    count = len(faces)
    turn, size = rng.normal(0, 0.06, count), rng.normal(0.88, 0.04, count)
    mirror = rng.choice([-1.0, 1.0], count)
    cos, sin = size * np.cos(turn), size * np.sin(turn)
    right, down = rng.normal(0, 0.04, (2, count))
    rows = np.array([[cos * mirror, -sin, right], [sin * mirror, cos, down]]).transpose(2, 0, 1)
    grid = F.affine_grid(torch.tensor(rows, dtype=torch.float32), [count, 3, SIDE, SIDE], False)
    x = F.grid_sample(faces.float() / 255, grid, padding_mode="border", align_corners=False)
    small = int(SIDE * rng.uniform(0.45, 1.3))
    if small < SIDE:
        x = F.interpolate(F.interpolate(x, size=small, mode="area"), size=SIDE, mode="bilinear")
    tint, light = rng.normal(1, 0.12, (count, 3, 1, 1)), rng.normal(1, 0.1, (count, 1, 1, 1))
    return (x * torch.from_numpy(tint * light).float()).clip(0, 1)


def decades_of(ages: np.ndarray) -> np.ndarray:
    """0 .. 8; people of 80 and more count as one."""
    return np.minimum(ages // 10, 8)


def report(found: np.ndarray, ages: np.ndarray) -> str:
    """Mean error by decade and over decades."""
    decades = decades_of(ages)
    error = [float(np.abs(found - ages)[decades == d].mean()) for d in range(9)]
    bias = [float((found - ages)[decades == d].mean()) for d in range(9)]
    return f"error {np.mean(error):.2f}, by decade {np.round(error, 1)}, bias {np.round(bias, 1)}"


def train(args) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    faces, ages, held = people(args.people, args.judge.with_suffix(".faces.npy"))
    judge = AgeJudge().to(memory_format=torch.channels_last)
    judge.start_from_imagenet()
    mine = np.flatnonzero(~held)
    decades = (ages[mine] // 10).long().clip(max=9).numpy()
    # Rare decades come up more often.
    share = 1 / np.sqrt(np.bincount(decades, minlength=10)[decades])
    share /= share.sum()
    trained = [p for layer in judge.layers[FROZEN:] for p in layer.parameters()]
    groups = [{"params": trained, "lr": 1e-4}, {"params": judge.head.parameters(), "lr": 1e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.02)
    steps = args.epochs * len(mine) // args.batch
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, steps, pct_start=0.15)
    classes = torch.arange(101.0)
    judge.train()
    for step in range(steps):
        chosen = rng.choice(mine, args.batch, p=share)
        x = varied(faces[chosen], rng).contiguous(memory_format=torch.channels_last)
        target = torch.exp(-0.5 * ((classes - ages[chosen][:, None]) / SPREAD) ** 2)
        with torch.autocast("cpu", torch.bfloat16):
            logits = judge(x)
        loss = F.cross_entropy(logits.float(), target / target.sum(1, keepdim=True))
        loss = loss + 0.05 * (years(logits) - ages[chosen]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            off = (years(logits) - ages[chosen]).abs().mean().item()
            print(f"step {step} of {steps}: loss {loss.item():.3f}, error {off:.1f}", flush=True)
    with atomic_write(args.judge) as temporary:
        torch.save(judge.state_dict(), temporary)
    print(report(read(judge, faces[held]), ages[held].numpy()))


def test(args) -> None:
    faces, ages, held = people(args.people, args.judge.with_suffix(".faces.npy"))
    judge = trained_judge(args.judge)
    print(report(read(judge, faces[held]), ages[held].numpy()))


def read_pictures(args) -> None:
    judged = json.loads(args.judged.read_text())
    paths = sorted(args.pictures.glob("*.rgb"))
    pixels = (np.fromfile(path, np.uint8).reshape(512, 512, 3) for path in paths)
    faces = np.stack([face_of(Image.fromarray(p)) for p in pixels])
    ages = read(trained_judge(args.judge), torch.from_numpy(faces).permute(0, 3, 1, 2))
    for path, age in zip(paths, ages):
        if judged.get(path.stem):
            judged[path.stem]["age"] = float(age)
    with atomic_write(args.out) as temporary:
        temporary.write_text(json.dumps(judged))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("task", choices=("train", "test", "read"))
    parser.add_argument("--judge", type=Path, required=True, help="the judge's weights, .pt")
    parser.add_argument("--people", type=Path, help="folder of UTKFace's crops")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--pictures", type=Path, help="what embedded_quality.py wrote")
    parser.add_argument(
        "--judged", type=Path, help="judge_faces.cjs' file: found faces, genders, identities"
    )
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    {"train": train, "test": test, "read": read_pictures}[args.task](args)


if __name__ == "__main__":
    main()

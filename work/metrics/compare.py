"""Ageing methods side by side, on the same photos: one table, one CSV, one picture."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import paddle
from PIL import Image, ImageDraw

from work.datasets.images import ImageError, find_images, read_image, save_image
from work.datasets.transforms import to_picture
from work.errors import UserError
from work.faces.aligned import AlignedFace, FaceReader
from work.inference.model import AgeingModel, AgeRefused
from work.metrics import age_error, id_similarity, losses
from work.metrics.report import Scores, table, write_csv, write_text
from work.progress import progress

INPUTS = "input"  # folder of the aligned photos, beside those of the methods
SIDE = 512  # px of the pictures that are judged
CELL = 192  # px of a face in the grid
LEAST_WAY = 5.0  # years to the target; for nearer targets the "right way" is not judged
HEADER = (
    "method",
    "target",
    "faces",
    "age",
    "error",
    "bias",
    "right way",
    "identity",
    "LPIPS",
    "s",
)


@dataclass
class Row:
    """What was measured of one method at one target age; nan where nothing could be judged."""

    method: str
    target: str
    faces: int = 0
    age: float = float("nan")
    error: float = float("nan")
    bias: float = float("nan")
    right_way: float = float("nan")
    identity: float = float("nan")
    lpips: float = float("nan")
    seconds: float = float("nan")

    def cells(self) -> list:
        numbers = (self.age, self.error, self.bias, self.right_way, self.identity, self.lpips)
        shown = ["-" if x != x else f"{x:.2f}" for x in (*numbers, self.seconds)]
        return [self.method, self.target, str(self.faces), *shown]


@dataclass
class Comparison:
    """The photos, the target ages, and where all pictures go.

    Args:
        folder: `pictures/METHOD/AGE/NAME` below it, comparison.csv, .txt and .jpg.
        targets: ages in years.
    """

    folder: Path
    targets: Sequence[str]
    faces: dict[str, AlignedFace] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[ImageError] = field(default_factory=list)

    def path(self, method: str, target: str = "") -> Path:
        return self.folder / "pictures" / method / target

    def read(self, photos: Path, aligned: bool) -> None:
        """Find the largest face of every photo and save it aligned.

        Raises:
            UserError: there is none in any of them.
        """
        reader = FaceReader(no_crop=aligned)
        for path in progress(find_images(photos), unit="photo", label="aligning"):
            try:
                face = reader(path)
            except ImageError as error:
                self.failed.append(error)
                continue
            name = f"{path.stem}.png"
            if name in self.faces:
                raise UserError(f"{path}: another photo has this name; rename one of them")
            self.faces[name] = face
            save_image(face.picture(SIDE), self.path(INPUTS) / name)
        if not self.faces:
            raise UserError(f"{photos}: no face in any of {len(self.failed)} photos")

    def run(self, method: str, model: AgeingModel) -> None:
        """Age every face to every target by a model; the time is that of a face at all targets, files left out."""
        total = 0.0
        faces = progress(list(self.faces.items()), unit="face", label=method)
        for number, (name, face) in enumerate(faces):
            began = time.perf_counter()
            encoded = model.encode([face])
            try:
                pictures = [
                    model.transform(encoded, paddle.full([1], float(target)))
                    for target in self.targets
                ]
            except AgeRefused as error:
                self.failed.append(ImageError(name, f"{method}: {error}"))
                continue
            values = [picture[0].numpy() for picture in pictures]
            total += time.perf_counter() - began if number or len(self.faces) == 1 else 0.0
            for target, value in zip(self.targets, values):
                picture = to_picture(value).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
                save_image(picture, self.path(method, target) / name)
        self.seconds[method] = total / max(1, len(self.faces) - 1)

    def add_results(self, method: str, results: Path) -> None:
        """Take over other people's pictures, RESULTS/AGE/NAME with the photos' names and any suffix.

        Raises:
            UserError: there is none of them.
        """
        found = 0
        for target in self.targets:
            there = {p.stem: p for p in (results / target).glob("*")} if results.is_dir() else {}
            for name in self.faces:
                path = there.get(Path(name).stem)
                if path is None:
                    continue
                picture = read_image(path).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
                save_image(picture, self.path(method, target) / name)
                found += 1
        if not found:
            ages, name = ", ".join(self.targets), next(iter(self.faces))
            raise UserError(
                f"{results}: holds no AGE/NAME such as {self.targets[0]}/{name}; ages: {ages}"
            )

    def judge(self, methods: Sequence[str], workers: int, network: str, device: str) -> list[Row]:
        """Measure the pictures of each method. Ages are read by `network` (see `age_error.choose_network`)."""
        own = self._own_ages(network)
        rows = []
        for method in methods:
            measured = self._measure(method, workers, network, device)
            for scores in measured:
                failed = [failure for failure in scores.failed if failure[0].name in own]
                self.failed += [ImageError(path, reason) for path, reason in failed]
            for target in self.targets:
                row = Row(method, target, self._count(method, target))
                # Earlier runs may have left pictures of other photos.
                ages, likeness, lpips = (
                    {name: x for name, x in scores.values.get(target, {}).items() if name in own}
                    for scores in measured
                )
                fill_ages(row, ages, own)
                row.identity, row.lpips = mean_of(likeness), mean_of(lpips)
                row.seconds = self.seconds.get(method, float("nan"))
                rows.append(row)
        return rows

    def _count(self, method: str, target: str) -> int:
        return sum((self.path(method, target) / name).exists() for name in self.faces)

    def _measure(self, method: str, workers: int, network: str, device: str) -> list[Scores]:
        """Ages, identity and LPIPS of a method's pictures."""
        if not any(self._count(method, target) for target in self.targets):
            return [Scores("nothing")] * 3
        folder, inputs = self.path(method), self.path(INPUTS)
        return [
            age_error.measure(folder, workers, network, device),
            id_similarity.measure(folder, inputs, workers, "auto", device),
            losses.measure("lpips", folder, inputs, 4, 2),
        ]

    def _own_ages(self, network: str) -> dict[str, float]:
        estimator = age_error.AgeEstimator(age_error.choose_network(network))
        return {name: estimator.age_of(face) for name, face in self.faces.items()}

    def write(self, rows: Sequence[Row], notes: str) -> None:
        """Print the table and leave it as text and CSV; draw the grid."""
        text = table(list(HEADER), [row.cells() for row in rows])
        print(text)
        write_text(self.folder / "comparison.txt", f"{text}\n{notes}\n")
        write_csv(self.folder / "comparison.csv", list(HEADER), [row.cells() for row in rows])
        methods = list(dict.fromkeys(row.method for row in rows))
        save_image(self.grid(methods), self.folder / "comparison.jpg")

    def grid(self, methods: Sequence[str], most: int = 4) -> Image.Image:
        """Inputs on the left, then the targets; of each of the first `most` faces a row for each method."""
        names, margin = list(self.faces)[:most], 16
        width = CELL * (1 + len(self.targets)) + margin * 6
        sheet = Image.new("RGB", (width, margin + CELL * len(methods) * len(names)), "white")
        pen = ImageDraw.Draw(sheet)
        for column, target in enumerate(self.targets, 1):
            pen.text((margin * 6 + column * CELL + CELL // 2, 2), target, "black")
        for row, (name, method) in enumerate((n, m) for n in names for m in methods):
            y = margin + row * CELL
            pen.text((4, y + CELL // 2), method, "black")
            paths = [self.path(INPUTS) / name]
            paths += [self.path(method, target) / name for target in self.targets]
            for column, path in enumerate(paths):
                if path.exists():
                    cell = read_image(path).resize((CELL, CELL), Image.Resampling.LANCZOS)
                    sheet.paste(cell, (margin * 6 + column * CELL, y))
        return sheet


def fill_ages(row: Row, found: Mapping[str, float], own: Mapping[str, float]) -> None:
    """Age, error, bias and the share that moved the right way, of estimates by name; `own` are the photos' ages."""
    if not found:
        return
    target, names = float(row.target), list(found)
    ages, before = np.array([found[n] for n in names]), np.array([own[n] for n in names])
    row.age, row.bias = float(ages.mean()), float((ages - target).mean())
    row.error = float(np.abs(ages - target).mean())
    far = np.abs(target - before) >= LEAST_WAY
    if far.any():
        right = np.sign(ages - before) == np.sign(target - before)
        row.right_way = float(right[far].mean())


def mean_of(values: Mapping[str, float]) -> float:
    """The mean of some scores by name; nan if there is none."""
    return float(np.mean(list(values.values()))) if values else float("nan")

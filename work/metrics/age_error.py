"""Estimated against target age, over the folders that `inference.py` writes, in parallel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from work.datasets.images import ImageError, read_image
from work.errors import UserError
from work.metrics.report import (
    Scores,
    figure,
    has_scores,
    save_figure,
    table,
    write_csv,
    write_text,
)
from work.metrics.results import Result, list_results
from work.metrics.share import gather, own_share
from work.models.pretrained import installed
from work.workers import one_thread_each, run_parallel

NETWORKS = ("auto", "dex", "age_v1")


def choose(network: str) -> str:
    """What "auto" means: DEX if its weights are here, else the small network, which pip can fetch."""
    if network != "auto":
        return network
    return "dex" if installed("dex_vgg") else "age_v1"


class AgeReader:
    """A detector and an age network, in one worker."""

    def __init__(self, network: str, device: str):
        one_thread_each(device)
        from work.faces.detect import FaceDetector
        from work.inference.embedded.model import age_reader, frozen
        from work.models.dex_vgg import DexVGG

        self.detector, self.network = FaceDetector(), network
        self.net = frozen(DexVGG(), "dex_vgg") if network == "dex" else age_reader()

    def read(self, path: Path) -> float:
        """The age in years of the largest face. Raises ImageError where there is none."""
        photo = read_image(path)
        faces = self.detector(photo).landmarks
        if not len(faces):
            raise ImageError(path, "no face found")
        return self.age_of(photo, faces[0])

    def age_of(self, photo, landmarks: np.ndarray) -> float:
        """The age in years of a face whose landmarks [5, 2] are known."""
        import paddle

        from work.datasets.transforms import to_input
        from work.faces.align import align
        from work.inference.embedded.inversion import face_chip

        face = paddle.to_tensor(to_input(align(photo, landmarks, 256).image)[None])
        with paddle.no_grad():
            return float(self.net.predict_age(face if self.network == "dex" else face_chip(face)))


def _judge(state: AgeReader, result: Result) -> tuple[Result, float | ImageError]:
    try:
        return result, state.read(result.path)
    except ImageError as error:
        return result, error


def measure(data_path: Path, workers: int, network: str, device: str) -> Scores:
    """The estimated age of every picture in the folders of target ages below `data_path`.

    Raises:
        UserError: there are no such folders.
    """
    results = [result for result in list_results(data_path) if result.age]
    if not results:
        raise UserError(
            f"{data_path}: no folders named after target ages (10, 20, ...), as inference.py writes them "
            "below inference_results"
        )
    scores, results = Scores("age"), own_share(results)
    with tqdm(total=len(results), unit="img", disable=None) as bar:
        arguments = (choose(network), device)
        for result, outcome in run_parallel(_judge, results, workers, AgeReader, arguments):
            bar.update()
            if isinstance(outcome, ImageError):
                scores.failed.append((result.path, outcome.reason))
            else:
                scores.add(result, outcome)
    return gather(scores)


def summary(scores: Scores) -> dict[str, float]:
    """Over all pictures: mean absolute error and bias in years, correlation, share of rising steps.

    A step is one face at two neighbouring target ages, both judged; it rises if the estimate does.
    Correlation and steps are nan where there is only one target age.
    """
    pairs = np.array([[float(a), v] for a in scores.values for v in scores.values[a].values()])
    target, found = pairs.T
    varied = len(set(target)) > 1 and found.std() > 0
    ages = scores.ages()
    steps = [
        scores.values[b][name] > value
        for a, b in zip(ages, ages[1:])
        for name, value in scores.values[a].items()
        if name in scores.values[b]
    ]
    return {
        "mean absolute error": float(np.abs(found - target).mean()),
        "bias": float((found - target).mean()),
        "correlation": float(np.corrcoef(target, found)[0, 1]) if varied else float("nan"),
        "rising steps": float(np.mean(steps)) if steps else float("nan"),
    }


def rows(scores: Scores) -> list[list]:
    """Per target age: the age, number, mean estimate, mean absolute error, bias, standard deviation."""
    out = []
    for age in scores.ages():
        found = np.array(list(scores.values[age].values()))
        error = found - float(age)
        out.append([age, len(found), found.mean(), np.abs(error).mean(), error.mean(), found.std()])
    return out


def close(scores: Scores, out: Path, network: str) -> int:
    """Print and write stat_age.txt, scores_age.csv, scores_age.json and scores_age.png; the exit code."""
    import json

    if not scores.here:
        return 0
    if not has_scores(scores):
        return 2
    header = ["target", "n", "estimated", "abs error", "bias", "std"]
    lines = [f"{name}: {value:.4f}" for name, value in summary(scores).items()]
    text = "\n".join([table(header, rows(scores)), *lines, f"age network: {network}"])
    print(text)
    flat = [[age, name, v] for age in scores.ages() for name, v in scores.values[age].items()]
    failures = "".join(f"not judged: {path}: {reason}\n" for path, reason in scores.failed)
    write_text(out / "stat_age.txt", f"{text}\n{failures}")
    write_text(out / "scores_age.json", json.dumps(scores.values, indent=1) + "\n")
    write_csv(out / "scores_age.csv", ["target_age", "name", "estimated_age"], flat)
    _plot(scores, out / "scores_age.png")
    print(f"{len(flat)} pictures judged, {len(scores.failed)} not; written to {out}")
    return 1 if scores.failed else 0


def _plot(scores: Scores, path: Path) -> None:
    picture, axes = figure()
    data = rows(scores)
    ages = [float(row[0]) for row in data]
    axes.plot(ages, ages, color="grey", linestyle="--", label="target")
    axes.errorbar(ages, [row[2] for row in data], [row[5] for row in data], marker="o", capsize=3)
    axes.set(xlabel="target age", ylabel="estimated age (mean, standard deviation)")
    save_figure(picture, path)

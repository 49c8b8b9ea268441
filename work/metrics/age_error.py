"""Estimated against target age, over the folders that `inference.py` writes, in parallel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from work.datasets.images import ImageError
from work.errors import UserError
from work.metrics.report import (
    Scores,
    can_report,
    figure,
    save_figure,
    table,
    write_scores,
    write_stat,
)
from work.metrics.results import Result, list_results, read_face
from work.metrics.share import gather, own_share
from work.models.pretrained import installed
from work.progress import progress
from work.workers import run_parallel


def choose_network(network: str) -> str:
    """What "auto" means: DEX if its weights are here, else the small network, which pip can fetch."""
    if network != "auto":
        return network
    return "dex" if installed("dex_vgg") else "age_v1"


class AgeEstimator:
    """A detector and an age network.

    Args:
        network: "dex" or "age_v1".
    """

    def __init__(self, network: str):
        from work.faces.detect import FaceDetector
        from work.loading import load_network

        self.detector = FaceDetector()
        self.net = load_network("dex_vgg" if network == "dex" else "age_v1")

    def estimate(self, path: Path) -> float:
        """The age in years of the largest face. Raises ImageError where there is none."""
        from work.faces.aligned import find_largest

        return self.age_of(find_largest(self.detector, read_face(path), path))

    def age_of(self, face) -> float:
        """The age in years of an AlignedFace."""
        import paddle

        with paddle.no_grad():
            return float(self.net.predict_age(face.tensor()))


def _estimate(estimator: AgeEstimator, result: Result) -> tuple[Result, float | ImageError]:
    try:
        return result, estimator.estimate(result.path)
    except ImageError as error:
        return result, error


def measure(data_path: Path, workers: int, network: str, device: str) -> Scores:
    """The estimated age of every picture in the folders of target ages below `data_path`.

    Raises:
        UserError: there are no such folders.
    """
    results = [result for result in list_results(data_path) if result.has_target]
    if not results:
        raise UserError(
            f"{data_path}: no folders named after target ages (10, 20, ...), as inference.py writes them "
            "below inference_results"
        )
    scores, results = Scores("age"), own_share(results)
    arguments = (choose_network(network),)
    found = run_parallel(_estimate, results, workers, AgeEstimator, arguments, device)
    for result, age in progress(found, len(results), "picture", "age"):
        scores.add(result, age)
    return gather(scores)


def summarize(scores: Scores) -> dict[str, float]:
    """Over all pictures: mean absolute error and bias in years, correlation, share of rising steps.

    A step is one face at two neighbouring target ages, both judged; it rises if the estimate does.
    Correlation and steps are nan where there is only one target age.
    """
    target, found = np.array([(float(age), value) for age, _, value in scores.flat()]).T
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


def rows_by_age(scores: Scores) -> list[list]:
    """Per target age: the age, number, mean estimate, mean absolute error, bias, standard deviation."""
    rows = []
    for age in scores.ages():
        found = np.array(list(scores.values[age].values()))
        error = found - float(age)
        rows.append(
            [age, len(found), found.mean(), np.abs(error).mean(), error.mean(), found.std()]
        )
    return rows


def write_report(scores: Scores, out: Path, scored: Path, network: str) -> None:
    """Print what was measured and what could not be, and write it to `out`, if anything was.

    `out` gets stat_age.txt, scores_age.csv, scores_age.json, scores_age.png and the name of the folder that
    was `scored`.
    """
    if not can_report(scores):
        return
    header = ["target", "n", "estimated", "abs error", "bias", "std"]
    lines = [f"{name}: {value:.4f}" for name, value in summarize(scores).items()]
    text = "\n".join([table(header, rows_by_age(scores)), *lines, f"age network: {network}"])
    print(f"{scores.label}:\n{text}", flush=True)
    write_stat(out, scores, text)
    write_scores(out, scores, ["target_age", "name", "estimated_age"], scored)
    _plot(scores, out / "scores_age.png")


def _plot(scores: Scores, path: Path) -> None:
    picture, axes = figure()
    data = rows_by_age(scores)
    ages = [float(row[0]) for row in data]
    axes.plot(ages, ages, color="grey", linestyle="--", label="target")
    axes.errorbar(ages, [row[2] for row in data], [row[5] for row in data], marker="o", capsize=3)
    axes.set(xlabel="target age", ylabel="estimated age (mean, standard deviation)")
    save_figure(picture, path)

"""Likeness between pictures of the same name: face embeddings of MTCNN-aligned crops, in parallel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from work.datasets.images import ImageError, read_image
from work.metrics.report import Scores
from work.metrics.results import Result, list_results
from work.metrics.share import gather, own_share
from work.models.pretrained import installed
from work.workers import one_thread_each, run_parallel

NETWORKS = ("auto", "curricularface", "dlib")


@dataclass
class Job:
    """One partner and all pictures to compare with it: it is embedded once for all target ages."""

    partner: Path
    results: list[Result]


def choose(network: str) -> str:
    """What "auto" means: CurricularFace if its weights are here, else dlib's network, which pip can fetch."""
    if network != "auto":
        return network
    return "curricularface" if installed("curricularface") else "dlib"


class Judge:
    """A detector and an embedding, in one worker."""

    def __init__(self, network: str, device: str):
        one_thread_each(device)
        from work.faces.detect import FaceDetector
        from work.inference.embedded.model import frozen

        self.detector, self.network = FaceDetector(), network
        if network == "curricularface":
            from work.models.encoders.arcface import CurricularFaceIR101

            self.net = frozen(CurricularFaceIR101(), "curricularface")
        else:
            from work.models.dlib_face import DlibFace

            self.net = frozen(DlibFace(), "dlib_face")

    def embed(self, path: Path) -> np.ndarray:
        """The embedding of the largest face. Raises ImageError where there is none."""
        import paddle

        from work.datasets.transforms import to_input
        from work.faces.align import arcface_quad, cut, ffhq_quad
        from work.inference.embedded.inversion import face_chip

        photo = read_image(path)
        faces = self.detector(photo).landmarks
        if not len(faces):
            raise ImageError(path, "no face found")
        if self.network == "curricularface":
            crop = cut(photo, arcface_quad(faces[0]), 112).image
            face = paddle.to_tensor(to_input(crop, 112)[None])
        else:
            crop = cut(photo, ffhq_quad(faces[0]), 256).image
            face = face_chip(paddle.to_tensor(to_input(crop)[None]))
        with paddle.no_grad():
            return self.net(face).numpy()[0]

    def compare(self, a: np.ndarray, b: np.ndarray) -> float:
        """Cosine of CurricularFace's unit vectors, or Euclidean distance of dlib's."""
        return float(a @ b) if self.network == "curricularface" else float(np.linalg.norm(a - b))


def judge(state: Judge, job: Job) -> list[tuple[Result, float | ImageError]]:
    """Compare all pictures of a job with their partner."""
    try:
        reference = state.embed(job.partner)
    except ImageError as error:
        reason = f"its partner cannot be used: {error}"
        return [(result, ImageError(result.path, reason)) for result in job.results]
    outcomes: list[tuple[Result, float | ImageError]] = []
    for result in job.results:
        try:
            outcomes.append((result, state.compare(state.embed(result.path), reference)))
        except ImageError as error:
            outcomes.append((result, error))
    return outcomes


def measure(data_path: Path, gt_path: Path, workers: int, network: str, device: str) -> Scores:
    """Likeness of every picture to its partner: label "id" (cosine) or "id_distance" (dlib)."""
    network = choose(network)
    scores = Scores("id" if network == "curricularface" else "id_distance")
    results = list_results(data_path, gt_path)
    jobs: dict[Path, Job] = {}
    for result in results:
        if result.partner is None:
            reason = f"no picture of the name {result.name} to compare with"
            scores.failed.append((result.path, reason))
        else:
            jobs.setdefault(result.partner, Job(result.partner, [])).results.append(result)
    own = own_share(list(jobs.values()))
    with tqdm(total=sum(len(job.results) for job in own), unit="img", disable=None) as bar:
        for outcomes in run_parallel(judge, own, workers, Judge, (network, device)):
            bar.update(len(outcomes))
            for result, outcome in outcomes:
                if isinstance(outcome, ImageError):
                    scores.failed.append((result.path, outcome.reason))
                else:
                    scores.add(result, outcome)
    return gather(scores)

"""Likeness between pictures of the same name: face embeddings of MTCNN-aligned crops, in parallel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from work.datasets.images import ImageError
from work.metrics.report import Scores
from work.metrics.results import Result, list_results, no_partner, read_face
from work.metrics.share import gather, own_share
from work.models.pretrained import installed
from work.progress import progress
from work.workers import one_thread_each, run_parallel

NETWORKS = ("auto", "curricularface", "dlib")


@dataclass
class Comparison:
    """One partner and all results to compare with it: it is embedded once for all target ages."""

    partner: Path
    results: list[Result]


def choose_network(network: str) -> str:
    """What "auto" means: CurricularFace if its weights are here, else dlib's network, which pip can fetch."""
    if network != "auto":
        return network
    return "curricularface" if installed("curricularface") else "dlib"


class FaceEmbedder:
    """A detector and a face recognition network, in one worker."""

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

        photo = read_face(path)
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

    def likeness(self, a: np.ndarray, b: np.ndarray) -> float:
        """Cosine of CurricularFace's unit vectors, or Euclidean distance of dlib's."""
        return float(a @ b) if self.network == "curricularface" else float(np.linalg.norm(a - b))


def _compare(
    embedder: FaceEmbedder, comparison: Comparison
) -> list[tuple[Result, float | ImageError]]:
    try:
        reference = embedder.embed(comparison.partner)
    except ImageError as error:
        reason = f"its partner cannot be used: {error}"
        return [(result, ImageError(result.path, reason)) for result in comparison.results]
    found: list[tuple[Result, float | ImageError]] = []
    for result in comparison.results:
        try:
            found.append((result, embedder.likeness(embedder.embed(result.path), reference)))
        except ImageError as error:
            found.append((result, error))
    return found


def measure(data_path: Path, gt_path: Path, workers: int, network: str, device: str) -> Scores:
    """Likeness of every picture to its partner: label "id" (cosine) or "id_distance" (dlib)."""
    network = choose_network(network)
    scores = Scores("id" if network == "curricularface" else "id_distance")
    comparisons: dict[Path, Comparison] = {}
    for result in list_results(data_path, gt_path):
        if result.partner is None:
            scores.add(result, no_partner(result))
        else:
            comparison = comparisons.setdefault(result.partner, Comparison(result.partner, []))
            comparison.results.append(result)
    own = own_share(list(comparisons.values()))
    jobs = run_parallel(_compare, own, workers, FaceEmbedder, (network, device))
    found = (pair for pairs in jobs for pair in pairs)
    for result, value in progress(found, sum(len(one.results) for one in own), "picture"):
        scores.add(result, value)
    return gather(scores)

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
        from work.loading import load_network

        self.detector, self.network = FaceDetector(), network
        known = "curricularface" if network == "curricularface" else "dlib_face"
        self.net = load_network(known)

    def embed(self, path: Path) -> np.ndarray:
        """The embedding of the largest face. Raises ImageError where there is none."""
        import paddle

        from work.faces.align import arcface_quad
        from work.faces.aligned import AlignedFace, find_largest

        face = find_largest(self.detector, read_face(path), path)
        assert face.landmarks is not None
        with paddle.no_grad():
            if self.network == "curricularface":
                chip = AlignedFace(face.photo, arcface_quad(face.landmarks))
                return self.net(chip.tensor(112)).numpy()[0]
            return self.net.embed(face.tensor()).numpy()[0]

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

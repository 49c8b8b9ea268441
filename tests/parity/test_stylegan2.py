import math

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from tests.parity.conftest import error, fill, load
from work.models.ops.upfirdn2d import make_kernel, upfirdn2d
from work.models.stylegan2.generator import Generator
from work.models.stylegan2.layers import StyledConv, ToRGB, convolve_scaled, modulated_conv2d


@pytest.fixture(scope="module")
def generator():
    return load(Generator(64), fill("stylegan2_64", "stylegan2"))


@paddle.no_grad()
def test_golden(generator, golden):
    data = {name: paddle.to_tensor(array) for name, array in golden("generator_64").items()}
    z, w = data["z"], data["w"]
    assert error(generator.style(z), w.numpy()) < 1e-4
    mean = w.mean(axis=0, keepdim=True)
    calls = {
        "image_from_z": dict(styles=[z]),
        "image_from_w_plus": dict(styles=[data["w_plus"]], input_is_latent=True),
        "image_truncated": dict(styles=[z], truncation=0.7, truncation_latent=mean),
        "image_mixed": dict(styles=[z[:1], z[1:]], inject_index=4),
    }
    for name, call in calls.items():
        image, w_plus = generator(randomize_noise=False, return_latents=True, **call)
        assert error(image, data[name].numpy()) < 1e-4, name
        assert w_plus.shape[1:] == [10, 512]


@paddle.no_grad()
def test_noise_is_stored_given_or_fresh():
    generator = Generator(8)
    for name, weight in generator.named_parameters():
        if name.endswith("noise.weight"):  # a new one adds none
            weight.set_value(paddle.ones_like(weight))
    w = generator.style(paddle.randn([2, 512]))
    stored, _ = generator([w], input_is_latent=True, randomize_noise=False)
    again, _ = generator([w], input_is_latent=True, randomize_noise=False)
    given, _ = generator([w], input_is_latent=True, noise=generator.noises.maps())
    fresh, _ = generator([w], input_is_latent=True, randomize_noise=True)
    assert error(again, stored.numpy()) == 0
    assert error(given, stored.numpy()) == 0
    assert error(fresh, stored.numpy()) > 1e-3


@pytest.mark.parametrize(("size", "styles"), [(8, 4), (16, 6), (128, 12)])
@paddle.no_grad()
def test_sizes(size, styles):
    image, w_plus = Generator(size)([paddle.randn([1, 512])], return_latents=True)
    assert image.shape == [1, 3, size, size]
    assert w_plus.shape == [1, styles, 512]


def test_errors():
    with pytest.raises(ValueError, match="power of two"):
        Generator(48)
    with pytest.raises(ValueError, match="truncation_latent"):
        Generator(8)([paddle.zeros([1, 512])], truncation=0.5)


def plain_styled_conv(layer: StyledConv, x, w, noise):
    """The layer as the paper writes it: scale the weight, normalise it, convolve sample by sample."""
    weight, style = layer.conv.weight[0] * layer.conv.scale, layer.conv.modulation(w)
    out = []
    for i in range(len(x)):
        own = weight * style[i].reshape([1, -1, 1, 1])
        own = own / paddle.sqrt((own**2).sum(axis=[1, 2, 3], keepdim=True) + 1e-8)
        if layer.conv.upsample:
            y = F.conv2d_transpose(x[i : i + 1], own.transpose([1, 0, 2, 3]), stride=2)
            y = upfirdn2d(y, layer.conv.blur_kernel, pad=layer.conv.blur_pad, impl="ref")
        else:
            y = F.conv2d(x[i : i + 1], own, padding=1)
        out.append(y)
    y = paddle.concat(out) + layer.noise.weight * noise
    return F.leaky_relu(y + layer.activate.bias.reshape([1, -1, 1, 1]), 0.2) * math.sqrt(2)


@pytest.mark.parametrize("upsample", [False, True])
@pytest.mark.parametrize("taps", [(1, 3, 3, 1), (1, 4, 2, 7), (1, 2, 1), (2, 1, 5, 3, 1, 4)])
def test_styled_conv_and_its_gradients(upsample, taps):
    """The restructured layer against the plain one, with filters that are neither symmetric nor of length 4."""
    layer = StyledConv(6, 5, 3, 16, upsample=upsample, taps=taps)
    for parameter in layer.parameters():
        parameter.set_value(paddle.randn(parameter.shape))
    x, w = paddle.randn([3, 6, 8, 8]), paddle.randn([3, 16])
    side = 16 if upsample else 8
    noise = paddle.randn([1, 1, side, side])
    inputs = [x, w, *layer.parameters()]
    for tensor in (x, w):
        tensor.stop_gradient = False
    results = []
    for forward in (layer, lambda *args: plain_styled_conv(layer, *args)):
        y = forward(x, w, noise)
        assert y.shape == [3, 5, side, side]
        results.append([y, *paddle.grad((y**2).sum(), inputs)])
    for found, expected in zip(*results):
        assert error(found, expected.numpy()) < 1e-4


def test_to_rgb_upsamples_with_its_filter():
    taps = (1, 2, 4, 3)
    layer = ToRGB(4, 16, taps=taps)
    skip = paddle.randn([2, 3, 5, 5])
    x, w = paddle.zeros([2, 4, 10, 10]), paddle.randn([2, 16])
    expected = upfirdn2d(skip, make_kernel(taps) * 4, up=2, pad=(2, 1), impl="ref")
    assert error(layer(x, w, skip), expected.numpy()) < 1e-5


def test_modulation_without_demodulation():
    x, weight, style = paddle.randn([2, 3, 4, 4]), paddle.randn([5, 3, 1, 1]), paddle.randn([2, 3])
    found = modulated_conv2d(x, weight, style, demodulate=False, gain=3.0)
    expected = F.conv2d(x * style.reshape([2, 3, 1, 1]), weight) * 3
    assert error(found, expected.numpy()) < 1e-5
    assert np.isfinite(found.numpy()).all()


@pytest.mark.parametrize("upsample", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_scaled_features_equal_scaled_weights(upsample, demodulate, trained):
    """The two forms of a modulated convolution, in value and gradients, with a frozen and a trained weight."""
    x, weight, style = paddle.randn([3, 6, 7, 8]), paddle.randn([5, 6, 3, 3]), paddle.randn([3, 6])
    inputs = [x, style, weight] if trained else [x, style]
    for tensor in inputs:
        tensor.stop_gradient = False
    how = (demodulate, upsample, 1.5)
    out, factors = convolve_scaled(x, weight, style, *how)
    results = [
        [y, *paddle.grad((y**2).sum(), inputs)]
        for y in (out * factors.unsqueeze([2, 3]), modulated_conv2d(x, weight, style, *how))
    ]
    for found, expected in zip(*results):
        assert error(found, expected.numpy()) < 1e-4

"""PaddleGAN's public files: StyleGAN2 flat, pSp with its options and a `latent_avg` of shape [1, 18, 512].

The names and shapes below are those of its classes StyleGANv2Generator and Pixel2Style2Pixel at 1024 px.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from convert_weights import rules
from convert_weights.plan import make_plan
from convert_weights.reader import PADDLE
from convert_weights.tensors import Bytes, FileTensor, Storage, contiguous_strides
from tests.convert.helpers import fake_source, fake_tensor, official

Shapes = Iterator[tuple[str, tuple[int, ...]]]
CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}


def equal_linear(at: str, inputs: int, outputs: int) -> Shapes:
    yield f"{at}.weight", (inputs, outputs)
    yield f"{at}.bias", (outputs,)


def styled_conv(at: str, inputs: int, outputs: int) -> Shapes:
    yield f"{at}.conv.weight", (1, outputs, inputs, 3, 3)
    yield from equal_linear(f"{at}.conv.modulation", 512, inputs)
    yield f"{at}.noise.weight", (1,)
    yield f"{at}.activate.bias", (outputs,)


def to_rgb(at: str, inputs: int, upsample: bool = True) -> Shapes:
    if upsample:  # a persistable buffer; that of Upfirdn2dBlur is not
        yield f"{at}.upsample.kernel", (4, 4)
    yield f"{at}.conv.weight", (1, 3, inputs, 1, 1)
    yield from equal_linear(f"{at}.conv.modulation", 512, inputs)
    yield f"{at}.bias", (1, 3, 1, 1)


def generator() -> Shapes:
    for layer in range(1, 9):
        yield from equal_linear(f"style.{layer}", 512, 512)
    yield "input.input", (1, 512, 4, 4)
    yield from styled_conv("conv1", 512, 512)
    yield from to_rgb("to_rgb1", 512, upsample=False)
    for number in range(17):
        px = 2 ** ((number + 5) // 2)
        yield f"noises.noise_{number}", (1, 1, px, px)
    before = 512
    for number, channels in enumerate(list(CHANNELS.values())[1:]):
        yield from styled_conv(f"convs.{2 * number}", before, channels)
        yield from styled_conv(f"convs.{2 * number + 1}", channels, channels)
        yield from to_rgb(f"to_rgbs.{number}", channels)
        before = channels


def batch_norm(at: str, width: int) -> Shapes:
    for leaf in ("weight", "bias", "_mean", "_variance"):
        yield f"{at}.{leaf}", (width,)


def encoder() -> Shapes:
    yield "input_layer.0.weight", (64, 3, 3, 3)
    yield from batch_norm("input_layer.1", 64)
    yield "input_layer.2._weight", (64,)
    number, before = 0, 64
    for width, blocks in ((64, 3), (128, 4), (256, 14), (512, 3)):
        for _ in range(blocks):
            at = f"body.{number}"
            if before != width:
                yield f"{at}.shortcut_layer.0.weight", (width, before, 1, 1)
                yield from batch_norm(f"{at}.shortcut_layer.1", width)
            yield from batch_norm(f"{at}.res_layer.0", before)
            yield f"{at}.res_layer.1.weight", (width, before, 3, 3)
            yield f"{at}.res_layer.2._weight", (width,)
            yield f"{at}.res_layer.3.weight", (width, width, 3, 3)
            yield from batch_norm(f"{at}.res_layer.4", width)
            yield f"{at}.res_layer.5.fc1.weight", (width // 16, width, 1, 1)
            yield f"{at}.res_layer.5.fc2.weight", (width, width // 16, 1, 1)
            number, before = number + 1, width
    for style in range(18):
        for conv in range(4 if style < 3 else 5 if style < 7 else 6):
            yield f"styles.{style}.convs.{2 * conv}.weight", (512, 512, 3, 3)
            yield f"styles.{style}.convs.{2 * conv}.bias", (512,)
        yield from equal_linear(f"styles.{style}.linear", 512, 512)
    for name, inputs in (("latlayer1", 256), ("latlayer2", 128)):
        yield f"{name}.weight", (512, inputs, 1, 1)
        yield f"{name}.bias", (512,)


def numbered(shape: tuple[int, ...]) -> FileTensor:
    """A tensor that holds 0, 1, 2, ..."""
    data = np.arange(np.prod(shape), dtype=np.float32)
    storage = Storage("float32", data.size, Bytes(data.tobytes()))
    return FileTensor(storage, 0, shape, contiguous_strides(shape))


def psp(latent: FileTensor) -> dict:
    state = {f"encoder.{name}": fake_tensor(shape) for name, shape in encoder()}
    state.update({f"decoder.{name}": fake_tensor(shape) for name, shape in generator()})
    opts = {"encoder_type": "GradualStyleEncoder", "start_from_latent_avg": True, "input_nc": 3}
    return {**state, "latent_avg": latent, "opts": opts}


def same_as_official(plan, name: str) -> None:
    wanted = make_plan(fake_source(official(name)))
    assert {n: t.shape for n, t in plan.state().items()} == {
        n: t.shape for n, t in wanted.state().items()
    }
    assert not any(item.rule.op == rules.TRANSPOSE for item in plan.items)


def test_stylegan2():
    state = {name: fake_tensor(shape) for name, shape in generator()}
    plan = make_plan(fake_source(state, PADDLE, "stylegan2-ffhq-config-f.pdparams"))
    assert plan.kind == "stylegan2" and plan.latent_avg is None
    same_as_official(plan, "stylegan2_1024")


def test_psp_and_its_mean_latent():
    plan = make_plan(
        fake_source(psp(numbered((1, 18, 512))), PADDLE, "pSp-ffhq-inversion.pdparams")
    )
    assert plan.kind == "psp" and plan.opts["start_from_latent_avg"] is True
    same_as_official(plan, "psp_ffhq_encode")
    assert plan.latent_avg.shape == (18, 512)
    assert np.array_equal(plan.latent_avg.numpy().ravel(), np.arange(18 * 512, dtype=np.float32))


@pytest.mark.parametrize("shape", [(2, 18, 512), (1, 17, 512)])
def test_another_latent_is_still_an_error(shape):
    from convert_weights.tensors import BadFile

    with pytest.raises(BadFile, match=r"latent_avg has shape .* instead of \[18, 512\]"):
        make_plan(fake_source(psp(numbered(shape)), PADDLE, "psp.pdparams"))

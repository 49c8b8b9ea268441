"""What the official checkpoint of each network holds: names and shapes, from the block lists.

The generators yield (name, shape) in the order of the official PyTorch modules' `state_dict()`.
They are what a file is compared with, and the order in which `export_torch.py` writes.
"""

from __future__ import annotations

import math
from typing import Dict, Iterator, List, Sequence, Tuple

Shape = Tuple[int, ...]
Entry = Tuple[str, Shape]

# (channels in, channels out, blocks) of the residual stages; ArcFace, https://arxiv.org/abs/1801.07698
IR_50 = ((64, 64, 3), (64, 128, 4), (128, 256, 14), (256, 512, 3))
IR_101 = ((64, 64, 3), (64, 128, 13), (128, 256, 30), (256, 512, 3))
LPIPS_CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
ALEXNET_CONVS = (
    (0, 3, 64, 11),
    (3, 64, 192, 5),
    (6, 192, 384, 3),
    (8, 384, 256, 3),
    (10, 256, 256, 3),
)
VGG16_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
STYLE_DIM = 512
MAPPING_LAYERS = 8


def batch_norm(at: str, width: int, affine: bool = True) -> Iterator[Entry]:
    for leaf in (("weight", "bias") if affine else ()) + ("running_mean", "running_var"):
        yield f"{at}.{leaf}", (width,)
    yield f"{at}.num_batches_tracked", ()


def layer(at: str, *shape: int) -> Iterator[Entry]:
    """A convolution or linear layer with a bias."""
    yield f"{at}.weight", shape
    yield f"{at}.bias", shape[:1]


def ir_input(input_nc: int) -> Iterator[Entry]:
    yield "input_layer.0.weight", (64, input_nc, 3, 3)
    yield from batch_norm("input_layer.1", 64)
    yield "input_layer.2.weight", (64,)  # PReLU


def ir_body(stages: Sequence[Tuple[int, int, int]], squeeze: bool) -> Iterator[Entry]:
    """Improved residual blocks, with squeeze-and-excitation or without."""
    blocks = [
        (cin if first else out, out)
        for cin, out, n in stages
        for first in [True] + [False] * (n - 1)
    ]
    for index, (cin, out) in enumerate(blocks):
        at = f"body.{index}"
        if cin != out:
            yield f"{at}.shortcut_layer.0.weight", (out, cin, 1, 1)
            yield from batch_norm(f"{at}.shortcut_layer.1", out)
        yield from batch_norm(f"{at}.res_layer.0", cin)
        yield f"{at}.res_layer.1.weight", (out, cin, 3, 3)
        yield f"{at}.res_layer.2.weight", (out,)  # PReLU
        yield f"{at}.res_layer.3.weight", (out, out, 3, 3)
        yield from batch_norm(f"{at}.res_layer.4", out)
        if squeeze:
            yield f"{at}.res_layer.5.fc1.weight", (out // 16, out, 1, 1)
            yield f"{at}.res_layer.5.fc2.weight", (out, out // 16, 1, 1)


def identity(stages: Sequence[Tuple[int, int, int]], squeeze: bool) -> Iterator[Entry]:
    """Face embedding of a 112 px image: body, then 512 x 7 x 7 to 512."""
    yield from ir_input(3)
    yield from batch_norm("output_layer.0", 512)
    yield from layer("output_layer.3", 512, 512 * 7 * 7)
    # CurricularFace's last one has no scale and shift.
    yield from batch_norm("output_layer.4", 512, affine=squeeze)
    yield from ir_body(stages, squeeze)


def style_encoder(input_nc: int, n_styles: int) -> Iterator[Entry]:
    """GradualStyleEncoder: a map2style block per style, deeper for larger ones (pSp, sec. 3)."""
    yield from ir_input(input_nc)
    yield from ir_body(IR_50, True)
    for index in range(n_styles):
        # 16, 32 and 64 px features down to 1 px.
        halvings = 4 if index < 3 else 5 if index < 7 else 6
        for conv in range(halvings):
            yield from layer(f"styles.{index}.convs.{2 * conv}", 512, 512, 3, 3)
        yield from layer(f"styles.{index}.linear", 512, 512)
    yield from layer("latlayer1", 512, 256, 1, 1)
    yield from layer("latlayer2", 512, 128, 1, 1)


def w_encoder(input_nc: int) -> Iterator[Entry]:
    """pSp's encoder into W (`learn_in_w`): the body, and one linear layer instead of the styles."""
    yield from ir_input(input_nc)
    yield from layer("linear", 512, 512)
    yield from ir_body(IR_50, True)


def w_plus_encoder(input_nc: int, n_styles: int) -> Iterator[Entry]:
    """pSp's encoder that reads all styles off its last features (BackboneEncoderUsingLastLayerIntoWPlus)."""
    yield from ir_input(input_nc)
    yield from batch_norm("output_layer_2.0", 512)
    yield from layer("output_layer_2.3", 512, 512 * 7 * 7)
    yield from layer("linear", n_styles * STYLE_DIM, 512)
    yield from ir_body(IR_50, True)


def generator_channels(multiplier: int) -> Dict[int, int]:
    """Feature channels per resolution in px."""
    wide = {size: 512 for size in (4, 8, 16, 32)}
    return {**wide, **{64 << i: (256 >> i) * multiplier for i in range(5)}}


def generator(size: int, multiplier: int) -> Iterator[Entry]:
    """StyleGAN2 synthesis and mapping networks, for images of `size` px."""
    channels, depth = generator_channels(multiplier), int(math.log2(size))
    for index in range(1, MAPPING_LAYERS + 1):
        yield from layer(f"style.{index}", STYLE_DIM, STYLE_DIM)
    yield "input.input", (1, channels[4], 4, 4)
    yield from _styled_conv("conv1", channels[4], channels[4], False)
    yield from _to_rgb("to_rgb1", channels[4], False)
    sizes = [2**i for i in range(3, depth + 1)]
    for index, (before, px) in enumerate(zip([4] + sizes, sizes)):
        yield from _styled_conv(f"convs.{2 * index}", channels[before], channels[px], True)
        yield from _styled_conv(f"convs.{2 * index + 1}", channels[px], channels[px], False)
    for index, px in enumerate(sizes):
        yield from _to_rgb(f"to_rgbs.{index}", channels[px], True)
    for index in range(2 * depth - 3):
        px = 2 ** ((index + 5) // 2)
        yield f"noises.noise_{index}", (1, 1, px, px)


def _styled_conv(at: str, cin: int, out: int, up: bool) -> Iterator[Entry]:
    yield f"{at}.conv.weight", (1, out, cin, 3, 3)
    if up:
        yield f"{at}.conv.blur.kernel", (4, 4)
    yield from layer(f"{at}.conv.modulation", cin, STYLE_DIM)
    yield f"{at}.noise.weight", (1,)
    yield f"{at}.activate.bias", (out,)


def _to_rgb(at: str, cin: int, up: bool) -> Iterator[Entry]:
    yield f"{at}.bias", (1, 3, 1, 1)
    if up:
        yield f"{at}.upsample.kernel", (4, 4)
    yield f"{at}.conv.weight", (1, 3, cin, 1, 1)
    yield from layer(f"{at}.conv.modulation", cin, STYLE_DIM)


def vgg_convs() -> Iterator[Tuple[int, int, int, int]]:
    """(stage, number within the stage, channels in, channels out) of VGG16's 13 convolutions."""
    cin = 3
    for stage, (width, count) in enumerate(VGG16_STAGES, 1):
        for number in range(1, count + 1):
            yield stage, number, cin, width
            cin = width


def dex_vgg() -> Iterator[Entry]:
    """DEX: VGG16 with a class per year, 0 to 100."""
    for stage, number, cin, out in vgg_convs():
        yield from layer(f"conv{stage}_{number}", out, cin, 3, 3)
    yield from layer("fc6", 4096, 512 * 7 * 7)
    yield from layer("fc7", 4096, 4096)
    yield from layer("fc8-101", 101, 4096)


def alexnet() -> Iterator[Entry]:
    for index, cin, out, kernel in ALEXNET_CONVS:
        yield from layer(f"features.{index}", out, cin, kernel, kernel)
    for index, cin, out in ((1, 9216, 4096), (4, 4096, 4096), (6, 4096, 1000)):
        yield from layer(f"classifier.{index}", out, cin)


def vgg16() -> Iterator[Entry]:
    index = 0
    for stage, number, cin, out in vgg_convs():
        index += 1 if number == 1 and stage > 1 else 0  # the pooling layer between two stages
        yield from layer(f"features.{index}", out, cin, 3, 3)
        index += 2
    for index, cin, out in ((0, 25088, 4096), (3, 4096, 4096), (6, 4096, 1000)):
        yield from layer(f"classifier.{index}", out, cin)


def lpips_heads(net: str) -> Iterator[Entry]:
    for index, width in enumerate(LPIPS_CHANNELS[net]):
        yield f"lin{index}.model.1.weight", (1, width, 1, 1)


def under(prefix: str, entries: Iterator[Entry]) -> List[Entry]:
    return [(prefix + name, shape) for name, shape in entries]

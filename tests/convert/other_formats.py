"""Small ONNX, OpenVINO and TensorFlow Lite files, written by hand."""

from __future__ import annotations

import math
import struct
from typing import Sequence, Union

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


Part = Union[int, bytes]  # of a FlatBuffer: a number in place, or what lies behind


def flat_table(*fields: Part) -> bytes:
    """A table whose first fields are these; its vtable lies behind it."""
    size = 4 + 4 * len(fields)
    places = [4 + 4 * i for i in range(len(fields))]
    vtable = struct.pack(f"<{2 + len(fields)}H", 4 + 2 * len(fields), size, *places)
    return struct.pack("<i", -size) + _slots(fields, size - 4, vtable)


def flat_list(*parts: Part) -> bytes:
    """A vector of numbers of 32 bits, or of tables."""
    return struct.pack("<I", len(parts)) + _slots(parts, 4 * len(parts), b"")


def flat_bytes(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _slots(parts: Sequence[Part], size: int, behind: bytes) -> bytes:
    """Numbers, or the distances from their own places to the parts after `behind`; then these."""
    slots = b""
    for part in parts:
        ahead = size - len(slots) + len(behind)
        slots += struct.pack("<I", part if isinstance(part, int) else ahead)
        behind += b"" if isinstance(part, int) else part
    return slots + behind


def tflite_tensor(name: bytes, shape: Sequence[int], code: int, buffer: int) -> bytes:
    return flat_table(flat_list(*shape), code, buffer, flat_bytes(name))


def tflite_model(tensors: Sequence[bytes], *buffers: bytes) -> bytes:
    """A model of one graph; the first buffer is empty, as in every file, and comes by itself."""
    filled = [flat_table(flat_bytes(data)) for data in buffers]
    graph = flat_table(flat_list(*tensors))
    model = flat_table(3, flat_list(), flat_list(graph), 0, flat_list(flat_table(), *filled))
    return struct.pack("<I", 8) + b"TFL3" + model

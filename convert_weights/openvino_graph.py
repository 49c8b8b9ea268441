"""A reader of OpenVINO IR files: an XML graph with a blob of constants beside it; needs no OpenVINO."""

from __future__ import annotations

import math
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from work.errors import UserError
from work.files import read_file

DTYPES = {"f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32}
MAX_XML, MAX_BIN = 4 << 20, 40 << 20  # bytes; random-face has 0.4 and 32 million
MAX_DIMS, MAX_DIGITS = 8, 12


class NoDoctype(ElementTree.TreeBuilder):
    """Builds the tree of an XML file; a document type, whose entities could grow without bound, is refused."""

    def doctype(self, name: str, pubid: str, system: str) -> None:
        raise ElementTree.ParseError("it declares a document type")


class Node:
    """One operation: `kind` (the IR type), `name`, the ids of its inputs and consumers, its constant if any."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        self.inputs: list[str] = []
        self.users: list[str] = []
        self.value: np.ndarray | None = None


class Graph:
    """An IR file pair.

    Raises:
        UserError: a file is missing or no IR, or its parts do not fit together.
    """

    def __init__(self, xml_path: str | Path) -> None:
        self.path = Path(xml_path)
        bin_path = self.path.with_suffix(".bin")
        for path in (self.path, bin_path):
            if not os.path.exists(path):
                raise UserError(f"{path}: no such file (an IR is an .xml with the .bin beside it)")
        try:
            text = read_file(self.path, MAX_XML)
            root = ElementTree.fromstring(text, ElementTree.XMLParser(target=NoDoctype()))
        except (ElementTree.ParseError, LookupError, ValueError) as error:  # an unknown encoding
            raise UserError(f"{self.path}: not an OpenVINO IR file ({error})") from None
        layers, edges = root.find("layers"), root.find("edges")
        if layers is None or edges is None:
            raise UserError(f"{self.path}: not an OpenVINO IR file (no <layers> or no <edges>)")
        blob = read_file(bin_path, MAX_BIN)
        self.nodes: dict[str, Node] = {}
        for layer in layers:
            node = Node(layer.get("type", ""), layer.get("name", ""))
            if node.kind == "Const":
                node.value = self._constant(layer, blob)
            self.nodes[layer.get("id", "")] = node
        for edge in sorted(edges, key=lambda e: self._whole(e.get("to-port", "0"))):
            source, target = edge.get("from-layer", ""), edge.get("to-layer", "")
            if source not in self.nodes or target not in self.nodes:
                raise UserError(
                    f"{self.path}: damaged: an edge from or to a layer that is not there"
                )
            self.nodes[target].inputs.append(source)
            self.nodes[source].users.append(target)
        self.by_name = {node.name: node for node in self.nodes.values()}

    def _whole(self, text: str) -> int:
        """A number that the XML holds. Raises UserError unless it is a whole one from 0."""
        digits = text.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
            raise UserError(f"{self.path}: damaged: {text[:40]!r} where a number should be")
        return int(digits)

    def _constant(self, layer: ElementTree.Element, blob: bytes) -> np.ndarray:
        data = layer.find("data")
        if data is None or data.get("element_type") not in DTYPES:
            raise UserError(
                f"{self.path}: constant {layer.get('name')} has no type that is known here"
            )
        dtype = np.dtype(DTYPES[data.get("element_type", "")])
        start, size = self._whole(data.get("offset", "0")), self._whole(data.get("size", "0"))
        if start + size > len(blob):
            raise UserError(
                f"{self.path.with_suffix('.bin')}: cut short: {len(blob)} bytes, need {start + size}"
            )
        shape = [self._whole(n) for n in data.get("shape", "").split(",") if n.strip()]
        if len(shape) > MAX_DIMS or math.prod(shape) * dtype.itemsize != size or size == 0:
            name = layer.get("name")
            raise UserError(f"{self.path}: damaged: constant {name} of shape {shape[:MAX_DIMS]}")
        return np.frombuffer(blob, dtype, size // dtype.itemsize, start).reshape(shape)

    def constant(self, name: str) -> np.ndarray:
        """The float32 constant called `name`."""
        node = self.by_name.get(name)
        if node is None or node.value is None:
            raise UserError(f"{self.path}: has no constant {name}; is it random-face 2021.7.21.1?")
        return np.asarray(node.value, np.float32)

    def operand(self, node: Node) -> np.ndarray:
        """The one constant among the inputs of `node`, looking through reshapes to a fixed shape."""
        inputs = [self.nodes[source] for source in node.inputs]
        reshaped = [self.nodes[n.inputs[0]] for n in inputs if n.kind == "Reshape" and n.inputs]
        for inner in inputs + reshaped:
            if inner.value is not None:
                return np.asarray(inner.value, np.float32)
        raise UserError(
            f"{self.path}: {node.name} has no constant input; is it random-face 2021.7.21.1?"
        )

    def chain(self, node: Node, kinds: list[str]) -> list[Node]:
        """The nodes that follow `node`, each the only user of the one before; their types must be `kinds`."""
        found = []
        for kind in kinds:
            users = [self.nodes[user] for user in node.users if self.nodes[user].kind != "ShapeOf"]
            if len(users) != 1 or users[0].kind != kind:
                raise UserError(
                    f"{self.path}: expected {kind} after {node.name}; is it random-face 2021.7.21.1?"
                )
            node = users[0]
            found.append(node)
        return found

    def users_of_constant(self, name: str) -> Node:
        """The operation that takes the constant `name`."""
        self.constant(name)
        users = self.by_name[name].users
        if not users:
            raise UserError(f"{self.path}: nothing uses {name}; is it random-face 2021.7.21.1?")
        return self.nodes[users[0]]

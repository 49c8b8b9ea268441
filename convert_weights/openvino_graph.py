"""A reader of OpenVINO IR files: an XML graph with a blob of constants beside it; needs no OpenVINO."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from work.errors import UserError

DTYPES = {"f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32, "u8": np.uint8}


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
        UserError: a file is missing, is no IR, or the blob is shorter than the XML says.
    """

    def __init__(self, xml_path: str | Path) -> None:
        self.path = Path(xml_path)
        bin_path = self.path.with_suffix(".bin")
        for path in (self.path, bin_path):
            if not path.is_file():
                raise UserError(f"{path}: no such file (an IR is an .xml with the .bin beside it)")
        try:
            root = ElementTree.parse(str(self.path)).getroot()
        except ElementTree.ParseError as error:
            raise UserError(f"{self.path}: not an OpenVINO IR file ({error})") from None
        layers, edges = root.find("layers"), root.find("edges")
        if layers is None or edges is None:
            raise UserError(f"{self.path}: not an OpenVINO IR file (no <layers> or no <edges>)")
        blob = bin_path.read_bytes()
        self.nodes: dict[str, Node] = {}
        for layer in layers:
            node = Node(layer.get("type", ""), layer.get("name", ""))
            if node.kind == "Const":
                node.value = self._constant(layer, blob)
            self.nodes[layer.get("id", "")] = node
        for edge in sorted(edges, key=lambda e: int(e.get("to-port", "0"))):
            source, target = edge.get("from-layer", ""), edge.get("to-layer", "")
            self.nodes[target].inputs.append(source)
            self.nodes[source].users.append(target)
        self.by_name = {node.name: node for node in self.nodes.values()}

    def _constant(self, layer: ElementTree.Element, blob: bytes) -> np.ndarray:
        data = layer.find("data")
        if data is None or data.get("element_type") not in DTYPES:
            raise UserError(
                f"{self.path}: constant {layer.get('name')} has no type that is known here"
            )
        dtype = np.dtype(DTYPES[data.get("element_type", "")])
        start, size = int(data.get("offset", "0")), int(data.get("size", "0"))
        if start + size > len(blob):
            raise UserError(
                f"{self.path.with_suffix('.bin')}: cut short: {len(blob)} bytes, need {start + size}"
            )
        shape = [int(n) for n in data.get("shape", "").split(",") if n.strip()]
        return np.frombuffer(blob, dtype, size // dtype.itemsize, start).reshape(shape)

    def constant(self, name: str) -> np.ndarray:
        """The float32 constant called `name`."""
        node = self.by_name.get(name)
        if node is None or node.value is None:
            raise UserError(f"{self.path}: has no constant {name}; is it random-face 2021.7.21.1?")
        return np.asarray(node.value, np.float32)

    def operand(self, node: Node) -> np.ndarray:
        """The one constant among the inputs of `node`, looking through reshapes to a fixed shape."""
        for source in node.inputs:
            inner = self.nodes[source]
            if inner.value is not None:
                return np.asarray(inner.value, np.float32)
        for source in node.inputs:
            inner = self.nodes[source]
            if inner.kind == "Reshape" and self.nodes[inner.inputs[0]].value is not None:
                return np.asarray(self.nodes[inner.inputs[0]].value, np.float32)
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
        return self.nodes[self.by_name[name].users[0]]

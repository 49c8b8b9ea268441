"""Files whose grammar is right and whose values are not: pickles, OpenVINO graphs, ONNX messages."""

from __future__ import annotations

import copy
import functools
import pickle
import random
from typing import Any
from xml.etree import ElementTree

import numpy as np

from tests.convert.helpers import lpips_alex
from tests.convert.other_formats import field, mapping_xml, onnx_model

DEEP = functools.reduce(lambda inner, _: [inner], range(40), 0)
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 7, 2**62, 2**600, 1e300, float("nan"), "", "x" * 5000, "\x1b[2J\n", "sam", "stylegan2", b"bytes",
    [], {}, (), [[]], [None, "a"], {"a": {}}, {1: 2}, DEEP, np.zeros(()), np.zeros(0), np.zeros((0, 2, 3)),
    np.float16(1), np.zeros((1,) * 9), np.zeros(512), np.zeros((4, 4), np.int64), np.zeros((2, 512), bool),
)  # fmt: skip
FLOATS = np.zeros(6, np.float32)
NETWORK = {
    "decoder.to_rgbs.0.conv.weight": np.zeros((1, 3, 4, 1, 1), np.float32),
    "decoder.style.1.weight": np.zeros((4, 4), np.float32),
    "decoder.convs.1.conv.weight": np.zeros((1, 4, 4, 3, 3), np.float32),
    "encoder.input_layer.0.weight": np.zeros((4, 4, 3, 3), np.float32),
    "pretrained_encoder.input_layer.0.weight": np.zeros((4, 3, 3, 3), np.float32),
}
LATENT = np.zeros((2, 512), np.float32)
OPTIONS = {"output_size": 8, "input_nc": 4, "nested": {"list": [1, 2.5, "a"]}}
HEADS = dict(lpips_alex())
BASES = (
    {"kind": "sam", "state_dict": NETWORK, "latent_avg": LATENT, "opts": OPTIONS, "sha256": "0"},
    {"state_dict": NETWORK, "latent_avg": LATENT, "opts": OPTIONS, "epoch": 3},
    {"state_dict": {"encoder": {"a": FLOATS}, "decoder": {"b": FLOATS}}},
    {"encoder": {"a.weight": FLOATS}, "decoder": {"b.weight": FLOATS}, "latent_avg": LATENT},
    {"g_ema": {"input.input": FLOATS, "style.1.weight": np.zeros((4, 4), np.float32)}, "latent_avg": LATENT[0]},
    HEADS,
    {"state_dict": {f"module.{name}": value for name, value in HEADS.items()}, "best_acc": 0.5},
    {
        "a@@.0": FLOATS[:3],
        "a@@.1": FLOATS[3:],
        "StructuredToParameterName@@": {"a": "linear_0.w_0"},
        "UnpackBigParamInfor@@": {"a": {"OriginShape": (2, 3), "slices": ["a@@.0", "a@@.1"]}},
    },
    {"AlexNet_0": {f"Conv_{i}": {"kernel": np.zeros((3, 3, 2, 2), np.float32), "bias": FLOATS[:2]} for i in range(5)}},
)  # fmt: skip


def odd_pickle(data: bytes) -> bytes:
    """A checkpoint with up to three values changed, as the bytes of `data` decide."""
    rng = random.Random(data)
    value = copy.deepcopy(rng.choice(BASES))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _change(rng, value)
    return pickle.dumps(value, rng.choice((2, 4)))


def _change(rng: random.Random, value: Any) -> Any:
    """Replace something in nested containers, or the whole."""
    if not isinstance(value, (dict, list, tuple)) or not value or rng.random() < 0.1:
        return copy.deepcopy(rng.choice(ODD))
    items = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    key = rng.choice(list(items))
    if rng.random() < 0.2:
        del items[key]
    elif rng.random() < 0.2:
        items[rng.choice((None, 3, "", "kind", "a" * 400, "\x1b[2J\n", "latent_avg"))] = items.pop(
            key
        )
    else:
        items[key] = _change(rng, items[key])
    return items if isinstance(value, dict) else type(value)(items.values())


TEXTS = "|-1|0|1|7|11|512|1,1,512|0,5|1048576|1e3|x|f16|i64|Const|Reshape|ShapeOf|MatMul|99999999999999999999".split(
    "|"
)


def odd_graph(data: bytes) -> bytes:
    """A mapping network with up to three elements or attributes changed."""
    rng = random.Random(data)
    root = ElementTree.fromstring(mapping_xml())
    layers, edges = root[0], root[1]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        parent = rng.choice([root, layers, layers, edges, edges, *layers])
        place = rng.randrange(len(parent) + 1)
        child = parent[place] if place < len(parent) else parent
        action = rng.choice(("remove", "copy", "attribute", "attribute", "attribute"))
        if action == "remove" and child is not parent:
            parent.remove(child)
        elif action == "copy":
            rng.choice([layers, edges, parent]).append(copy.deepcopy(child))
        elif child.attrib:
            child.set(rng.choice(list(child.attrib)), rng.choice(TEXTS))
    return ElementTree.tostring(root)


NUMBERS = (0, 1, 2, 3, 6, 10, 99, 2**31 - 1, 2**31, 2**63, 2**64 - 1, 2**70)
PAYLOADS = (b"", b"\1", b"\xff\xff", b"w", b"\2\3", bytes(4), bytes(24), b"\xff" * 10)


def odd_onnx(data: bytes) -> bytes:
    """Tensors of which some fields are missing, double, or of another type."""
    rng = random.Random(data)
    tensors = []
    for _ in range(rng.choice((1, 1, 2))):
        fields = [(1, 2), (1, 3), (2, 1), (8, b"w"), (9, bytes(24))]
        for _ in range(rng.choice((0, 1, 1, 2))):
            place, value = rng.randrange(len(fields)), rng.choice((*NUMBERS, *PAYLOADS))
            number = rng.choice((fields[place][0], fields[place][0], 1, 14, rng.randrange(20)))
            fields[place : place + rng.choice((0, 1, 1))] = [(number, value)]
        tensors.append(b"".join(field(*each) for each in fields))
    return onnx_model(*tensors)

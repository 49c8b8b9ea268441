"""OpenVINO IR (XML graph + float32 blob) -> MobileStyleGAN `.pdparams`; needs neither OpenVINO nor torch.

The files are `MappingNetwork.*` and `SynthesisNetwork.*` of the PyPI package random-face 2021.7.21.1.
Constants are found by their place in the graph, not by their number in the file, and everything that the
Paddle network takes for granted (slopes, gains, Haar filters) is checked while reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from convert_weights.openvino_graph import Graph, Node
from work.errors import UserError

LEAKY_SLOPE = 0.2
N_LAYERS = 7
WIDTH = 512  # of w, and the most channels of a layer are four times as many


def _require(condition: bool, graph: Graph, what: str) -> None:
    if not condition:
        raise UserError(f"{graph.path}: {what}; is it random-face 2021.7.21.1?")


def _all_equal(values: np.ndarray, number: float) -> bool:
    return values.size <= 16 * WIDTH and np.allclose(values, number)


def grouped_by_pixel_block(channels: int) -> np.ndarray:
    """Channel order [all LL, then (LH, HL, HH) per channel] -> [LL, LH, HL, HH] per channel (the network's)."""
    count = channels // 4
    return np.array(
        [[c, *(count + 3 * c + band for band in range(3))] for c in range(count)]
    ).reshape(-1)


def mapping_state(graph: Graph) -> dict[str, np.ndarray]:
    """The eight linear layers of the mapping network; weights [in, out] (the IR holds [out, in])."""
    state: dict[str, np.ndarray] = {}
    products = [node for node in graph.nodes.values() if node.kind == "MatMul"]
    _require(len(products) == 8, graph, f"{len(products)} linear layers instead of 8")
    for index, product in enumerate(products):
        add, relu, gain = graph.chain(product, ["Add", "PReLU", "Multiply"])
        _require(
            _all_equal(graph.operand(relu), LEAKY_SLOPE), graph, "a leaky ReLU slope other than 0.2"
        )
        _require(_all_equal(graph.operand(gain), np.sqrt(2.0)), graph, "a gain other than sqrt(2)")
        weight, bias = graph.operand(product), graph.operand(add)
        right = weight.shape == (WIDTH, WIDTH) and bias.shape in ((WIDTH,), (1, WIDTH))
        _require(right, graph, f"a linear layer that is not {WIDTH} numbers wide")
        state[f"mapping.{index}.weight"], state[f"mapping.{index}.bias"] = weight.T, bias
    return state


def _style(
    graph: Graph, prefix: str, order: np.ndarray | None, gain: float = 1.0
) -> dict[str, np.ndarray]:
    """The affine from w to channel scales; constant gains behind it are multiplied in. Weight [512, channels]."""
    weight = graph.constant(f"{prefix}.modulation.weight")
    bias = graph.constant(f"{prefix}.modulation.bias").reshape(-1)
    add = graph.chain(graph.users_of_constant(f"{prefix}.modulation.weight"), ["Add"])[0]
    node = graph.chain(add, ["Reshape"])[0] if _next_kind(graph, add) == "Reshape" else add
    after = graph.chain(node, ["Multiply"])[0]
    constants = [graph.nodes[i].value for i in after.inputs if graph.nodes[i].value is not None]
    if constants:
        gain *= float(np.asarray(constants[0]).reshape(-1)[0])
    channels = len(bias) if order is None else len(order)
    right = weight.shape == (channels, WIDTH) and len(bias) == channels
    _require(right, graph, f"{prefix}.modulation of shape {list(weight.shape)}")
    if order is not None:
        weight, bias = weight[order], bias[order]
    return {"weight": (weight * gain).T, "bias": bias * gain}


def _next_kind(graph: Graph, node: Node) -> str:
    kinds = [graph.nodes[user].kind for user in node.users if graph.nodes[user].kind != "ShapeOf"]
    return kinds[0] if kinds else ""


def _biased(graph: Graph, conv: Node, order: np.ndarray | None) -> dict[str, np.ndarray]:
    """Weight, learned noise map [1, 1, H, W] and bias [C] of a dense convolution and the two sums behind it."""
    noise, bias, relu = graph.chain(conv, ["Add", "Add", "PReLU"])
    _require(
        _all_equal(graph.operand(relu), LEAKY_SLOPE), graph, "a leaky ReLU slope other than 0.2"
    )
    weight, shift = graph.operand(conv), graph.operand(bias).reshape(-1)
    if order is not None:
        weight, shift = weight[order], shift[order]
    return {"weight": weight, "noise": graph.operand(noise), "bias": shift}


def _check_haar(graph: Graph) -> None:
    """Every upsampling must be six grouped transposed convolutions with weights of 1 / sqrt(2)."""
    filters = [n for n in graph.nodes.values() if n.kind == "GroupConvolutionBackpropData"]
    right = len(filters) == 6 * (N_LAYERS + 1)
    right = right and all(_all_equal(np.abs(graph.operand(node)), np.sqrt(0.5)) for node in filters)
    _require(right, graph, "an upsampling that is not Haar's")


def _order(graph: Graph, conv: Node) -> np.ndarray:
    """`grouped_by_pixel_block` for the channels that a dense convolution gives."""
    shape = graph.operand(conv).shape
    right = len(shape) == 4 and shape[0] <= 4 * WIDTH and shape[0] % 4 == 0
    _require(right, graph, f"{conv.name} with weights of shape {list(shape)}")
    return grouped_by_pixel_block(shape[0])


def synthesis_state(graph: Graph) -> dict[str, np.ndarray]:
    """All of the synthesis network, under the names of `work.models.mobile_stylegan.MobileStyleGAN`."""
    state: dict[str, np.ndarray] = {}

    def put(prefix: str, values: dict[str, np.ndarray]) -> None:
        state.update(
            {f"{prefix}.{name}": np.ascontiguousarray(value) for name, value in values.items()}
        )

    _check_haar(graph)
    state["const"] = graph.constant("m.input.input")
    dense = [node for node in graph.nodes.values() if node.kind == "Convolution"]
    _require(bool(dense), graph, "no convolution")
    order: np.ndarray | None = _order(graph, dense[0])
    put("conv1", _biased(graph, dense[0], order))
    put("conv1.style", _style(graph, "m.conv1.conv", None))
    for index in range(N_LAYERS):
        old = f"m.layers.{index}"
        # Haar's 1/sqrt(2) in each direction, 1/2 together, goes into the scales before it
        put(f"layers.{index}.up", _style(graph, f"{old}.up", order, gain=0.5))
        for name in ("conv1", "conv2"):
            depthwise = graph.users_of_constant(f"{old}.{name}.conv.weight_dw")
            conv = graph.chain(depthwise, ["Convolution"])[0]
            kernel = graph.operand(depthwise)
            last = name == "conv2" and index < N_LAYERS - 1  # what feeds the next Haar upsampling
            order = _order(graph, conv) if last else None
            put(f"layers.{index}.{name}", _biased(graph, conv, order))
            put(f"layers.{index}.{name}.style", _style(graph, f"{old}.{name}.conv", None))
            state[f"layers.{index}.{name}.depthwise"] = kernel.reshape(
                -1, 1, *kernel.shape[-2:]
            ).copy()
    old = f"m.layers.{N_LAYERS - 1}.to_img"
    order = grouped_by_pixel_block(12)
    put("to_img", {"weight": graph.constant(f"{old}.conv.weight")[order] * np.float32(0.5)})
    put("to_img", {"bias": graph.constant(f"{old}.bias").reshape(-1)[order] * np.float32(0.5)})
    put("to_img.style", _style(graph, f"{old}.conv", None))
    return state


def mapped_samples(mapping: Mapping[str, np.ndarray], count: int, seed: int) -> np.ndarray:
    """`count` normal samples sent through the mapping network, [count, 512]."""
    x = np.random.RandomState(seed).standard_normal((count, 512)).astype(np.float32)
    x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)
    for index in range(8):
        x = x @ mapping[f"mapping.{index}.weight"] + mapping[f"mapping.{index}.bias"]
        x = np.where(x > 0, x, LEAKY_SLOPE * x) * np.float32(np.sqrt(2.0))
    return x


def convert_mobile_stylegan(folder: str | Path) -> dict[str, object]:
    """The checkpoint made from the four files in random-face's `data` folder.

    Raises:
        UserError: a file is missing, broken, or from another release.
    """
    folder = Path(folder)
    mapping = mapping_state(Graph(folder / "MappingNetwork.xml"))
    synthesis = Graph(folder / "SynthesisNetwork.xml")
    try:
        state = {**mapping, **synthesis_state(synthesis)}
    except (IndexError, ValueError) as error:  # of a weight that is no matrix, or of other channels
        raise UserError(
            f"{synthesis.path}: its constants have other shapes than random-face's ({error})"
        ) from error
    state = {name: np.ascontiguousarray(value, np.float32) for name, value in state.items()}
    samples = mapped_samples(mapping, count=10000, seed=0)
    mean_w = samples.mean(axis=0, dtype=np.float64).astype(np.float32)
    return {"kind": "mobile_stylegan", "state_dict": state, "latent_avg": mean_w}

"""Exports SAM or pSp as graphs for Paddle Inference, ONNX and OpenVINO, and compares each graph with Paddle.

There are three graphs, for one face at a time: `start` (SAM only), which does not depend on the age, so that a server
runs it once per photo; `encoder`; `generator`. docs/serving.md shows how to run them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import paddle

from work.errors import UserError
from work.files import atomic_write, check_folder
from work.inference.engines import openvino_engine, paddle_engine, sam_graph
from work.inference.engines.cache import TOLERANCE, relative_rms
from work.inference.engines.engine import EngineUnavailable, NotInstalled, Run, Shapes
from work.models.checkpoint import LazyState
from work.models.psp import PSP, add_age_channel
from work.progress import progress, say

FACE, AGE = (1, 3, 256, 256), (1,)


@dataclass
class Part:
    """One of the graphs."""

    inputs: Shapes
    output: str
    graph: Callable[..., Any]  # makes it from primitives, see engines/ops.py
    reference: Callable[..., paddle.Tensor]  # the same by Paddle


def parts_of(net: PSP, weights: LazyState) -> dict[str, Part]:
    """The graphs of SAM (`start`, `encoder`, `generator`) or of pSp (the last two)."""
    n, mean = net.n_styles, net.latent_avg.numpy()[None]
    codes = (1, n, 512)
    own, generator = weights.part("encoder."), weights.part("decoder.")

    def start(ops, face):
        w = weights.part("pretrained_encoder.")
        return ops.add(sam_graph.encoder(ops, face, w, n), mean)

    def sam_encoder(ops, face, age, start):
        plane = np.full((1, 1, 256, 256), 0.01, np.float32)
        plane = ops.mul(ops.reshape(age, [1, 1, 1, 1]), plane)
        return ops.add(sam_graph.encoder(ops, ops.concat([face, plane], 1), own, n), start)

    def psp_encoder(ops, face):
        result = sam_graph.encoder(ops, face, own, n)
        return ops.add(result, mean) if net.start_from_latent_avg else result

    parts = {}
    if net.start_from_encoded_w_plus:
        parts["start"] = Part({"face": FACE}, "start", start, net.pretrained_codes)
        inputs = {"face": FACE, "target_age": AGE, "start": codes}
        parts["encoder"] = Part(
            inputs, "w_plus", sam_encoder, lambda f, a, s: net.encode(add_age_channel(f, a), s)
        )
    else:
        parts["encoder"] = Part({"face": FACE}, "w_plus", psp_encoder, net.encode)
    parts["generator"] = Part(
        {"w_plus": codes}, "image", lambda ops, x: sam_graph.decoder(ops, x, generator), net.decode
    )
    return parts


def examples(part: Part, latent_avg: np.ndarray, seed: int) -> list[np.ndarray]:
    """Seeded inputs: a picture of flat squares, an age in years, codes near the mean latent."""
    rng = np.random.default_rng(seed)
    made = {
        "face": rng.uniform(-1, 1, (1, 3, 8, 8)).repeat(32, 2).repeat(32, 3),
        "target_age": rng.uniform(0, 100, 1),
    }
    codes = latent_avg[None] + rng.normal(0, 0.5, (1, *latent_avg.shape))
    return [made.get(name, codes).astype(np.float32) for name in part.inputs]


def write_paddle(name: str, part: Part, folder: Path) -> Run:
    paddle_engine.build(name, part.inputs, part.graph, folder, plain=True)
    return paddle_engine.load(name, folder)


def write_openvino(name: str, part: Part, folder: Path) -> Run:
    openvino_engine.version()
    openvino_engine.build(name, part.inputs, part.graph, folder)
    return openvino_engine.load(name, folder, "fp32", cached=False)


def write_onnx(name: str, part: Part, folder: Path) -> Optional[Run]:
    """Returns None if the graph is written but ONNX Runtime is not there to run it."""
    try:
        import onnx
        from onnx import TensorProto, helper

        from work.inference.engines.onnx_ops import OPSET, OnnxOps, Value
    except ImportError as error:
        raise NotInstalled("onnx is not installed (pip install onnx onnxruntime)") from error

    def info(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    ops = OnnxOps()
    result = part.graph(ops, *[Value(x) for x in part.inputs])
    ops.nodes.append(helper.make_node("Identity", [result.name], [part.output]))
    inputs = [info(x, shape) for x, shape in part.inputs.items()]
    graph = helper.make_graph(ops.nodes, name, inputs, [info(part.output, None)], ops.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    path = folder / f"{name}.onnx"
    with atomic_write(path) as temporary:
        onnx.save(model, temporary)
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda *xs: session.run(None, dict(zip(part.inputs, xs)))[0]


FORMATS = {"paddle": write_paddle, "onnx": write_onnx, "openvino": write_openvino}


def export(net: PSP, weights: LazyState, out: Path, formats: list[str], optional: bool) -> int:
    """Write `out/FORMAT/PART.*` and `out/export.json`; print how far each part is from Paddle.

    Args:
        net: SAM or pSp with its weights, on the CPU.
        weights: its state by parameter name.
        formats: keys of FORMATS.
        optional: leave out formats whose package is missing, with a note.

    Returns:
        The exit code: 0; 1 if a graph differs from Paddle or, unless `optional`, a format cannot be written; 2 if that
        is true of all formats.

    Raises:
        UserError: the network has no graphs.
    """
    if not net.has_pyramid:
        raise UserError(
            "only encoders with a feature pyramid (GradualStyleEncoder) can be exported"
        )
    check_folder(out)
    about: dict[str, Any] = {"output_size": net.output_size, "n_styles": net.n_styles}
    parts, failed = parts_of(net, weights), 0
    with progress(total=len(formats), unit="format") as bar:
        for number, chosen in enumerate(formats):
            bar.set_note(chosen)
            errors: dict[str, Optional[float]] = {}
            try:
                for name, part in parts.items():
                    errors[name] = _export_part(chosen, name, part, out, net)
                    bar.update(1 / len(parts))
            except EngineUnavailable as error:
                failed += not optional
                say(f"{'note' if optional else 'failed'}: {chosen}: {error}", to=sys.stderr)
                bar.reach(number + 1)
                continue
            about[chosen] = errors
            wrong = [k for k, e in errors.items() if e is not None and e > TOLERANCE["fp32"]]
            if wrong:
                failed += 1
                say(f"failed: {chosen}: differs from Paddle: {', '.join(wrong)}", to=sys.stderr)
    with atomic_write(out / "export.json") as path:
        path.write_text(json.dumps(about, indent=1) + "\n")
    return 0 if not failed else 1 if failed < len(formats) else 2


@paddle.no_grad()
def _export_part(chosen: str, name: str, part: Part, out: Path, net: PSP) -> Optional[float]:
    """Write one graph and compare it on two inputs; returns the larger error, or None if nothing here can run it."""
    folder = out / chosen
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{name}.*"):
        old.unlink()  # it may be another checkpoint's
    run = FORMATS[chosen](name, part, folder)
    if run is None:
        say(f"{chosen} {name}: written, not verified: onnxruntime is not installed")
        return None
    errors = []
    for seed in (0, 1):
        inputs = examples(part, net.latent_avg.numpy(), seed)
        expected = part.reference(*map(paddle.to_tensor, inputs)).numpy()
        errors.append(relative_rms(np.asarray(run(*inputs)), expected))
    say(f"{chosen} {name}: {max(errors):.1e} from Paddle (root mean square, relative)")
    return max(errors)

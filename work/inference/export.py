"""Exports a model's networks as graphs for Paddle Inference, ONNX and OpenVINO, and compares each graph with Paddle.

docs/serving.md shows how to run them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Mapping, Optional

import numpy as np
import paddle

from work.errors import UserError
from work.files import atomic_write, check_folder
from work.inference.engines import openvino_engine, paddle_engine
from work.inference.engines.cache import TOLERANCE, relative_rms
from work.inference.engines.engine import EngineUnavailable, NotInstalled, Run
from work.inference.export_parts import Part
from work.loading import GENERATOR, LIGHT_WEIGHT, open_known
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.models.lazy_state import LazyState
from work.progress import progress, say


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


def write_half(source: Path, out: Path) -> str:
    """Write SAM's or pSp's weights in float16 to one file in `out`; its name and size.

    The known small generator is left out, since `open_model` puts it back.

    Raises:
        UserError: other weights, or numbers that float16 cannot hold.
    """
    checkpoint = read_checkpoint(source)
    if checkpoint.kind not in ("sam", "psp"):
        raise UserError(f"{source}: holds {checkpoint.kind} weights; SAM's or pSp's can be halved")
    check_folder(out)
    path, state = out / f"{source.stem}_half.pdparams", checkpoint.state_dict
    small = LIGHT_WEIGHT in state and f"{GENERATOR}const" in state
    known = _known_generator(state) if small else []
    half = {name: state[name].astype(np.float16) for name in state if name not in known}
    if not all(np.isfinite(value).all() for value in half.values()):
        raise UserError(f"{source}: has numbers that float16 cannot hold")
    save_checkpoint(path, checkpoint.kind, half, checkpoint.latent_avg, checkpoint.opts)
    return f"{path}: {path.stat().st_size / 2**20:.1f} MiB"


def _known_generator(state: LazyState) -> list[str]:
    """The names of the generator's weights in a small SAM, if they are those that everyone can fetch; else none."""
    known = open_known("mobile_stylegan").state_dict
    names = {f"{GENERATOR}{name}": name for name in known}
    same = all(name in state and np.array_equal(state[name], known[names[name]]) for name in names)
    return list(names) if same else []


def export(
    parts: Mapping[str, Part],
    about: dict[str, Any],
    out: Path,
    formats: list[str],
    optional: bool,
) -> int:
    """Write `out/FORMAT/PART.*` and `out/export.json`; print how far each part is from Paddle.

    Args:
        parts: the graphs by name.
        about: what `out/export.json` says of the model.
        formats: keys of FORMATS.
        optional: leave out formats whose package is missing, with a note.

    Returns:
        The exit code: 0; 1 if a graph differs from Paddle or, unless `optional`, a format cannot be written; 2 if that
        is true of all formats.
    """
    check_folder(out)
    about, failed = dict(about), 0
    with progress(total=len(formats), unit="format") as bar:
        for number, chosen in enumerate(formats):
            bar.set_note(chosen)
            errors: dict[str, Optional[float]] = {}
            try:
                for name, part in parts.items():
                    errors[name] = _export_part(chosen, name, part, out)
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
def _export_part(chosen: str, name: str, part: Part, out: Path) -> Optional[float]:
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
        inputs = part.example(seed)
        expected = part.reference(*map(paddle.to_tensor, inputs)).numpy()
        errors.append(relative_rms(np.asarray(run(*inputs)), expected))
    say(f"{chosen} {name}: {max(errors):.1e} from Paddle (root mean square, relative)")
    return max(errors)

"""The engine "openvino": graphs in OpenVINO, on the CPU."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import numpy as np

from work import runtime
from work.files import flush
from work.inference.engines.engine import EngineUnavailable, NotInstalled, Run, Shapes
from work.inference.engines.ops import GradientOps
from work.locks import one_at_a_time

NAME = "openvino"
PRECISIONS: tuple[str, ...] = ("fp32", "bf16")
LOADERS = 3
_begun: dict[tuple[Path, str], Future[Run]] = {}  # by graph (its path without .xml) and precision


def version() -> str:
    """See Engine."""
    try:
        import openvino
    except ImportError as error:
        raise NotInstalled("openvino is not installed (pip install openvino)") from error
    return f"openvino {openvino.__version__.split('-')[0]}"


def quickest() -> str:
    """See Engine."""
    import openvino as ov

    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "fp32"


def build(name: str, inputs: Shapes, graph: Callable[..., Any], folder: Path) -> None:
    """See Engine; writes `folder/NAME.xml` and `.bin`, with weights in float32."""
    target = folder / f"{name}.xml"
    if target.is_file():
        return
    with one_at_a_time(target):
        if not target.is_file():  # another process may have written it meanwhile
            _write(name, inputs, graph, folder)


def _write(name: str, inputs: Shapes, graph: Callable[..., Any], folder: Path) -> None:
    import openvino as ov
    from openvino import opset13 as op

    from work.inference.engines.openvino_ops import OpenVinoOps

    ops: GradientOps = OpenVinoOps()
    nodes = [op.parameter(list(shape), np.float32, x) for x, shape in inputs.items()]
    for node, x in zip(nodes, inputs):
        node.output(0).get_tensor().set_names({x})
    result = graph(ops, *nodes)
    unfinished = folder / f"unfinished-{name}.xml"
    try:
        ov.save_model(ov.Model([result], nodes, name), unfinished, compress_to_fp16=False)
    except RuntimeError as error:  # a full disk, for OpenVINO
        raise EngineUnavailable(f"its graphs cannot be kept: {_reason(error)}") from error
    flush(unfinished.with_suffix(".bin"))
    unfinished.with_suffix(".bin").replace(folder / f"{name}.bin")
    unfinished.replace(folder / f"{name}.xml")  # last: where it is, both are whole


def begin(folder: Path, precision: str) -> None:
    """Start loading all graphs of a folder in the background; `load` then waits for them.

    OpenVINO is imported first: imports in several threads can deadlock.
    """
    version()
    threads = ThreadPoolExecutor(LOADERS)
    for path in folder.glob("*.xml"):
        graph = path.with_suffix("")
        _begun[graph, precision] = threads.submit(_compile, graph.name, folder, precision, True)
    threads.shutdown(wait=False)


def load(name: str, folder: Path, precision: str, cached: bool = True) -> Run:
    """See Engine; if `cached`, OpenVINO keeps what it compiles in `folder`, and takes it from there the next time."""
    begun = _begun.pop((folder / name, precision), None) if cached else None
    return begun.result() if begun else _compile(name, folder, precision, cached)


def _compile(name: str, folder: Path, precision: str, cached: bool) -> Run:
    import openvino as ov

    settings = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": runtime.cpu_count(),
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": runtime.local_ranks() == 1,  # each would take the first core
    }
    if cached:  # the weights stay in the .bin file, mapped into memory
        settings.update(CACHE_DIR=str(folder / "compiled"), CACHE_MODE="OPTIMIZE_SIZE")
    graph = folder / f"{name}.xml"
    try:
        compiled = ov.Core().compile_model(str(graph), "CPU", settings)
    except RuntimeError as error:
        graph.unlink(missing_ok=True)  # so that it is built anew
        raise EngineUnavailable(f"its {name} cannot be loaded: {_reason(error)}") from error
    if precision == "bf16" and compiled.get_property("INFERENCE_PRECISION_HINT") != ov.Type.bf16:
        raise EngineUnavailable("this CPU does not compute in bf16")
    return lambda *inputs: compiled(inputs)[0]


def _reason(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no reason given"

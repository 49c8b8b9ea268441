"""Graphs in OpenVINO: built from a checkpoint's own weights, kept in the per-user cache."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np

from work import runtime
from work.inference.engines.cache import EngineUnavailable, NotInstalled

NAME = "openvino"
PRECISIONS = ("fp32", "bf16")
LOADERS = 3  # graphs that are loaded at a time
_begun: dict[tuple[Path, str], Future] = {}  # graphs (without .xml) and precisions


def version() -> str:
    """The installed version. Raises EngineUnavailable without one."""
    try:
        import openvino
    except ImportError as error:
        raise NotInstalled("openvino is not installed (pip install openvino)") from error
    return f"openvino {openvino.__version__.split('-')[0]}"


def quickest() -> str:
    """The precision in which this CPU computes fastest."""
    import openvino as ov

    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "fp32"


def build(
    name: str,
    inputs: Mapping[str, tuple[int, ...]],
    graph: Callable[..., Any],
    folder: Path,
) -> None:
    """Write `folder/NAME.xml` and `.bin`, whole, if they are not there; weights are stored in float32.

    `graph` makes the output from the primitive operations and the inputs of these names and shapes.
    """
    if (folder / f"{name}.xml").is_file():
        return
    import openvino as ov
    from openvino import opset13 as op

    from work.inference.engines.openvino_ops import OpenVinoOps

    nodes = [op.parameter(list(shape), np.float32, x) for x, shape in inputs.items()]
    for node, x in zip(nodes, inputs):
        node.output(0).get_tensor().set_names({x})
    result = graph(OpenVinoOps(), *nodes)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"unfinished-{name}.xml"
    ov.save_model(ov.Model([result], nodes, name), unfinished, compress_to_fp16=False)
    unfinished.with_suffix(".bin").replace(folder / f"{name}.bin")
    unfinished.replace(folder / f"{name}.xml")  # last: its presence says that both are whole


def begin(folder: Path, precision: str) -> None:
    """Begin to load all graphs of a folder in the background; `load` waits for those that were begun.

    OpenVINO is imported first: imports in several threads can lock each other out.
    """
    version()
    threads = ThreadPoolExecutor(LOADERS)
    for path in folder.glob("*.xml"):
        graph = path.with_suffix("")
        _begun[graph, precision] = threads.submit(_compile, graph.name, folder, precision, True)
    threads.shutdown(wait=False)


def load(name: str, folder: Path, precision: str, cached: bool = True) -> Callable[..., np.ndarray]:
    """Compile a graph for this CPU; if `cached`, OpenVINO takes it from its own cache in `folder` the second time.

    Returns:
        A function from float32 arrays of the inputs' shapes to the output.
    """
    begun = _begun.pop((folder / name, precision), None) if cached else None
    return begun.result() if begun else _compile(name, folder, precision, cached)


def _compile(name: str, folder: Path, precision: str, cached: bool) -> Callable[..., np.ndarray]:
    import openvino as ov

    settings = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": runtime.cpu_count(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    if cached:  # the weights stay in the .bin file, mapped into memory
        settings.update(CACHE_DIR=str(folder / "compiled"), CACHE_MODE="OPTIMIZE_SIZE")
    compiled = ov.Core().compile_model(str(folder / f"{name}.xml"), "CPU", settings)
    if precision == "bf16" and compiled.get_property("INFERENCE_PRECISION_HINT") != ov.Type.bf16:
        raise EngineUnavailable("this CPU does not compute in bf16")
    return lambda *inputs: compiled(inputs)[0]

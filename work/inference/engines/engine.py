"""What an engine is, and how the fastest usable one is found.

An engine runs the same networks faster than Paddle's dygraph does. Each is a module with the members of `Engine`:
openvino_engine and paddle_engine. Nothing here imports Paddle, so that graphs can be loaded while it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional, Protocol, TypeVar

import numpy as np

Run = Callable[..., np.ndarray]  # a loaded graph: float32 arrays in, one array out
Shapes = Mapping[str, tuple[int, ...]]  # the inputs of a graph by name
Result = TypeVar("Result")


class EngineUnavailable(Exception):
    """This engine cannot be used here; the message says why."""


class NotInstalled(EngineUnavailable):
    """Software that the engine needs is missing."""


class Engine(Protocol):
    """The members of an engine's module."""

    NAME: str  # as `--engine` spells it
    PRECISIONS: tuple[str, ...]  # of "fp32" and "bf16"
    LOADERS: int  # graphs that are loaded at a time

    def version(self) -> str:
        """The installed version. Raises NotInstalled if there is none."""

    def quickest(self) -> str:
        """The one of PRECISIONS in which this CPU computes fastest."""

    def build(self, name: str, inputs: Shapes, graph: Callable[..., Any], folder: Path) -> None:
        """Write the graph NAME into `folder`, whole, unless it is there.

        `graph` makes the output from primitives (see ops.py) and the inputs' nodes.
        """

    def load(self, name: str, folder: Path, precision: str) -> Run:
        """Prepare a graph for this CPU. Raises EngineUnavailable for a precision that the CPU lacks."""


def first_usable(
    choice: str, engines: Sequence[Engine], prepare: Callable[[Engine], Result]
) -> Optional[Result]:
    """What `prepare` makes on the first engine that can be used; None if Paddle itself has to compute.

    If an engine is passed over, a line on stderr says why and what computes instead, unless "auto" only found that it
    is not installed.

    Args:
        choice: `--engine`: the name of an engine, "paddle", or "auto", which on a CPU is all `engines` in turn.
        engines: those that have graphs of the network, the fastest first.
        prepare: builds, loads and checks the graphs. Raises EngineUnavailable.
    """
    failures: dict[str, EngineUnavailable] = {}
    if choice not in ("auto", "paddle", *(engine.NAME for engine in engines)):
        failures[choice] = EngineUnavailable("it has no graphs of this network")
    result, computes = None, "Paddle"
    for engine in engines:
        if choice == engine.NAME or (choice == "auto" and _on_cpu()):
            try:
                result, computes = prepare(engine), engine.NAME
                break
            except EngineUnavailable as error:
                failures[engine.NAME] = error
            except OSError as error:  # a full disk, a cache of somebody else's
                failures[engine.NAME] = EngineUnavailable(f"its graphs cannot be kept: {error}")
    for name, reason in failures.items():
        if choice != "auto" or not isinstance(reason, NotInstalled):
            print(f"note: {computes} computes instead of {name}: {reason}", file=sys.stderr)
    return result


def supported(engine: Engine, precision: str) -> str:
    """The precision if the engine has it, else its first one, which is said."""
    if precision in engine.PRECISIONS:
        return precision
    print(f"note: {engine.NAME} computes in {engine.PRECISIONS[0]}", file=sys.stderr)
    return engine.PRECISIONS[0]


def _on_cpu() -> bool:
    import paddle

    return paddle.device.get_device() == "cpu"

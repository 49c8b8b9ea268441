"""The engine "paddle-inference": graphs in Paddle Inference with oneDNN.

That is Paddle's own way to be fast on a CPU; its dygraph runs no oneDNN kernels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import numpy as np
import paddle

from work import runtime
from work.inference.engines.engine import NotInstalled, Run, Shapes
from work.inference.engines.ops import Ops
from work.locks import one_at_a_time

NAME = "paddle-inference"
# In bf16 the encoder's PReLU returns NaN in Paddle 3.3.1, and 2.6.2 refuses the graph.
PRECISIONS: tuple[str, ...] = ("fp32",)
LOADERS = 1

# The first crashes on the encoder in Paddle 3.3.1. The others fold batch norms into constant weights; ours stand for
# a product and a sum whose scale the graph computes (see PaddleOps.scale_shift).
HARMFUL_PASSES = (
    "conv_activation_onednn_fuse_pass",
    "conv2d_bn_fuse_pass",
    "conv2d_bn_onednn_fuse_pass",
    "conv2d_bias_bn_onednn_fuse_pass",
    "conv2d_transpose_bn_fuse_pass",
    "conv2d_transpose_bias_bn_fuse_pass",
    "conv_bn_fuse_pass",
    "conv_eltwiseadd_bn_fuse_pass",
    "conv_transpose_bn_fuse_pass",
    "conv_transpose_eltwiseadd_bn_fuse_pass",
    "depthwise_conv_bn_fuse_pass",
    "depthwise_conv_eltwiseadd_bn_fuse_pass",
)


def version() -> str:
    """See Engine; a Paddle built without oneDNN (for ARM) does not count as installed."""
    from paddle.inference import Config

    config = Config()
    config.enable_mkldnn()
    if not config.mkldnn_enabled():
        raise NotInstalled("this Paddle has no oneDNN")
    return f"paddle {paddle.__version__}"


def quickest() -> str:
    """See Engine."""
    return PRECISIONS[0]


def model_file(name: str, folder: Path) -> Path:
    """The file of a graph's program: .json in Paddle 3, .pdmodel in 2.6. Its weights are beside it, in .pdiparams."""
    json = paddle.__version__.split(".")[0] != "2"
    return folder / f"{name}{'.json' if json else '.pdmodel'}"


def build(
    name: str, inputs: Shapes, graph: Callable[..., Any], folder: Path, plain: bool = False
) -> None:
    """See Engine; with `plain` the graph is also right under the passes of Paddle that `load` deletes."""
    target = model_file(name, folder)
    if target.is_file():
        return
    with one_at_a_time(target):
        if not target.is_file():  # another process may have written it meanwhile
            _write(target, name, inputs, graph, plain)


def _write(target: Path, name: str, inputs: Shapes, graph: Callable[..., Any], plain: bool) -> None:
    from work.inference.engines.paddle_ops import PaddleOps

    folder = target.parent
    unfinished = folder / f"unfinished-{name}"
    static, paddle_ops = paddle.static, PaddleOps(plain)
    ops: Ops = paddle_ops
    main, start, scope = static.Program(), static.Program(), static.Scope()
    paddle.enable_static()
    try:
        with static.program_guard(main, start), static.scope_guard(scope):
            nodes = [static.data(x, list(shape), "float32") for x, shape in inputs.items()]
            result = graph(ops, *nodes)
            executor = static.Executor(paddle.CPUPlace())
            executor.run(start)
            paddle_ops.fill(scope)
            static.save_inference_model(str(unfinished), nodes, [result], executor, program=main)
    finally:
        paddle.disable_static()
    unfinished.with_suffix(".pdiparams").replace(folder / f"{name}.pdiparams")
    unfinished.with_suffix(target.suffix).replace(target)  # last: where it is, both are whole


def load(name: str, folder: Path, precision: str = "fp32") -> Run:
    """See Engine."""
    from paddle import inference

    config = inference.Config(str(model_file(name, folder)), str(folder / f"{name}.pdiparams"))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(runtime.cpu_count())
    for harmful in HARMFUL_PASSES:
        config.delete_pass(harmful)
    predictor = inference.create_predictor(config)
    sources = [predictor.get_input_handle(x) for x in predictor.get_input_names()]
    result = predictor.get_output_handle(predictor.get_output_names()[0])

    def run(*inputs: np.ndarray) -> np.ndarray:
        for source, x in zip(sources, inputs):
            source.copy_from_cpu(np.ascontiguousarray(x))
        predictor.run()
        return result.copy_to_cpu()

    return run

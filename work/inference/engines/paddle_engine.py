"""SAM's graphs in Paddle Inference with oneDNN: what Paddle has for CPUs, where its dygraph runs no oneDNN kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np
import paddle

from work import runtime
from work.inference.engines.cache import NotInstalled

NAME = "paddle-inference"
PRECISIONS = ("fp32",)
LOADERS = 1  # graphs that are loaded at a time

# The first crashes on the encoder in Paddle 3.3.1. The others fold our batch norms, which stand for a product
# and a sum and whose scale the graph computes, into weights that are constant.
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
    """Paddle's version. Raises EngineUnavailable where it is built without oneDNN (ARM)."""
    from paddle.inference import Config

    config = Config()
    config.enable_mkldnn()
    if not config.mkldnn_enabled():
        raise NotInstalled("this Paddle has no oneDNN")
    return f"paddle {paddle.__version__}"


def model_file(name: str, folder: Path) -> Path:
    """Where the program of a graph lies: Paddle 3 writes .json, 2.6 .pdmodel; the weights are in .pdiparams."""
    json = paddle.__version__.split(".")[0] != "2"
    return folder / f"{name}{'.json' if json else '.pdmodel'}"


def build(
    name: str,
    inputs: Mapping[str, tuple[int, ...]],
    graph: Callable[..., Any],
    folder: Path,
    plain: bool = False,
) -> None:
    """Write the program `name` and its weights, whole, if they are not there; see openvino_engine.build.

    `plain`: also right under Paddle's own passes that `load` deletes.
    """
    target = model_file(name, folder)
    if target.is_file():
        return
    from work.inference.engines.paddle_ops import PaddleOps

    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"unfinished-{name}"
    static, ops = paddle.static, PaddleOps(plain)
    main, start, scope = static.Program(), static.Program(), static.Scope()
    paddle.enable_static()
    try:
        with static.program_guard(main, start), static.scope_guard(scope):
            nodes = [static.data(x, list(shape), "float32") for x, shape in inputs.items()]
            result = graph(ops, *nodes)
            executor = static.Executor(paddle.CPUPlace())
            executor.run(start)
            ops.fill(scope)
            static.save_inference_model(str(unfinished), nodes, [result], executor, program=main)
    finally:
        paddle.disable_static()
    unfinished.with_suffix(".pdiparams").replace(folder / f"{name}.pdiparams")
    unfinished.with_suffix(target.suffix).replace(target)  # last: it says that both are whole


def load(name: str, folder: Path, precision: str = "fp32") -> Callable[..., np.ndarray]:
    """Prepare a program for this CPU.

    `precision` is one of PRECISIONS: in bf16 the encoder's PReLU returns NaN in Paddle 3.3.1, and 2.6.2 refuses
    the graph.

    Returns:
        A function from float32 arrays of the inputs' shapes to the output.
    """
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

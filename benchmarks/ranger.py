"""Times a Ranger step: compiled, in plain Paddle, in PyTorch if it is installed, and as fast as memory allows.

The tensors are those of SAM's trained encoder (209.5 million parameters for a 256 px generator). One run times all of
them in turn and compares medians, so that the ratios hold on a busy machine too. `--scale 0.1` keeps a tenth of every
tensor's output channels, for smaller machines.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
MANIFEST = ROOT / "tests" / "golden" / "manifests" / "sam_1024.json"
# Bytes per element: read p g m v, write p m v; and read and write slow.
NORMAL, LOOKAHEAD = (7 * 4, 9 * 4)


def encoder_shapes(size: int, scale: float) -> list:
    """The shapes that the optimizer gets: [in, out] for linear layers, no running averages.

    The manifest's network has the 18 style heads of 1024 px; smaller generators have fewer.
    """
    styles = 2 * (size.bit_length() - 1) - 2
    shapes = []
    for entry in json.loads(MANIFEST.read_text()):
        name, shape = entry["name"], list(entry["shape"])
        buffer = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        if not name.startswith("encoder.") or buffer:
            continue
        if name.startswith("encoder.styles.") and int(name.split(".")[2]) >= styles:
            continue
        shape[0] = max(1, round(shape[0] * scale))
        shapes.append(shape[::-1] if len(shape) == 2 else shape)
    return shapes


def paddle_steps(shapes: list) -> dict:
    """A function for each (impl, kind), all on the same tensors."""
    import paddle

    from work.training.ranger_op import step as steps
    from work.training.ranger_op.update_rule import gc_layout

    def tensor(shape):
        return paddle.randn(shape) * 0.01

    params = [tensor(shape) for shape in shapes]
    rest = [(tensor(p.shape), tensor(p.shape), tensor(p.shape) ** 2, p.clone()) for p in params]
    place = params[0].place
    constants = steps.Constants((0.95, 0.999), 1e-5, 0.5)

    def make(step, lookahead):
        updates = []
        for param, others in zip(params, rest):
            centre, rows = gc_layout(param)
            updates.append(steps.Update(param, *others, rows, centre, 1e-3, 0.0, True, lookahead))

        def call():
            step(updates, constants)
            if place.is_gpu_place():
                paddle.device.synchronize()

        return call

    functions = {}
    for impl, step in (("compiled", steps.load_compiled(place)), ("ref", steps.reference_step)):
        functions[impl, "normal"] = make(step, False)
        functions[impl, "lookahead"] = make(step, True)
    return functions


def torch_step(shapes: list, device: str) -> dict:
    """The same with PyTorch's tensor operations, one after the other as in the official loop."""
    import torch

    def tensor(shape):
        return torch.randn(shape, device=device) * 0.01

    sets = []
    for shape in shapes:
        shape = shape[::-1] if len(shape) == 2 else shape
        p = tensor(shape)
        sets.append((p, tensor(shape), tensor(shape), tensor(shape) ** 2, p.clone()))

    def run(lookahead):
        for p, g, m, v, slow in sets:
            if g.dim() > 1:
                g = g - g.mean(dim=tuple(range(1, g.dim())), keepdim=True)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            m.mul_(0.95).add_(g, alpha=0.05)
            p.addcdiv_(m, v.sqrt().add_(1e-5), value=-1e-3)
            if lookahead:
                slow.add_(p - slow, alpha=0.5)
                p.copy_(slow)
        if device == "cuda":
            torch.cuda.synchronize()

    return {"normal": lambda: run(False), "lookahead": lambda: run(True)}


def copy_bandwidth(megabytes: int = 256) -> float:
    """How many bytes a copy in Paddle reads and writes per second."""
    import paddle

    source = paddle.zeros([megabytes << 18])
    target = paddle.empty_like(source)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        paddle.assign(source, output=target)
        if source.place.is_gpu_place():
            paddle.device.synchronize()
        times.append(time.perf_counter() - started)
    return 2 * (megabytes << 20) / min(times[1:])


def median_times(functions: dict, repeats: int) -> dict:
    """Time the functions in turn, so that a disturbance affects all of them."""
    times = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="the generator's pixels, up to 1024")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the output channels to keep"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    args = parser.parse_args(argv)

    import paddle

    paddle.base.core.set_num_threads(args.threads)
    shapes = encoder_shapes(args.size, args.scale)
    count = sum(math.prod(shape) for shape in shapes)
    print(f"{count / 1e6:.1f} M parameters in {len(shapes)} tensors, {args.threads} thread(s)")
    functions = paddle_steps(shapes)
    try:
        import torch

        torch.set_num_threads(args.threads)
        device = "cuda" if paddle.device.get_device().startswith("gpu") else "cpu"
        steps = torch_step(shapes, device)
        functions.update({("torch", kind): call for kind, call in steps.items()})
    except ImportError:
        print("PyTorch is not installed, so it is not compared")
    bandwidth = copy_bandwidth()
    times = median_times(functions, args.repeats)
    print(f"a copy moves {bandwidth / 1e9:.1f} GB/s")
    for kind, size in (("normal", NORMAL), ("lookahead", LOOKAHEAD)):
        limit = size * count / bandwidth
        mine = times["compiled", kind]
        print(f"{kind} step: compiled {mine:.3f} s, {size} bytes each at that speed {limit:.3f} s")
        for impl in ("ref", "torch"):
            if (impl, kind) in times:
                name = "plain Paddle" if impl == "ref" else "PyTorch"
                other = times[impl, kind]
                print(f"    {name} {other:.3f} s, {other / mine:.1f} times the compiled one")
    return 0


if __name__ == "__main__":
    sys.exit(main())

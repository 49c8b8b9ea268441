"""Times the parts of one SAM training step at the official lambdas: seconds and peak memory of each.

    python benchmarks/train_step.py --size 256 --batch 2 --torch_python /path/to/venv/with/torch/bin/python

The networks are the real ones with random weights, on which times do not depend. The parts are those of
`work/training/sam_passes.py`, in its order. CPU seconds add up all threads: they show what a part costs on a machine
that is shared. Memory is the peak of the process within the part (on a GPU, the GPU's). With --torch_python the same
parts in plain PyTorch (torch_train_step.py) follow, in a process of their own. Ranger counts in neither sum;
`benchmarks/ranger.py` compares it with plain Paddle and PyTorch. The last line leaves out the frozen encoder of the
real pass, whose codes are kept for later epochs (work/training/start_codes.py).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paddle

from work import runtime
from work.criteria.aging import AgingLoss
from work.criteria.identity import IdentityLoss
from work.criteria.lpips import LPIPS
from work.models.dex_vgg import DexVGG
from work.models.encoders.arcface import IRSE50
from work.models.psp import PSP, add_age_channel
from work.training import cpu
from work.training.networks import trained_parameters
from work.training.objective import Lambdas, Objective
from work.training.optimizers import make_optimizer

GIB = 2**30
KNOWN = "real: frozen encoder"
OFFICIAL = Lambdas(
    id_lambda=0.1,
    lpips_lambda=0.1,
    lpips_lambda_aging=0.1,
    lpips_lambda_crop=0.6,
    l2_lambda=0.25,
    l2_lambda_aging=0.25,
    l2_lambda_crop=1,
    w_norm_lambda=0.005,
    aging_lambda=5,
    cycle_lambda=1,
    use_weighted_id_loss=True,
)


class Meter:
    """Measures seconds and peak bytes of named parts over several repeats."""

    def __init__(self, gpu: bool):
        self.gpu, self.seconds, self.cpu, self.peaks = gpu, {}, {}, {}
        self.page = 4096

    def resident(self) -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * self.page

    @contextmanager
    def part(self, name: str):
        done, peak = threading.Event(), [self.resident()]

        def sample():
            while not done.wait(0.005):
                peak[0] = max(peak[0], self.resident())

        watcher = threading.Thread(target=sample)
        if self.gpu:
            paddle.device.cuda.reset_max_memory_allocated()
        else:
            watcher.start()
        start, cpu = time.perf_counter(), time.process_time()
        yield
        if self.gpu:
            paddle.device.synchronize()
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)
        self.cpu.setdefault(name, []).append(time.process_time() - cpu)
        done.set()
        if self.gpu:
            peak[0] = paddle.device.cuda.max_memory_allocated()
        else:
            watcher.join()
        self.peaks[name] = max(self.peaks.get(name, 0), peak[0])

    def report(self, torch: dict[str, float]) -> None:
        """Print a row for each part; `torch` holds PyTorch's seconds by part, or nothing."""
        median = statistics.median
        rows = {
            name: (median(times), median(self.cpu[name]), self.peaks[name] / GIB)
            for name, times in self.seconds.items()
        }
        parts = [name for name in rows if name != "Ranger"]
        for total, skipped in (("all but Ranger", ""), ("in later epochs", KNOWN)):
            sums = [sum(rows[name][i] for name in parts if name != skipped) for i in (0, 1)]
            rows[total] = (*sums, max(rows[name][2] for name in parts))
            if torch:
                torch[total] = sum(torch[name] for name in parts)
        print(
            f"{'part':24} {'seconds':>9} {'CPU s':>9} {'peak GiB':>9} {'PyTorch s':>9} {'ratio':>6}"
        )
        for name, (seconds, busy, peak) in rows.items():
            beside = f" {torch[name]:9.3f} {torch[name] / seconds:5.2f}x" if name in torch else ""
            print(f"{name:24} {seconds:9.3f} {busy:9.3f} {peak:9.2f}{beside}")


def one_pass(meter: Meter, net: PSP, objective: Objective, source, faces, ages, label: str):
    """Run the real or the cycle pass: forward, losses, backward. Returns the detached output."""
    with meter.part(f"{label}: frozen encoder"):
        start = net.start_codes(faces)
    with meter.part(f"{label}: encoder"):
        w_plus = net.encode(add_age_channel(faces, ages * 100), start)
    with meter.part(f"{label}: generator"):
        output = net.decode(w_plus, resize=True, randomize_noise=True)
    with meter.part(f"{label}: losses"):
        loss = objective(source, output, w_plus, net.latent_avg, ages, False, label)
    with meter.part(f"{label}: backward"):
        loss.total.backward()
    return output.detach()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="pixels of the generated face")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="steps after two that do not count")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--checkpoint_decoder", action="store_true")
    parser.add_argument("--torch_python", help="a Python that has torch")
    args = parser.parse_args()
    device = runtime.setup(args.device, 0)
    cpu.prepare()
    net = PSP(args.size)
    net.decoder.recompute = args.checkpoint_decoder
    trained = trained_parameters(net, ("encoder.",))
    objective = Objective(OFFICIAL, IdentityLoss(IRSE50()), LPIPS("alex"), AgingLoss(DexVGG()))
    optimizer = make_optimizer("ranger", 1e-4, trained)
    faces = paddle.clip(0.5 * paddle.randn([args.batch, 3, 256, 256]), -1, 1)
    ages = paddle.full([args.batch], 0.6)
    count = sum(p.size for p in trained.values()) / 1e6
    print(f"{device}, {runtime.cpu_count()} cores, Paddle {paddle.__version__}, {args.size} px,")
    print(f"batch {args.batch}, {count:.1f} M trained parameters, median of {args.repeats}")
    for repeat in range(args.repeats + 2):
        if (
            repeat < 3
        ):  # the first two do not count: they allocate, compile and start Ranger's state
            meter = Meter("gpu" in device)
        net.train()
        with meter.part("source features"):
            source = objective.source(faces)
        output = one_pass(meter, net, objective, source, faces, ages, "real")
        one_pass(meter, net, objective, source, output, source.ages, "cycle")
        with meter.part("Ranger"):
            optimizer.step()
        optimizer.clear_grad()
    del net, objective, optimizer, trained, output, source
    meter.report(torch_seconds(args) if args.torch_python else {})
    return 0


def torch_seconds(args: argparse.Namespace) -> dict[str, float]:
    """The medians of torch_train_step.py, by part."""
    script = str(Path(__file__).with_name("torch_train_step.py"))
    flags = [f"--{name}={getattr(args, name)}" for name in ("size", "batch", "repeats")]
    command = [args.torch_python, script, *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())

"""Check what works on this machine, one line each: the first thing to run on a GPU, and what a bug report needs.

Exit code 0: all is well ("note": something is not there that the package can do without); 1: a check failed.
The first time, it fetches the embedded model's weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.checks.outcome import report
from work.configs.command_line import make_parser
from work.errors import run

EXAMPLES = """%(prog)s
%(prog)s --device cpu --offline"""


def main(argv: list[str] | None = None) -> int:
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu, gpu:1")
    parser.add_argument(
        "--offline", action="store_true", help="fetch nothing: age no face if weights are missing"
    )
    options = parser.parse_args(argv)
    if not report("paddle", _import_paddle):
        return 1
    from work.checks import face, machine, numbers

    checks = {
        "python": machine.python,
        "package": machine.package,
        "device": lambda: machine.device(options.device),
        "compiler": machine.compilers,
        "operators": machine.operators,
        "engines": machine.engines,
        "weights": machine.weights,
        "face": lambda: face.aged(options.offline),
        "ranger": numbers.ranger,
    }
    good = [report(name, check) for name, check in checks.items()]
    if machine.on_gpu():
        gpu = {"amp": numbers.mixed_precision, "sync norm": numbers.sync_batch_norm}
        good += [report(name, check) for name, check in gpu.items()]
    return 0 if all(good) else 1


def _import_paddle() -> str:
    """The first import of Paddle, which is where a broken installation shows."""
    from work.checks.machine import versions

    return versions()


if __name__ == "__main__":
    sys.exit(run(main))

"""Damaged files for every reader: `make fuzz`, or longer: python -m tests.fuzz --count 5000 --seed 2 zip onnx"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))  # as pytest does

from tests.fuzz import checkpoints, images
from tests.fuzz.run import fuzz

TARGETS = {target.name: target for target in (*checkpoints.TARGETS, *images.TARGETS)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TARGETS))
    parser.add_argument("--count", type=int, default=300, help="files for each reader")
    parser.add_argument(
        "--start", type=int, default=0, help="number of the first one, to repeat a failure"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz_failures"), help="folder for failures"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    failed = []
    for name in args.names or TARGETS:
        begin = time.perf_counter()
        refused, failures = fuzz(TARGETS[name], args.seed, args.start, args.count, args.keep)
        seconds = time.perf_counter() - begin
        print(
            f"{name}: {args.count} files, {refused} refused, {len(failures)} failures, {seconds:.1f} s",
            flush=True,
        )
        failed += failures
    print(*failed, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

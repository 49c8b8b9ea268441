"""Compare a converted file with the checkpoint that it was made from, bit by bit.

Exit code 0: equal; 1: they differ (each difference is listed); 2: a file could not be read.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, List, Optional

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from convert_weights.plan import make_plan
from convert_weights.reader import read
from convert_weights.unwrap import OWN, shorten, unwrap
from work.configs.command_line import make_parser
from work.errors import UserError, run

EXAMPLES = "%(prog)s sam_ffhq_aging.pt work/pretrained_models/sam_ffhq_aging.pdparams"


def same(first: Any, second: Any) -> bool:
    """Equality of plain data in which NaN equals NaN and 1 differs from True and 1.0."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float) and math.isnan(first):
        return math.isnan(second)
    return bool(first == second)


def tensor_difference(name: str, original: Any, op: str, stored: Any) -> Optional[str]:
    """What differs between a tensor of the checkpoint and the stored one, None if nothing does.

    The comparison goes the opposite way of the conversion: the stored tensor is turned back.
    """
    shape = tuple(reversed(stored.shape)) if op == "transpose" else tuple(stored.shape)
    if tuple(original.shape) != shape:  # before the numbers are read
        return (
            f"{name}: stored shape {list(stored.shape)} does not fit {list(original.shape)} ({op})"
        )
    want, got = original.numpy(), stored.numpy()
    if op == "transpose":
        got = got.transpose()
    if want.dtype.kind == "f" and want.dtype != np.float32:
        want = want.astype(np.float32)
    if want.dtype != got.dtype:
        return f"{name}: stored as {got.dtype} instead of {want.dtype}"
    bits = np.dtype(f"u{want.itemsize}")
    differs = want.view(bits) != got.view(bits)
    if not np.any(differs):
        return None
    count = int(np.count_nonzero(differs))
    gap = float(np.nanmax(np.abs(want.astype(np.float64) - got)))
    return f"{name}: {count} of {want.size} numbers differ, by up to {gap:.3g}"


def compare(source: Path, target: Path, kind: str = "auto") -> List[str]:
    """Every difference between a checkpoint and its conversion. Prints what was left out."""
    plan, stored = make_plan(read(source), kind), unwrap(read(target))
    if stored.layout != OWN:
        raise UserError(f"{target}: was not written by convert.py (it has no entry `kind`)")
    differences = (
        [] if stored.kind == plan.kind else [f"kind: {stored.kind} instead of {plan.kind}"]
    )
    left = dict(stored.state)
    for item in plan.items:
        if item.new and item.new not in left:
            differences.append(f"{item.new}: missing")
        elif item.new:
            found = tensor_difference(item.new, item.tensor, item.rule.op, left.pop(item.new))
            differences += [found] if found else []
    differences += [f"{shorten([name])}: is not in {source.name}" for name in left]
    if (plan.latent_avg is None) != (stored.latent_avg is None):
        differences.append("latent_avg: is in one of the files only")
    elif plan.latent_avg is not None:
        found = tensor_difference("latent_avg", plan.latent_avg.tensor, "keep", stored.latent_avg)
        differences += [found] if found else []
    if not same(plan.opts, stored.opts):
        differences.append("opts: the options differ")
    dropped = [
        (rule.old, count, rule.op)
        for rule, count, _, _ in plan.rows()
        if rule.op.startswith("drop")
    ]
    for old, count, how in dropped + [(name, 1, "drop") for name in plan.dropped]:
        print(f"left out: {old} ({count}, {how})")
    count = len(plan.state())
    print(f"{source.name}: {count} tensors of kind {plan.kind} compared with {target.name}")
    return differences


def main(argv: Optional[List[str]] = None) -> int:
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument("source", type=Path, metavar="IN", help="the original checkpoint")
    parser.add_argument(
        "target", type=Path, metavar="OUT.pdparams", help="what convert.py made of it"
    )
    parser.add_argument("--kind", default="auto", help="what IN must be, as for convert.py")
    args = parser.parse_args(argv)
    differences = compare(args.source, args.target, args.kind)
    for line in differences:
        print(f"differs: {line}")
    print(f"{len(differences)} differences" if differences else "equal, bit for bit")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(run(main))

"""Write a `.pdparams` file as a PyTorch checkpoint in the official layout, without PyTorch.

The official code loads the result strictly: names, order and shapes are the official ones, FIR
kernels are written anew and num_batches_tracked (which inference does not use) is 0. alexnet and
vgg16 come back without their classifier, which the conversion drops. PyTorch reads the file with
`torch.load(path, weights_only=True)`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from convert_weights import rules
from convert_weights.plan import FIR, Plan, make_plan
from convert_weights.reader import PADDLE, read
from convert_weights.torch_writer import State, write_torch
from work.configs.command_line import make_parser
from work.errors import UserError, run

EXAMPLES = "%(prog)s exp/checkpoints/best_model.pdparams best_model.pt"


def official_state(plan: Plan) -> State:
    """A plan's tensors under their official names and in that order, dropped buffers made anew."""
    have = plan.state()
    entries, _ = rules.expected(
        plan.kind, {item.old: tuple(item.tensor.shape) for item in plan.items}
    )
    out = State()
    for name, _ in entries:
        matched = rules.transform(rules.TABLE[plan.kind], name)
        if matched is None:
            raise ValueError(f"no rule for {name}")  # a mistake in this package's table
        rule, new = matched
        if new:
            out[name] = Transposed(have[new]) if rule.op == rules.TRANSPOSE else have[new]
        elif rule.op == rules.DROP_FIR:
            out[name] = FIR
        elif name.endswith("num_batches_tracked"):
            out[name] = np.zeros((), np.int64)
    return out


class Transposed:
    """A linear layer's weight, turned back to PyTorch's [out, in] when it is asked for."""

    def __init__(self, tensor: Any):
        self.tensor, self.dtype = tensor, tensor.dtype
        self.shape = tuple(reversed(tensor.shape))

    def numpy(self) -> Any:
        return self.tensor.numpy().T


def export(source: Path, target: Path) -> None:
    """Write the PyTorch file. Raises UserError, and writes nothing then."""
    if target.suffix not in (".pt", ".pth"):
        raise UserError(f"{target}: the output's name must end in .pt or .pth")
    opened = read(source)
    if opened.container != PADDLE:
        raise UserError(f"{source}: is a {opened.container} file already, not a .pdparams file")
    plan = make_plan(opened)
    state = official_state(plan)
    top: Union[Dict[str, Any], State] = state
    if plan.kind == "stylegan2":
        top = {"g_ema": state}
    elif plan.kind in ("sam", "psp", "dex_vgg"):
        top = {"state_dict": state}
    if top is not state and plan.opts is not None:
        top["opts"] = plan.opts
    if top is not state and plan.latent_avg is not None:
        top["latent_avg"] = plan.latent_avg
    write_torch(target, top)
    size = target.stat().st_size / 2**20
    left_out = (
        " (features only: the classifier is not in the .pdparams)"
        if plan.kind in ("alexnet", "vgg16")
        else ""
    )
    print(f"wrote {target}: {plan.kind}, {len(state)} tensors, {size:.1f} MiB{left_out}")


def main(argv: Optional[List[str]] = None) -> int:
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument("source", type=Path, metavar="IN.pdparams")
    parser.add_argument("target", type=Path, metavar="OUT.pt")
    args = parser.parse_args(argv)
    export(args.source, args.target)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))

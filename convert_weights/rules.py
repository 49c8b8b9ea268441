"""The one table of rules: how each official name becomes a Paddle name, per kind of network.

A rule's template stands for names: `#` is a number, `*` any rest. The first rule that fits a name
applies, and a name that no rule fits is an error. Which names and shapes a kind must have comes
from `architectures.py`; together they also give the way back (`export_torch.py`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from convert_weights import architectures as arch
from convert_weights.architectures import Entry, Shape

KEEP, TRANSPOSE, DROP, DROP_FIR = "keep", "transpose", "drop", "drop, equals [1,3,3,1]"
DROPS = (DROP, DROP_FIR)


@dataclass(frozen=True)
class Rule:
    """Names like `old` become `new` (the same name if None) after the operation `op`."""

    old: str
    new: Optional[str] = None
    op: str = KEEP

    def rename(self, name: str) -> Optional[str]:
        """The new name, "" for a dropped one, None if the rule does not fit."""
        found = re.fullmatch(_pattern(self.old), name)
        if found is None:
            return None
        if self.op in DROPS:
            return ""
        parts = iter(found.groups())
        return re.sub(r"[#*]", lambda _: next(parts), self.new or self.old)


@cache
def _pattern(template: str) -> str:
    return "".join({"#": r"(\d+)", "*": r"(.+)"}.get(c, re.escape(c)) for c in template)


def _under(prefix: str, rules: Sequence[Rule]) -> List[Rule]:
    return [replace(r, old=prefix + r.old, new=prefix + r.new if r.new else None) for r in rules]


IR_BODY = [
    Rule("*.num_batches_tracked", op=DROP),
    Rule("*.running_mean", "*._mean"),
    Rule("*.running_var", "*._variance"),
    Rule("input_layer.2.weight", "input_layer.2._weight"),  # PReLU slopes
    Rule("body.#.res_layer.2.weight", "body.#.res_layer.2._weight"),
    Rule("input_layer.*"),
    Rule("body.*"),
]
IDENTITY = IR_BODY + [Rule("output_layer.3.weight", op=TRANSPOSE), Rule("output_layer.*")]
ENCODER = IR_BODY + [
    Rule("styles.#.convs.*"),
    Rule("styles.#.linear.weight", op=TRANSPOSE),
    Rule("styles.#.linear.bias"),
    Rule("latlayer#.*"),
    Rule(
        "linear.weight", op=TRANSPOSE
    ),  # pSp's encoders without a pyramid have this instead of the styles
    Rule("linear.bias"),
    Rule("output_layer_2.3.weight", op=TRANSPOSE),
    Rule("output_layer_2.*"),
]
GENERATOR = [
    Rule("*.kernel", op=DROP_FIR),
    Rule("style.#.weight", op=TRANSPOSE),
    Rule("style.#.bias"),
    Rule("*.modulation.weight", op=TRANSPOSE),
    Rule("input.input"),
    Rule("conv1.*"),
    Rule("convs.#.*"),
    Rule("to_rgb1.*"),
    Rule("to_rgbs.#.*"),
    Rule("noises.noise_#"),
]
FEATURES = [Rule("features.*"), Rule("classifier.*", op=DROP)]  # LPIPS uses the convolutions only
HEADS = [Rule("lin#.model.1.weight", "lin.#.weight")]
DEX = [
    Rule("conv#_#.*"),
    Rule("fc8-101.weight", "fc8_101.weight", TRANSPOSE),
    Rule("fc8-101.bias", "fc8_101.bias"),
    Rule("fc#.weight", op=TRANSPOSE),
    Rule("fc#.bias"),
]
TABLE: Dict[str, List[Rule]] = {
    "sam": _under("encoder.", ENCODER)
    + _under("decoder.", GENERATOR)
    + _under("pretrained_encoder.", ENCODER),
    "psp": _under("encoder.", ENCODER) + _under("decoder.", GENERATOR),
    "stylegan2": GENERATOR,
    "ir_se50": IDENTITY,
    "curricularface": IDENTITY,
    "dex_vgg": DEX,
    "alexnet": FEATURES,
    "vgg16": FEATURES,
    "lpips_alex": HEADS,
    "lpips_vgg": HEADS,
}
KINDS = tuple(TABLE)

# Files that already have Paddle's names: flat ones of this package, and the earlier public port's.
PADDLE_TABLE: Dict[str, List[Rule]] = {kind: [Rule("*")] for kind in KINDS}
PADDLE_TABLE.update(dict.fromkeys(("alexnet", "vgg16"), FEATURES))
PADDLE_TABLE.update(
    dict.fromkeys(("lpips_alex", "lpips_vgg"), [Rule("model.#.weight", "lin.#.weight"), Rule("*")])
)
PADDLE_TABLE["stylegan2"] = [Rule("*.kernel", op=DROP_FIR), Rule("*")]
PADDLE_TABLE["sam"] = PADDLE_TABLE["psp"] = [Rule("decoder.*.kernel", op=DROP_FIR), Rule("*")]
# The port's identity networks have no dropout layer before their last two layers.
PORT_IDENTITY = [
    Rule("output_layer.2.*", "output_layer.3.*"),
    Rule("output_layer.3.*", "output_layer.4.*"),
    Rule("*"),
]

# Entries beside the weights that training leaves in a checkpoint; they are not converted.
DROPPED_ENTRIES = {
    "g", "d", "g_optim", "d_optim", "args", "ada_aug_p", "mean_path_length",  # stylegan2-pytorch
    "optimizer", "scheduler", "global_step", "best_val_loss", "step", "loss",  # SAM, pSp and kin
    "discriminator_state_dict", "discriminator_optimizer_state_dict",
    "epoch", "arch", "best_prec1", "best_acc", "best_mae", "iteration",  # the age classifier
}  # fmt: skip


def transform(rules: Sequence[Rule], name: str) -> Optional[Tuple[Rule, str]]:
    """The first rule that fits, and the new name ("" if it is dropped); None if no rule fits."""
    for rule in rules:
        new = rule.rename(name)
        if new is not None:
            return rule, new
    return None


def new_shape(op: str, shape: Shape) -> Shape:
    return tuple(reversed(shape)) if op == TRANSPOSE else tuple(shape)


def recognise(shapes: Mapping[str, Shape]) -> Optional[str]:
    """The kind that these names (official or Paddle's) and shapes belong to, None if unknown."""

    def any_starts(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in shapes)

    if any_starts("decoder.") and any_starts("encoder."):
        return "sam" if any_starts("pretrained_encoder.") else "psp"
    if "input.input" in shapes:
        return "stylegan2"
    if any_starts("input_layer.") and any_starts("body."):
        return "ir_se50" if "body.0.res_layer.5.fc1.weight" in shapes else "curricularface"
    if "conv1_1.weight" in shapes and any_starts("fc"):
        return "dex_vgg"
    if "features.0.weight" in shapes:
        return "alexnet" if tuple(shapes["features.0.weight"])[2:] == (11, 11) else "vgg16"
    for second in ("lin1.model.1.weight", "lin.1.weight", "model.1.weight"):
        if second in shapes:
            return {192: "lpips_alex", 128: "lpips_vgg"}.get((tuple(shapes[second]) + (0, 0))[1])
    return None


def expected(kind: str, shapes: Mapping[str, Shape]) -> Tuple[List[Entry], str]:
    """Official names and shapes of a kind for the size that `shapes` shows, and that in words."""
    simple: Dict[str, Callable[[], Sequence[Entry]]] = {
        "ir_se50": lambda: list(arch.identity(arch.IR_50, True)),
        "curricularface": lambda: list(arch.identity(arch.IR_101, False)),
        "dex_vgg": lambda: list(arch.dex_vgg()),
        "alexnet": lambda: list(arch.alexnet()),
        "vgg16": lambda: list(arch.vgg16()),
        "lpips_alex": lambda: list(arch.lpips_heads("alex")),
        "lpips_vgg": lambda: list(arch.lpips_heads("vgg")),
    }
    if kind in simple:
        return list(simple[kind]()), ""
    prefix = "" if kind == "stylegan2" else "decoder."
    size, multiplier = _generator_size(prefix, shapes)
    entries, text = arch.under(prefix, arch.generator(size, multiplier)), f"{size} px"
    text += f", channel multiplier {multiplier}" if multiplier != 2 else ""
    if kind == "stylegan2":
        return entries, text
    n_styles = n_styles_of(size)
    first = tuple(shapes.get("encoder.input_layer.0.weight", ()))
    input_nc = first[1] if len(first) == 4 and 1 <= first[1] <= 64 else {"sam": 4, "psp": 3}[kind]
    if kind == "psp" and "encoder.output_layer_2.3.weight" in shapes:
        encoder = arch.w_plus_encoder(input_nc, n_styles)
        about = f"{text}, {n_styles} styles off the last features"
        return arch.under("encoder.", encoder) + entries, about
    if kind == "psp" and "encoder.linear.weight" in shapes:
        return arch.under("encoder.", arch.w_encoder(input_nc)) + entries, f"{text}, in W"
    entries = arch.under("encoder.", arch.style_encoder(input_nc, n_styles)) + entries
    if kind == "sam":
        entries += arch.under("pretrained_encoder.", arch.style_encoder(3, n_styles))
    return entries, f"{text}, {n_styles} styles, {input_nc} input channels"


def n_styles_of(size: int) -> int:
    """Number of style vectors that a generator of `size` px takes."""
    return 2 * int(math.log2(size)) - 2


def _generator_size(prefix: str, shapes: Mapping[str, Shape]) -> Tuple[int, int]:
    """Output size in px (8 to 1024) and channel multiplier."""
    found = [
        re.fullmatch(re.escape(prefix) + r"convs\.(\d{1,2})\.conv\.weight", name) for name in shapes
    ]
    last = max([int(f.group(1)) for f in found if f] + [1])
    # 64 px: 256 channels times the multiplier.
    wide = tuple(shapes.get(f"{prefix}convs.6.conv.weight", ()))
    return 2 ** min(last // 2 + 3, 10), 1 if wide[1:2] == (256,) else 2

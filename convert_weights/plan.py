"""A plan says for every tensor of a checkpoint what becomes of it, before any is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from convert_weights import rules
from convert_weights.architectures import Entry, Shape
from convert_weights.reader import Source, Tensor
from convert_weights.rules import DROP_FIR, DROPS, KINDS, Rule
from convert_weights.tensors import BadFile
from convert_weights.unwrap import OFFICIAL, Contents, shorten, unwrap

# What upsampling by 2 after the separable filter [1, 3, 3, 1] stores: unit sum times 2 x 2.
FIR = (np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64 * 4).astype(np.float32)
FLOATS = ("float64", "float32", "float16", "bfloat16")


class Converted:
    """A tensor as it will be stored: transposed by its rule, floats as float32; read on demand."""

    def __init__(self, tensor: Tensor, op: str = rules.KEEP):
        self.tensor, self.op = tensor, op
        self.shape = rules.new_shape(op, tuple(tensor.shape))
        self.dtype = "float32" if tensor.dtype in FLOATS else tensor.dtype
        self.nbytes = tensor.size * np.dtype(self.dtype).itemsize

    def numpy(self) -> np.ndarray:
        """The numbers; a transposed tensor is a view, which the writer copies piece by piece."""
        array = self.tensor.numpy().astype(self.dtype, copy=False)
        return array.T if self.op == rules.TRANSPOSE else array


@dataclass
class Item:
    """One tensor of the source. `new` is "" where it is dropped."""

    old: str
    new: str
    rule: Rule
    tensor: Tensor


@dataclass
class Plan:
    """Everything about a conversion.

    Attributes:
        kind: one of rules.KINDS; about: sizes in words; items: in the order of the file.
        latent_avg: None if there is none; opts: plain data; dropped: entries beside the weights.
    """

    source: Source
    kind: str
    about: str
    layout: str
    items: List[Item]
    latent_avg: Optional[Converted]
    opts: Optional[Any]
    dropped: List[str]

    def state(self) -> Dict[str, Converted]:
        """Tensors by new name."""
        return {item.new: Converted(item.tensor, item.rule.op) for item in self.items if item.new}

    def rows(self) -> Iterator[Tuple[Rule, int, int, str]]:
        """(rule, number of tensors, their bytes in the source, dtypes) per rule that was used."""
        groups: Dict[Rule, List[Item]] = {}
        for item in self.items:
            groups.setdefault(item.rule, []).append(item)
        for rule, items in groups.items():
            dtypes = sorted({item.tensor.dtype for item in items})
            yield rule, len(items), sum(item.tensor.nbytes for item in items), "/".join(dtypes)


def make_plan(source: Source, kind: str = "auto") -> Plan:
    """Match a file with the rules.

    Raises:
        BadFile: one line that lists what no rule names, what is missing and what has another shape.
    """
    contents = unwrap(source)
    shapes = {name: tuple(tensor.shape) for name, tensor in contents.state.items()}
    found = rules.recognise(shapes)
    wanted = (contents.kind or found) if kind == "auto" else kind
    if wanted not in KINDS or found not in (wanted, None):
        raise BadFile(f"{source.path}: {_not_recognised(wanted, found, list(shapes))}")
    entries, about = rules.expected(wanted, shapes)
    table, wanted_shapes = _table(wanted, contents, entries)
    items, problems = _match(contents.state, table, wanted_shapes)
    problems += _check_latent(wanted, contents.latent_avg, entries)
    if problems:
        count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
        raise BadFile(
            f"{source.path}: does not fit a {wanted} checkpoint ({count}): {shorten(problems)}"
        )
    latent_avg = None if contents.latent_avg is None else Converted(contents.latent_avg)
    return Plan(
        source, wanted, about, contents.layout, items, latent_avg, contents.opts, contents.dropped
    )


def _not_recognised(wanted: Optional[str], found: Optional[str], names: List[str]) -> str:
    if found and wanted:
        return f"its names are those of a {found} checkpoint, not of {wanted}"
    return f"is of no known kind ({', '.join(KINDS)}); it holds {shorten(names, 4)}"


def paddle_entries(kind: str, entries: Sequence[Entry]) -> Dict[str, Tuple[str, Rule, Shape]]:
    """For each official name that is kept: the Paddle name, its rule, and the stored shape."""
    out = {}
    for name, shape in entries:
        matched = rules.transform(rules.TABLE[kind], name)
        if matched is None:
            # A mistake in this package.
            raise ValueError(f"the table of {kind} has no rule for {name}")
        rule, new = matched
        if new:
            out[name] = (new, rule, rules.new_shape(rule.op, shape))
    return out


def _dropped_shapes(kind: str, entries: Sequence[Entry]) -> Dict[str, Shape]:
    """Shapes of the official names that the conversion drops."""
    kept = paddle_entries(kind, entries)
    return {name: shape for name, shape in entries if name not in kept}


def _table(
    kind: str, contents: Contents, entries: Sequence[Entry]
) -> Tuple[List[Rule], Dict[str, Shape]]:
    """The rules for a file's names, and the shapes that its names should have."""
    if contents.layout == OFFICIAL:
        if kind == "dex_vgg":  # SAM itself renames fc8-101 in memory; files may be saved from there
            state = contents.state
            contents.state = {k.replace("fc8_101", "fc8-101"): v for k, v in state.items()}
        return rules.TABLE[kind], dict(entries)
    table = rules.PADDLE_TABLE[kind]
    if kind in ("ir_se50", "curricularface") and "output_layer.2.weight" in contents.state:
        table = rules.PORT_IDENTITY
    shapes = {new: shape for new, _, shape in paddle_entries(kind, entries).values()}
    dropped = _dropped_shapes(kind, entries)
    by_name = {}
    for name in contents.state:
        matched = rules.transform(table, name)
        if matched and matched[1] in shapes:
            by_name[name] = shapes.pop(matched[1])
        elif matched and matched[0].op in DROPS and name in dropped:
            shape = dropped[name]  # linear layers lie transposed
            by_name[name] = shape[::-1] if len(shape) == 2 else shape
    return table, {**by_name, **shapes}


def _match(
    state: Mapping[str, Tensor], table: Sequence[Rule], shapes: Mapping[str, Shape]
) -> Tuple[List[Item], List[str]]:
    items: List[Item] = []
    unknown, wrong, seen = [], [], set()
    for name, tensor in state.items():
        matched = rules.transform(table, name)
        if matched is None or name not in shapes:
            unknown.append(f"unknown {name} {list(tensor.shape)}")
            continue
        rule, new = matched
        seen.add(name)
        dropped_count = rule.op == rules.DROP and name.endswith("num_batches_tracked")
        if tuple(tensor.shape) != shapes[name] and not (dropped_count and tensor.size == 1):
            wrong.append(f"{name} has shape {list(tensor.shape)} instead of {list(shapes[name])}")
        elif new and tensor.dtype not in FLOATS:
            wrong.append(f"{name} holds {tensor.dtype} numbers instead of float32")
        elif rule.op == DROP_FIR and not np.allclose(tensor.numpy(), FIR, atol=1e-6):
            wrong.append(f"{name} is not the filter [1,3,3,1] that the generator uses")
        items.append(Item(name, new, rule, tensor))
    missing = [
        f"missing {name}" for name in shapes if name not in seen and not _optional(table, name)
    ]
    return items, unknown + missing + wrong


def _optional(table: Sequence[Rule], name: str) -> bool:
    """What is dropped need not be there: PyTorch 0.4.0 stored no num_batches_tracked, say."""
    matched = rules.transform(table, name)
    return matched is not None and matched[0].op in DROPS


def _check_latent(kind: str, latent: Optional[Tensor], entries: Sequence[Entry]) -> List[str]:
    if latent is None:
        return []
    # One for each style, or one for all.
    head = re.compile(r"encoder\.(styles\.\d+\.)?linear\.bias")
    styles = sum(shape[0] for name, shape in entries if head.fullmatch(name)) // 512
    allowed: List[Shape] = [(512,), (1, 512)] + ([(styles, 512)] if styles else [])
    if kind not in ("sam", "psp", "stylegan2"):
        return ["unknown latent_avg"]
    if tuple(latent.shape) not in allowed or latent.dtype not in FLOATS:
        return [f"latent_avg has shape {list(latent.shape)} instead of {list(allowed[-1])}"]
    return []

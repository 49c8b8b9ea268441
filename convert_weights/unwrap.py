"""Find the weights, `latent_avg` and the options, however a checkpoint wraps them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from convert_weights.checksum import ENTRY
from convert_weights.plain import plain
from convert_weights.reader import PADDLE, Source, Tensor
from convert_weights.rules import DROPPED_ENTRIES
from convert_weights.tensors import MAX_TENSORS, BadFile, FileTensor, JoinedTensor

OFFICIAL, PADDLE_NAMES, OWN = "official PyTorch names", "Paddle names", "this package's layout"
TENSORS = (FileTensor, JoinedTensor)
NETWORKS = ("encoder", "decoder", "pretrained_encoder")
MAX_NAME = 300  # characters of a tensor's name
MAX_LATENT = 1 << 20  # numbers; 18 styles have 9,216


@dataclass
class Contents:
    """What a checkpoint holds.

    Attributes:
        state: tensors by name; layout: OFFICIAL, PADDLE_NAMES or OWN; kind: if the file says it.
        dropped: names of the top-level entries that are left out.
    """

    state: Dict[str, Tensor]
    layout: str
    kind: Optional[str] = None
    latent_avg: Optional[Tensor] = None
    opts: Optional[Any] = None
    dropped: List[str] = field(default_factory=list)


def unwrap(source: Source) -> Contents:
    """Sort a checkpoint's entries. Raises BadFile for entries that no rule names."""
    data = source.data
    if data == {}:
        raise BadFile(f"{source.path}: holds a dictionary without entries")
    if not isinstance(data, dict):
        found = "tensor" if isinstance(data, TENSORS) else type(data).__name__
        raise BadFile(f"{source.path}: holds a {found}, not a dictionary of weights")
    state, rest = _split(data)
    state = _flatten(state)
    own = isinstance(rest.get("kind"), str) and "state_dict" in data
    kind = rest.pop("kind") if own else None
    if own:
        rest.pop(ENTRY, None)  # see checksum.py
    latent_avg, opts = rest.pop("latent_avg", None), rest.pop("opts", None)
    latent_avg = _one_latent(source, latent_avg, state.pop("latent_avg", None))
    for prefix in ("module.", "g_ema."):  # DataParallel; flat safetensors of StyleGAN2
        if state and all(name.startswith(prefix) for name in state):
            state = {name[len(prefix) :]: value for name, value in state.items()}
    _check(source, kind, state, opts, rest)
    layout = OWN if own else _layout(source, data, state)
    try:
        return Contents(
            state,
            layout,
            kind,
            latent_avg,
            None if opts is None else plain(opts),
            [str(n) for n in rest],
        )
    except BadFile as error:
        raise BadFile(f"{source.path}: {error}") from error


def _check(
    source: Source, kind: Optional[str], state: Dict[str, Any], opts: Any, rest: Dict[Any, Any]
) -> None:
    """Refuse entries that no rule names, and what no checkpoint holds."""
    if kind is not None and not re.fullmatch(r"\w{1,40}", kind):
        raise BadFile(f"{source.path}: its kind {kind[:40]!r} is not the name of a network")
    if not isinstance(opts, (dict, type(None))):
        raise BadFile(f"{source.path}: its opts are a {type(opts).__name__}, not a dictionary")
    if len(state) > MAX_TENSORS:
        raise BadFile(f"{source.path}: refuses a file of more than {MAX_TENSORS} tensors")
    unknown = [str(name) for name in rest if name not in DROPPED_ENTRIES]
    unknown += [n for n, x in state.items() if not isinstance(x, TENSORS) or len(n) > MAX_NAME]
    if unknown:
        raise BadFile(f"{source.path}: unknown entries: {shorten(unknown)}")
    if not state:
        raise BadFile(f"{source.path}: holds no weights")


def shorten(names: List[str], most: int = 10) -> str:
    """The first names, printable, and the number of all of them."""
    shown = ["".join(c if c.isprintable() else "?" for c in name[:90]) for name in names[:most]]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(shown)}{more}"


def _split(data: Dict[Any, Any]) -> Tuple[Dict[Any, Any], Dict[Any, Any]]:
    """The weights (maybe nested) and the entries beside them."""
    for wrapper in ("state_dict", "g_ema"):
        if isinstance(data.get(wrapper), dict):
            return data[wrapper], {key: value for key, value in data.items() if key != wrapper}
    if isinstance(data.get("encoder"), dict):
        return {k: v for k, v in data.items() if k in NETWORKS}, {
            k: v for k, v in data.items() if k not in NETWORKS
        }
    state = {
        key: value
        for key, value in data.items()
        if isinstance(value, TENSORS) and key != "latent_avg"
    }
    return state, {key: value for key, value in data.items() if key not in state}


def _flatten(state: Dict[Any, Any]) -> Dict[str, Any]:
    out: Dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, dict):
            out.update({f"{name}.{inner}": tensor for inner, tensor in value.items()})
        else:
            out[str(name)] = value
    return out


def _one_latent(source: Source, first: Any, second: Any) -> Optional[Tensor]:
    """`latent_avg`, from beside the weights or among them; PaddleGAN's has a batch axis, which is taken off."""
    found = [value for value in (first, second) if value is not None]
    if not all(isinstance(value, TENSORS) for value in found):
        raise BadFile(f"{source.path}: its latent_avg is not a tensor")
    for value in found:  # before its numbers are read
        if value.size > MAX_LATENT:
            raise BadFile(f"{source.path}: refuses a latent_avg of shape {list(value.shape)}")
    if len(found) == 2 and not np.array_equal(found[0].numpy(), found[1].numpy()):
        raise BadFile(f"{source.path}: holds two different latent_avg")
    if found and isinstance(found[0], FileTensor) and len(found[0].shape) == 3:
        latent = found[0]
        if latent.shape[0] == 1:
            return FileTensor(latent.storage, latent.offset, latent.shape[1:], latent.strides[1:])
    return found[0] if found else None


def _layout(source: Source, data: Dict[Any, Any], state: Dict[str, Tensor]) -> str:
    """Whether the layout is PyTorch's or Paddle's: names tell, else shapes, else the format."""
    leaves = {name.rpartition(".")[2] for name in state}
    if leaves & {"running_mean", "running_var", "num_batches_tracked"} or "fc8-101.weight" in state:
        return OFFICIAL
    if (
        leaves & {"_mean", "_variance", "_weight"}
        or "lin.0.weight" in state
        or "model.0.weight" in state
    ):
        return PADDLE_NAMES
    for name, value in state.items():
        shape = tuple(value.shape)
        if len(shape) == 2 and shape[0] != shape[1]:
            if name.endswith("modulation.weight"):  # [channels, 512] in PyTorch
                return OFFICIAL if shape[1] == 512 else PADDLE_NAMES
            if name in ("fc6.weight", "fc8_101.weight"):  # [4096, 25088] and [101, 4096] in PyTorch
                return OFFICIAL if shape in ((4096, 25088), (101, 4096)) else PADDLE_NAMES
    return PADDLE_NAMES if source.container == PADDLE else OFFICIAL

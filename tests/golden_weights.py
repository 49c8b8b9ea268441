"""The reproducible numbers of tests/golden/weights.py under this package's names; needs no pytest."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import weights

from convert_weights import rules

# How many of each numbered part a network of 8 px has.
PARTS = {
    r"styles\.(\d+)\.": 4,
    r"convs\.(\d+)\.(conv|noise|activate)": 2,
    r"to_rgbs\.(\d+)": 1,
    r"noise_(\d+)": 3,
}


def fill(manifest: str, kind: str, seed: int = 1) -> dict[str, np.ndarray]:
    """An official checkpoint's tensors, renamed and laid out by convert_weights' rules."""
    return fill_entries(weights.load_manifest(manifest), kind, seed)


def fill_entries(entries: list[dict], kind: str, seed: int = 1) -> dict[str, np.ndarray]:
    """The same for the given entries of a manifest."""
    state = {}
    for name, array in weights.fill(entries, seed).items():
        if name == "latent_avg":
            state[name] = array
            continue
        rule, new = rules.transform(rules.TABLE[kind], name.replace("g_ema.", ""))
        if new:
            state[new] = np.ascontiguousarray(array.T) if rule.op == rules.TRANSPOSE else array
    return state


def save_tiny_sam(path: Path) -> Path:
    """A real SAM, small: the golden weights cut down to 8 px output; about 550 MB."""
    from work.models.checkpoint import save_checkpoint

    entries = [e for e in weights.load_manifest("sam_64") if _is_in_8_px(e["name"])]
    state = fill_entries(entries, "sam")
    latent_avg = state.pop("latent_avg")[:4]
    opts = {"output_size": 8, "input_nc": 4, "start_from_encoded_w_plus": True, "device": "cuda"}
    save_checkpoint(path, "sam", state, latent_avg, opts)
    return path


def _is_in_8_px(name: str) -> bool:
    for pattern, count in PARTS.items():
        found = re.search(pattern, name)
        if found and int(found.group(1)) >= count:
            return False
    return True

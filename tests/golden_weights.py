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

    state = fill_entries(_entries_in_8_px(), "sam")
    latent_avg = state.pop("latent_avg")[:4]
    opts = {"output_size": 8, "input_nc": 4, "start_from_encoded_w_plus": True, "device": "cuda"}
    save_checkpoint(path, "sam", state, latent_avg, opts)
    return path


def save_light_sam(path: Path) -> Path:
    """The same generator behind light encoders, which are much faster; about 55 MB."""
    import paddle

    from work.models.checkpoint import save_checkpoint
    from work.models.psp import PSP

    entries = _entries_in_8_px()
    generator = [e for e in entries if e["name"].startswith(("decoder.", "latent_avg"))]
    golden = fill_entries(generator, "sam")
    latent_avg = golden.pop("latent_avg")[:4]
    paddle.seed(0)
    state = {
        name: value.numpy() for name, value in PSP(output_size=8, light=True).state_dict().items()
    }
    rng = np.random.default_rng(0)
    for name, value in state.items():
        if name.endswith("linear.weight"):  # a new head gives no codes
            state[name] = rng.normal(0, 1, value.shape).astype(np.float32)
    state["encoder.input_layer.0.weight"][:, 3] *= 20  # the age matters
    # Codes move as far as they are long.
    axes = rng.normal(0, 0.125, state["encoder.scatter"].shape)
    state["encoder.scatter"] = axes.astype(np.float32)
    save_checkpoint(path, "sam", {**state, **golden}, latent_avg, {"output_size": 8, "input_nc": 4})
    return path


def _entries_in_8_px() -> list[dict]:
    return [e for e in weights.load_manifest("sam_64") if _is_in_8_px(e["name"])]


def _is_in_8_px(name: str) -> bool:
    for pattern, count in PARTS.items():
        found = re.search(pattern, name)
        if found and int(found.group(1)) >= count:
            return False
    return True

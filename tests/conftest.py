"""A real SAM, small: the golden weights cut down to 8 px output, saved once per session."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

# How many of each numbered part an 8 px network has.
PARTS = {r"styles\.(\d+)\.": 4, r"convs\.(\d+)\.(conv|noise|activate)": 2, r"to_rgbs\.(\d+)": 1}
PARTS[r"noise_(\d+)"] = 3


def _kept(name: str) -> bool:
    for pattern, count in PARTS.items():
        found = re.search(pattern, name)
        if found and int(found.group(1)) >= count:
            return False
    return True


@pytest.fixture(scope="session")
def tiny_sam(tmp_path_factory):
    """The path of a `.pdparams` file (about 550 MB) whose pictures depend on the age."""
    import weights

    from tests.parity.conftest import fill_entries
    from work.models.checkpoint import save_checkpoint

    entries = [entry for entry in weights.load_manifest("sam_64") if _kept(entry["name"])]
    state = fill_entries(entries, "sam")
    latent_avg = state.pop("latent_avg")[:4]
    path = tmp_path_factory.mktemp("weights") / "tiny_sam.pdparams"
    opts = {"output_size": 8, "input_nc": 4, "start_from_encoded_w_plus": True, "device": "cuda"}
    save_checkpoint(path, "sam", state, latent_avg, opts)
    return path


@pytest.fixture
def photos(tmp_path):
    """A folder with three pictures of different shapes and two files that are none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (64, 64)), ("b.jpg", (90, 120)), ("c.png", (256, 256))):
        grid = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(grid).resize(size, Image.BICUBIC).save(folder / name)
    (folder / "broken.jpg").write_bytes((folder / "b.jpg").read_bytes()[:300])
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not an image")
    return folder

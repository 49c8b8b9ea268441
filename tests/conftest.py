"""A real SAM, small: 8 px output, random weights, saved once per session."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def tiny_sam(tmp_path_factory):
    """The path of a `.pdparams` file (about 550 MB) whose network gives pictures that depend on the age."""
    from work import runtime
    from work.models.checkpoint import save_checkpoint
    from work.models.psp import PSP

    runtime.setup("cpu", seed=1)
    net = PSP(8)
    for name, parameter in net.named_parameters():
        if name.startswith("encoder.styles") and name.endswith("linear.weight"):
            parameter.set_value(parameter * 3)
    path = tmp_path_factory.mktemp("weights") / "tiny_sam.pdparams"
    opts = {"output_size": 8, "input_nc": 4, "start_from_encoded_w_plus": True, "device": "cuda"}
    save_checkpoint(path, "sam", net.state_dict(), np.full((4, 512), 0.1, np.float32), opts)
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

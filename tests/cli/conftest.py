"""The tiny SAM, loaded once for all tests of scripts that can share it."""

from __future__ import annotations

import pytest

from tests.faces.conftest import detector, fetched, portraits

__all__ = ["detector", "fetched", "portraits"]


@pytest.fixture(scope="session")
def tiny_model(tiny_sam):
    from work.configs.options import ModelOptions
    from work.inference.sam import SAM
    from work.loading import load_psp
    from work.models.checkpoint import read_checkpoint

    return SAM(load_psp(read_checkpoint(tiny_sam), ModelOptions(), "tiny"))

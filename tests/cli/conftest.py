"""The tiny SAM, loaded once for all tests of scripts that can share it."""

from __future__ import annotations

import pytest

from tests.faces.conftest import detector, fetched, portraits

__all__ = ["detector", "fetched", "portraits"]


@pytest.fixture(scope="session")
def tiny_model(tiny_sam):
    from work.configs.options import ModelOptions
    from work.inference.model import build_sam
    from work.models.checkpoint import read_checkpoint

    return build_sam(read_checkpoint(tiny_sam), ModelOptions(), "tiny")

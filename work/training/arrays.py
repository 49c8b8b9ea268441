"""Writing named arrays whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from work.files import atomic_write


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays as .npz; an interrupted run leaves no half of a file."""
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)

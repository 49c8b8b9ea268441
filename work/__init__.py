"""SAM face ageing on PaddlePaddle. `from work import Ager, save_image` is the Python API.

Paddle is imported on first use.
"""

import warnings
from typing import Any

# Paddle 3 says this at every import, to people who compile nothing.
warnings.filterwarnings("ignore", message="No ccache found")

__all__ = ["Ager", "save_image"]


def __getattr__(name: str) -> Any:
    if name == "Ager":
        from work.api import Ager

        return Ager
    if name == "save_image":
        from work.datasets.images import save_image

        return save_image
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

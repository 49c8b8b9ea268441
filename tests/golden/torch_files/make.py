"""Write zip.pt and legacy.pt with a real PyTorch (torch==2.13.0); the tests know the same numbers by formula.

    python make.py
"""

from __future__ import annotations

import argparse
from collections import OrderedDict, defaultdict
from pathlib import Path, PosixPath

import numpy as np
import torch


def build() -> dict:
    base = torch.arange(60, dtype=torch.float32) / 8
    grid = torch.arange(24, dtype=torch.float32).reshape(1, 2, 3, 4)
    state = OrderedDict(
        plain=base[:12].clone().reshape(3, 4),
        whole=base,
        slice=base[10:22].reshape(3, 4),
        transposed=base[24:48].reshape(4, 6).t(),
        strided=base[1::7],
        channels_last=grid.to(memory_format=torch.channels_last),
        parameter=torch.nn.Parameter(torch.full((2, 2), 0.5)),
        half=torch.tensor([0.1, -2.0, 65504.0], dtype=torch.float16),
        bfloat=torch.tensor([0.1, -2.0, 3e38], dtype=torch.bfloat16),
        double=torch.tensor([[0.1]], dtype=torch.float64),
        long=torch.tensor(2**40),
        bytes=torch.tensor([0, 255], dtype=torch.uint8),
        flags=torch.tensor([True, False]),
        empty=torch.zeros(0, 5),
    )
    state._metadata = OrderedDict([("", {"version": 1})])  # as every module's state_dict() has
    options = argparse.Namespace(
        path=PosixPath("/data/faces"), device=torch.device("cuda", 1), size=torch.Size([2, 3]), dtype=torch.float16,
        rate=np.float64(0.25), count=np.int64(7), tensor=torch.tensor([1.5, 2.5]), pair=(1, "two"), names={"one"},
        nothing=None, yes=True, big=2**70, nested=defaultdict(list, {"a": [1.0, -2]}), array=np.arange(3, dtype=">i4"),
    )  # fmt: skip
    return {"state_dict": state, "opts": options}


if __name__ == "__main__":
    folder = Path(__file__).parent
    torch.save(build(), folder / "zip.pt")
    torch.save(build(), folder / "legacy.pt", _use_new_zipfile_serialization=False)

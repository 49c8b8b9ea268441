"""Small checkpoint files, and tensors of any size that take no memory."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import weights

from convert_weights import architectures as arch
from convert_weights.reader import TORCH_ZIP, Source
from convert_weights.tensors import FileTensor, Storage, contiguous_strides
from convert_weights.torch_writer import State, write_torch
from work import errors

FILES = Path(__file__).parents[1] / "golden" / "torch_files"

MANIFESTS = {
    "sam_64": "sam", "sam_1024": "sam", "psp_ffhq_encode": "psp", "stylegan2_64": "stylegan2",
    "stylegan2_1024": "stylegan2", "model_ir_se50": "ir_se50", "curricularface_backbone": "curricularface",
    "dex_age_classifier": "dex_vgg", "alexnet": "alexnet", "vgg16": "vgg16", "lpips_lin_alex": "lpips_alex",
    "lpips_lin_vgg": "lpips_vgg",
}  # fmt: skip


def manifest(name: str) -> list[dict]:
    return weights.load_manifest(name)


def stylegan2_8() -> State:
    """The smallest generator of the official architecture (8 px, 40 MB) with golden-like numbers."""
    entries = [{"name": f"g_ema.{n}", "shape": list(s)} for n, s in arch.generator(8, 2)]
    return State({k[6:]: v for k, v in weights.fill(entries, 1).items()})


def lpips_alex() -> State:
    return State(weights.fill(manifest("lpips_lin_alex"), 1))


def write_lpips(path: Path, **changed: np.ndarray) -> Path:
    """A PyTorch zip file of the LPIPS heads; keywords replace or add tensors (None removes), "__" is a dot."""
    state = lpips_alex()
    for name, value in changed.items():
        state[name.replace("__", ".")] = value
    write_torch(path, State({k: v for k, v in state.items() if v is not None}))
    return path


class _Nothing:
    """A blob that holds zeros, or the FIR filter where the shape is its own."""

    def __init__(self, shape: tuple):
        self.shape, self.nbytes, self.text = shape, 4 * int(np.prod(shape, dtype=np.int64)), False

    def read(self, start: int, count: int) -> np.ndarray:
        values = weights.FIR if self.shape == (4, 4) else np.zeros(self.shape, np.float32)
        return np.ascontiguousarray(values).reshape(-1).view(np.uint8)[start : start + count].copy()


def fake_tensor(shape: tuple, dtype: str = "float32") -> FileTensor:
    storage = Storage(dtype, int(np.prod(shape, dtype=np.int64)), _Nothing(shape))  # type: ignore[arg-type]
    return FileTensor(storage, 0, tuple(shape), contiguous_strides(shape))


def fake_state(entries: list[dict]) -> dict:
    return {e["name"]: fake_tensor(tuple(e["shape"]), e.get("dtype", "float32")) for e in entries}


def fake_source(data: Any, container: str = TORCH_ZIP, name: str = "file.pt") -> Source:
    return Source(Path(name), container, data, 0)


def official(name: str) -> dict:
    """What the official file of a manifest holds, with fake tensors."""
    state = fake_state(manifest(name))
    kind = name.split("_")[0]
    if kind in ("sam", "psp"):
        return {"state_dict": state, "latent_avg": state.pop("latent_avg"), "opts": {"input_nc": 4}}
    if kind == "stylegan2":
        latent = state.pop("latent_avg", None)
        out = {"g_ema": {k[6:]: v for k, v in state.items()}}
        return out if latent is None else {**out, "latent_avg": latent}
    return {"epoch": 38, "state_dict": state} if kind == "dex" else state


def zip_with(
    path: Path, document: bytes, entries: dict[str, bytes] | None = None, **options: Any
) -> Path:
    """A PyTorch zip file around a hand-made data.pkl."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", document)
        for name, data in (entries or {}).items():
            archive.writestr(f"archive/{name}", data)
    return path


def legacy_with(
    path: Path, document: bytes, storages: dict[str, bytes] | None = None, **system: Any
) -> Path:
    """A legacy PyTorch file around a hand-made object pickle; float32 storages."""
    info = {"protocol_version": 1001, "little_endian": True, **system}
    parts = [
        pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        pickle.dumps(1001, 2),
        pickle.dumps(info, 2),
        document,
    ]
    parts.append(pickle.dumps(list(storages or {}), 2))
    for data in (storages or {}).values():
        parts.append(struct.pack("<q", len(data) // 4) + data)
    path.write_bytes(b"".join(parts))
    return path


def tensor_pickle(
    shape: tuple = (2,),
    strides: tuple = (1,),
    offset: Any = 0,
    numel: Any = 2,
    key: Any = "0",
    view: Any = "none",
) -> bytes:
    """The object pickle {"x": tensor} with any numbers in it; `view` makes it a legacy storage id."""
    p = lambda value: pickle.dumps(value, 2)[2:-1]  # noqa: E731
    pid = b"(" + p("storage") + b"ctorch\nFloatStorage\n" + p(key) + p("cpu") + p(numel)
    pid += (b"" if view == "none" else p(view)) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + p(offset) + p(shape) + p(strides)
    return b"\x80\x02}" + p("x") + tensor + b"\x89ccollections\nOrderedDict\n)RtRs."


def run(main: Any, *arguments: Any) -> int:
    """A script's exit code, as its process would give it."""
    return errors.run(lambda: main([str(argument) for argument in arguments]))

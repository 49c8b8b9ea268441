"""Checkpoint files that are small, or small on the disk, and ask for hours or gigabytes: how each is written."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Callable

import numpy as np

from tests.convert.helpers import tensor_pickle, zip_with
from tests.convert.hostile import NAMESPACE, op, text

HUGE = 20 << 30  # bytes of holes in a sparse file
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
FLOAT, BYTE = (b"cnumpy\ndtype\n" + text(code) + b"\x85R" for code in ("f4", "u1"))
PATH = b"cpathlib\nPosixPath\n(" + b"h\x00" * 200 + b"tR"
ENTRIES = b"".join(b"M" + struct.pack("<H", i) + b"N" for i in range(60_000))


def opcodes(value: object) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def long_text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def array_of(shape: bytes) -> bytes:
    return ARRAY + b"(K\x01" + shape + FLOAT + b"\x89C\x04abcdtb"


# Pickles: op() puts the header and the end around the opcodes.
PICKLES = {
    # Each level holds the former one ten times: 10^12 leaves when it is unfolded.
    "references": b"]\x94"
    + b"".join(b"0](h" + bytes([i]) + b"2" * 9 + b"e\x94" for i in range(12)),
    "copies of a list": b"("
    + b"N" * 200_000
    + b"t\x940("
    + b"cbuiltins\nlist\nh\x00\x85R" * 3000
    + b"t",
    "copies of a text": b"X\x00\x10\x00\x00" + b"a" * 4096 + b"\x940(" + PATH * 500 + b"t",
    "updates of Namespaces": b"}\x94(" + ENTRIES + b"u0(" + (NAMESPACE + b"h\x00b") * 3000 + b"t",
    "long integers": b"(" + (b"\x8a\xff" + b"\x7f" * 255) * 100_000 + b"t",
    "two million steps": b"N0" * 1_000_000 + b"N",
    "a million dictionaries": b"(" + b"}" * 1_000_000 + b"t",
    "names that are looked up": b"ctorch._utils\n_rebuild_parameter_with_state\n0" * 200_000 + b"N",
    "texts of wide characters": b"(" + long_text("a" * 4092 + "\U0001f600") * 16_000 + b"t",
    "calls with 200,000 arguments": b"("
    + b"N" * 200_000
    + b"t\x940cnumpy.core.multiarray\n_reconstruct\n\x940"
    + b"h\x01h\x00R0" * 30_000
    + b"N",
    "copies of array bytes": b"(K\x01M\x00\x08\x85"
    + BYTE
    + b"\x89"
    + long_text("\xe9" * 2048)
    + b"t\x940cnumpy.core.multiarray\n_reconstruct\n\x940("
    + b"h\x01)Rh\x00b" * 40_000
    + b"t",
    "a shape of 60,000 large numbers": array_of(b"(" + b"J\xff\xff\xff\x7f" * 60_000 + b"t"),
    "a shape of numbers of 255 bytes": array_of(b"(" + (b"\x8a\xff" + b"\x7f" * 255) * 1200 + b"t"),
    "a tensor 90,000 times among the options": b"}("
    + text("kind") + text("demo") + text("state_dict") + b"}" + text("x") + array_of(b"K\x01\x85") + b"s"
    + text("opts") + b"}" + text("list") + b"("
    + ARRAY + b"(K\x01M\x10\x27\x85" + BYTE + b"\x89B\x10\x27\x00\x00" + bytes(10_000) + b"tb\x94"
    + b"h\x00" * 90_000 + b"tsu",
    "60,000 names": b"}("
    + text("input.input") + array_of(b"K\x01\x85") + b"\x94"
    + b"".join(text(f"n{i:06d}." + "a" * 280) + b"h\x00" for i in range(60_000)) + b"u",
}  # fmt: skip


def header_of(content: bytes) -> Callable[[Path], Path]:
    """A safetensors file with this header, and eight bytes of numbers."""

    def write(path: Path) -> Path:
        path.write_bytes(struct.pack("<Q", len(content)) + content + bytes(8))
        return path

    return write


def entries(count: int) -> bytes:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return json.dumps({str(i): entry for i in range(count)}).encode()


BIG = b"2305843009213693952,"
HEADERS = {
    "a shape of 12 MB in a safetensors header": b'{"a":{"dtype":"F32","data_offsets":[0,8],"shape":['
    + BIG * 600_000
    + b"1]}}",
    "a shape of 200,000 large numbers in a safetensors header": b'{"a":{"dtype":"F32","data_offsets":[0,8],"shape":['
    + BIG * 200_000
    + b"1]}}",
    "an integer of 4 million digits in a safetensors header": b'{"a":' + b"9" * 4_000_000 + b"}",
    "a million lists in a safetensors header": b'{"a":[' + b"[]," * 1_300_000 + b"1]}",
    "a million dictionaries in a safetensors header": b'{"a":[' + b"{}," * 1_300_000 + b"1]}",
    "50,000 tensors in a safetensors header": entries(50_000),
    "a deep safetensors header": b'{"a":' + b"[" * 4_000_000,
}


def sparse_data(path: Path) -> Path:
    """A PyTorch zip file whose data.pkl has 20 GB, all holes."""
    name = b"archive/data.pkl"
    sizes = struct.pack("<HHQQ", 1, 16, HUGE, HUGE)
    local = struct.pack(
        "<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 33, 0, 2**32 - 1, 2**32 - 1, len(name), 20
    )
    local += name + sizes
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 45, 45, 0, 0, 0, 33, 0, 2**32 - 1, 2**32 - 1, len(name), 20, 0, 0, 0, 0, 0
    )  # fmt: skip
    return _sparse_zip(path, local, len(local) + HUGE, entry + name + sizes, None)


def sparse_directory(path: Path) -> Path:
    """A zip file whose list of entries has 20 GB, all holes."""
    return _sparse_zip(path, b"PK\3\4", 4 + HUGE, b"", (4, HUGE))


def many_entries(path: Path) -> Path:
    """A zip file with 600,000 entries in its list."""
    fixed = (b"PK\1\2", 45, 45, 0, 0, 0, 33, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0)
    directory = b"".join(struct.pack("<4s6H3I5H2I", *fixed) + b"%05x" % i for i in range(600_000))
    return _sparse_zip(path, b"PK\3\4", 4, directory, None)


def _sparse_zip(
    path: Path, start: bytes, at: int, directory: bytes, claim: tuple[int, int] | None
) -> Path:
    """`start`, then the list of entries at byte `at`; `claim`: another place and size that the file's end names."""
    begin, size = claim or (at, len(directory))
    count = max(1, size // 51)
    with open(path, "wb") as out:
        out.write(start)
        out.seek(at)
        out.write(directory)
        end = out.tell()
        out.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, begin))
        out.write(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        limits = (0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1)
        out.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, *limits, 0))
    return path


def sparse_latent(path: Path) -> Path:
    """This package's own layout with a latent_avg of 20 GB, all holes."""
    small = opcodes(np.zeros(1, np.float32))
    start = b"\x80\x04}(" + opcodes("kind") + opcodes("sam") + opcodes("state_dict")
    start += b"}" + opcodes("x") + small + b"s" + opcodes("latent_avg")
    start += (
        ARRAY + b"(K\x01" + opcodes((HUGE // 4,)) + FLOAT + b"\x89\x8e" + struct.pack("<Q", HUGE)
    )
    with open(path, "wb") as out:
        out.write(start)
        out.seek(len(start) + HUGE)
        out.write(b"tbu.")
    return path


def far_apart(path: Path) -> Path:
    """A stride of 2^61 where it is never taken: honest files have any number there."""
    return zip_with(path, tensor_pickle((1, 2, 2), (2**61, 1, 2), numel=4), {"data/0": bytes(16)})


def pickled(opcodes: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(op(opcodes))
        return path

    return write


CASES: dict[str, Callable[[Path], Path]] = {
    **{name: pickled(case) for name, case in PICKLES.items()},
    **{name: header_of(content) for name, content in HEADERS.items()},
    "a sparse data.pkl of 20 GB": sparse_data,
    "a sparse list of entries of 20 GB": sparse_directory,
    "600,000 entries in a zip file": many_entries,
    "a sparse latent_avg of 20 GB": sparse_latent,
}

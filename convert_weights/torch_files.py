"""PyTorch's two file formats, read without PyTorch.

Zip (1.6 and later): `NAME/data.pkl` holds the objects, `NAME/data/KEY` each storage, uncompressed.
Legacy (before 1.6): five pickles (magic number, protocol, system, the objects, the storages' keys),
then each storage as a 64 bit count and its numbers.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import Any, Dict, List, Tuple

from convert_weights.allowed import StorageType, find
from convert_weights.tensors import DTYPES, BadFile, BinaryFile, Blob, Storage
from convert_weights.unpickler import Unpickler

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MAX_DIRECTORY = 4 << 20  # bytes of a zip file's list of entries; SAM's has 150,000
MAX_PICKLE = 64 << 20  # bytes of data.pkl; SAM's has 200,000
ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    struct.error,
    ValueError,
    OverflowError,
    EOFError,
    OSError,
)


def _storage_id(pid: Any) -> Tuple[StorageType, str, int, Any]:
    """Check a persistent id: ("storage", type, key, location, numel[, view])."""
    if (
        type(pid) is not tuple
        or len(pid) not in (5, 6)
        or not isinstance(pid[0], str)
        or pid[0] != "storage"
    ):
        raise BadFile("refuses a persistent id that is not a tensor's storage")
    kind, key, numel = pid[1], pid[2], pid[4]
    if (
        not isinstance(kind, StorageType)
        or not isinstance(key, str)
        or type(numel) is not int
        or numel < 0
    ):
        raise BadFile("malformed tensor storage")
    return kind, key, numel, pid[5] if len(pid) == 6 else None


class ShortReads:
    """A file for `zipfile` to read, which refuses a list of entries so long that it would fill the memory."""

    def __init__(self, file: BinaryFile):
        self.file = file
        self.seek, self.tell = file.handle.seek, file.handle.tell

    def read(self, count: int = -1) -> bytes:
        left = self.file.size - self.tell()
        if (left if count < 0 else min(count, left)) > MAX_DIRECTORY:
            raise BadFile(
                f"refuses a zip file whose list of entries has more than {MAX_DIRECTORY >> 20} MiB"
            )
        return self.file.handle.read(count)


class ZipArchive:
    """The entries of a PyTorch zip file: names, and where their bytes lie in the file."""

    def __init__(self, file: BinaryFile):
        self.file = file
        try:
            with zipfile.ZipFile(ShortReads(file)) as archive:  # type: ignore[arg-type]
                entries = archive.infolist()
        except ZIP_ERRORS as error:
            raise BadFile(f"is a damaged or truncated zip file ({error})") from error
        names = [entry.filename for entry in entries]
        if len(set(names)) != len(names):
            raise BadFile("refuses a zip file that holds two entries of one name")
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise BadFile(
                "is a zip file, but not one that torch.save wrote (it holds no NAME/data.pkl)"
            )
        self.root = pickles[0][: -len("data.pkl")]
        self.entries = {entry.filename: entry for entry in entries}

    def locate(self, name: str) -> Blob:
        """The bytes of one entry, by its name without the archive's prefix."""
        entry = self.entries.get(self.root + name)
        if entry is None:
            raise BadFile(f"damaged: its entry {name[:40]!r} is missing")
        if (
            entry.compress_type != zipfile.ZIP_STORED
            or entry.compress_size != entry.file_size
            or entry.flag_bits & 1
        ):
            raise BadFile(
                f"refuses the compressed entry {name[:40]!r}: torch.save stores them as they are"
            )
        header = bytes(self.file.read_at(entry.header_offset, 30))
        if header[:4] != b"PK\x03\x04":
            raise BadFile(f"damaged: no local header for the entry {name[:40]!r}")
        start = entry.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
        if start + entry.file_size > self.file.size:
            raise BadFile(
                f"is truncated: the entry {name[:40]!r} should reach byte {start + entry.file_size}"
            )
        return Blob(self.file, start, entry.file_size, crc=entry.CRC)


def read_zip(file: BinaryFile) -> Any:
    """The object that torch.save wrote; tensors are FileTensors."""
    archive = ZipArchive(file)
    if archive.root + "constants.pkl" in archive.entries:
        raise BadFile(
            "is a TorchScript program, not a checkpoint: save the model's state_dict() instead"
        )
    if archive.root + "byteorder" in archive.entries:
        order = archive.locate("byteorder")
        if bytes(order.read(0, min(order.nbytes, 16))) != b"little":
            raise BadFile("was written on a big-endian machine, which is not supported")
    storages: Dict[Tuple[str, str], Storage] = {}

    def persistent(pid: Any) -> Storage:
        kind, key, numel, _ = _storage_id(pid)
        if (key, kind.dtype) not in storages:
            storages[key, kind.dtype] = Storage(kind.dtype, numel, archive.locate(f"data/{key}"))
        storage = storages[key, kind.dtype]
        size = numel * DTYPES[kind.dtype].itemsize
        if storage.numel != numel or storage.blob is None or storage.blob.nbytes != size:
            raise BadFile(f"damaged: storage {key[:20]!r} should have {size} bytes")
        return storage

    pickled = archive.locate("data.pkl")
    if pickled.nbytes > MAX_PICKLE:
        raise BadFile(
            f"refuses a data.pkl of {pickled.nbytes} bytes: no checkpoint needs more than {MAX_PICKLE >> 20} MiB"
        )
    if zlib.crc32(pickled.file.read_at(pickled.offset, pickled.nbytes).data) != pickled.crc:
        raise BadFile("damaged: the checksum of data.pkl does not match")
    return Unpickler(file, pickled.offset, pickled.offset + pickled.nbytes, find, persistent).load()


def read_legacy(file: BinaryFile, start: int) -> Any:
    """The object of a legacy file whose first pickle, the magic number, ends at `start`."""
    roots: Dict[str, Tuple[str, int]] = {}
    views: List[Tuple[Storage, str, int]] = []
    made: Dict[Tuple[str, Any], Storage] = {}

    def persistent(pid: Any) -> Storage:
        kind, key, numel, view = _storage_id(pid)
        first, count = (0, numel)
        if view is not None:
            if (
                type(view) is not tuple
                or len(view) != 3
                or not all(type(n) is int and n >= 0 for n in view[1:])
            ):
                raise BadFile("malformed view of a tensor storage")
            first, count = view[1:]
        if (
            roots.setdefault(key, (kind.dtype, numel)) != (kind.dtype, numel)
            or first + count > numel
        ):
            raise BadFile("damaged: two tensors disagree about their common storage")
        if (key, (first, count)) not in made:
            made[key, (first, count)] = Storage(kind.dtype, count)
            views.append((made[key, (first, count)], key, first))
        return made[key, (first, count)]

    machine = Unpickler(file, start, file.size, find)
    protocol = machine.load()
    system = Unpickler(file, machine.position, file.size, find)
    info = system.load()
    if type(protocol) is not int or protocol != LEGACY_PROTOCOL or type(info) is not dict:
        raise BadFile("is a legacy PyTorch file of an unknown protocol")
    if info.get("little_endian") is not True:
        raise BadFile("was written on a big-endian machine, which is not supported")
    objects = Unpickler(file, system.position, file.size, find, persistent)
    value = objects.load()
    keys = Unpickler(file, objects.position, file.size, find)
    _place_storages(file, keys.load(), keys.position, roots, views)
    return value


def _place_storages(
    file: BinaryFile,
    keys: Any,
    position: int,
    roots: Dict[str, Tuple[str, int]],
    views: List[Tuple[Storage, str, int]],
) -> None:
    """Walk over the numbers at the end of a legacy file and tell each storage where its own lie."""
    if (
        type(keys) is not list
        or not all(isinstance(key, str) for key in keys)
        or set(keys) != set(roots)
    ):
        raise BadFile("damaged: the list of tensor storages does not match the tensors")
    places = {}
    for key in keys:
        dtype, numel = roots[key]
        stored = struct.unpack("<q", bytes(file.read_at(position, 8)))[0]
        if stored != numel:
            raise BadFile(f"damaged: a storage holds {stored} numbers instead of {numel}")
        places[key] = position + 8
        position += 8 + numel * DTYPES[dtype].itemsize
        if position > file.size:
            raise BadFile(
                f"is truncated: its tensors should reach byte {position}, it ends at {file.size}"
            )
    if position != file.size:
        raise BadFile(f"damaged: {file.size - position} unknown bytes after its end")
    for storage, key, first in views:
        itemsize = DTYPES[storage.dtype].itemsize
        storage.blob = Blob(file, places[key] + first * itemsize, storage.numel * itemsize)

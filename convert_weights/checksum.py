"""A checksum inside a `.pdparams` file: its last entry holds the SHA-256 of all bytes before it.

It travels with the file, appears with it (no second file that a kill could leave behind), and other readers see one
more entry of text.
"""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import BinaryIO, Union

from work.files import open_regular

ENTRY = "sha256"
CHUNK = 8 << 20


class HashingFile:
    """Passes what is written to it on to a file, and hashes it."""

    def __init__(self, out: BinaryIO):
        self.out, self.digest = out, hashlib.sha256()

    def write(self, data: Union[bytes, memoryview]) -> int:
        self.digest.update(data)
        return self.out.write(data)


def end_of_file(hexdigest: str) -> bytes:
    """Opcodes of the entry, the end of the dictionary, and the end of the pickle."""
    return pickle.dumps(ENTRY, 2)[2:-1] + pickle.dumps(hexdigest, 2)[2:-1] + b"u."


def is_intact(path: Union[str, Path]) -> bool:
    """Whether a file is as it was written; True for one without a checksum."""
    end = len(end_of_file("0" * 64))
    with open_regular(path) as file:
        left = file.seek(0, 2) - end
        if left < 0:
            return True
        file.seek(left)
        found = file.read(end)
        if not found.startswith(pickle.dumps(ENTRY, 2)[2:-1]):
            return True
        file.seek(0)
        digest = hashlib.sha256()
        while left:
            data = file.read(min(CHUNK, left))
            if not data:
                return False  # it shrank while it was read
            digest.update(data)
            left -= len(data)
    return found == end_of_file(digest.hexdigest())

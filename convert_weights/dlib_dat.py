"""dlib's serialised face embedding (`dlib_face_recognition_resnet_model_v1.dat`) -> `.pdparams`.

dlib writes a network from its input to its output; every layer's numbers are one tensor: a version, four
sizes (each an integer as one control byte, whose low bits count the bytes that follow) and raw float32.
The shapes are known from the architecture, so it is enough to walk from tensor to tensor.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from work.errors import UserError
from work.files import read_file

FILE = "dlib_face_recognition_resnet_model_v1.dat"
MAX_FILE = 32 << 20  # bytes; dlib's file has 22 million
MAX_GAP = 4096  # bytes between two tensors; 352 in dlib's file
WIDTHS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256)


class Reader:
    """Finds the next tensor of a wanted size."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.position = path, read_file(path, MAX_FILE), 0

    def _sizes(self, start: int) -> tuple[int, int]:
        """The number of floats of a tensor header at `start` (-1: none there) and where they begin."""
        count, at = 1, start
        for _ in range(4):
            length = self.data[at] if at < len(self.data) else 0
            if not 1 <= length <= 8:
                return -1, at
            count *= int.from_bytes(self.data[at + 1 : at + 1 + length], "little")
            at += 1 + length
        return count, at

    def next(self, count: int) -> np.ndarray:
        """The next tensor with `count` numbers.

        Raises:
            UserError: there is none: the file is another network or cut short.
        """
        version = b"\x01\x02"  # of the tensor format: the integer 2
        start, end = self.position, self.position + MAX_GAP
        while True:
            found = self.data.find(version, start, end)
            if found < 0:
                raise UserError(f"{self.path}: no tensor of {count} numbers; is it dlib's {FILE}?")
            size, begin = self._sizes(found + 2)
            if size == count and begin + 4 * count <= len(self.data):
                self.position = begin + 4 * count
                return np.frombuffer(self.data, "<f4", count, begin)
            start = found + 1


def _convolution(reader: Reader, out: int, channels: int, size: int) -> dict[str, np.ndarray]:
    """A convolution with the scale and shift behind it (dlib's frozen batch norm) folded in."""
    filters = out * channels * size * size
    numbers = reader.next(filters + out)
    gain, shift = reader.next(2 * out).reshape(2, out)
    weight = numbers[:filters].reshape(out, channels, size, size)
    return {
        "weight": weight * gain.reshape(-1, 1, 1, 1),
        "bias": numbers[filters:] * gain + shift,
    }


def dlib_face(folder: str | Path) -> dict[str, object]:
    """The checkpoint of `work.models.dlib_face.DlibFace` from a folder that holds dlib's file.

    Raises:
        UserError: the file is missing or another one.
    """
    paths = sorted(Path(folder).rglob(FILE))
    if not paths:
        raise UserError(f"{folder}: holds no {FILE}")
    reader, state = Reader(paths[0]), {}
    shapes = [("stem", 32, 3, 7)]
    for index, (channels, out) in enumerate(zip((32,) + WIDTHS[:-1], WIDTHS)):
        shapes += [
            (f"blocks.{index}.conv1", out, channels, 3),
            (f"blocks.{index}.conv2", out, out, 3),
        ]
    for name, *shape in shapes:
        for leaf, value in _convolution(reader, *shape).items():
            state[f"{name}.{leaf}"] = np.ascontiguousarray(value, np.float32)
    state["head.weight"] = reader.next(256 * 128).reshape(256, 128).copy()
    return {"kind": "dlib_face", "state_dict": state}

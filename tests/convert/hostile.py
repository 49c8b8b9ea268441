"""How the tests of hostile files write them, and what counts as refused."""

from __future__ import annotations

import struct

import pytest

from convert_weights.plain import plain
from convert_weights.reader import read
from convert_weights.tensors import BadFile
from tests.convert.helpers import legacy_with, zip_with

CONTAINERS = ["pdparams", "zip", "legacy"]
NAMESPACE = b"cargparse\nNamespace\n)R"


def write(folder, container, document):
    path = folder / f"hostile.{container}"
    if container == "pdparams":
        path.write_bytes(document)
        return path
    return {"zip": zip_with, "legacy": legacy_with}[container](path, document)


def refused(path):
    """The error of a read that must fail; all tensors and options are asked for, in case reading is lazy."""
    with pytest.raises(BadFile) as caught:
        data = read(path).data
        plain(data)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 600
    return message


def op(*parts):
    return b"\x80\x04" + b"".join(parts) + b"."


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()

"""The reader of TensorFlow Lite files, and the person matte that comes out of one."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from convert_weights import third_party
from convert_weights.tflite import MAX_FILE, read_constants
from tests.convert.other_formats import (
    flat_list,
    flat_table,
    tflite_model,
    tflite_tensor,
)
from work.errors import UserError
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.models.pretrained import weights_path

FLOAT32, FLOAT16 = 0, 1


@pytest.fixture
def write(tmp_path):
    """Write a file, and give its path."""

    def write(content, name="x.tflite"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_constants_are_read_by_name_and_results_are_left_out(write):
    halves, singles = np.arange(6, dtype="<f2").reshape(1, 2, 3), np.array([7, -1], "<f4")
    tensors = [
        tflite_tensor(b"kernel", halves.shape, FLOAT16, 1),
        tflite_tensor(b"a result", [1, 256, 256, 3], FLOAT32, 0),
        tflite_tensor(b"bias", singles.shape, FLOAT32, 2),
    ]
    found = read_constants(write(tflite_model(tensors, halves.tobytes(), singles.tobytes())))
    assert list(found) == ["kernel", "bias"]
    assert found["kernel"].dtype == np.float16 and np.array_equal(found["kernel"], halves)
    assert np.array_equal(found["bias"], singles)


def one(name=b"w", shape=(1,), code=FLOAT32, buffer=1, raw=b"1234"):
    return tflite_model([tflite_tensor(name, shape, code, buffer)], raw)


def with_root(start):
    return struct.pack("<I", start) + b"TFL3" + bytes(100)


HOSTILE = {
    "another identifier": (b"\x08\0\0\0TFL2" + bytes(100), "another identifier"),
    "text": (b"text", "another identifier"),
    "a root beyond the end": (with_root(2**31), "unpack_from"),
    "a vtable before the start": (b"\x08\0\0\0TFL3\xff\xff\xff\x7f" + bytes(100), "before the file"),
    "a list of a billion tensors": (
        struct.pack("<I", 8) + b"TFL3" + flat_table(3, 0, struct.pack("<I", 10**9)),
        "a list of 1000000000 parts",
    ),
    "a buffer that is cut": (one()[:-2], "cut short"),
    "no such buffer": (one(buffer=7), "no buffer 7"),
    "an unknown type": (one(code=9), "type 9"),
    "a negative shape": (one(shape=[2**32 - 1]), "shape [-1]"),
    "another size": (one(shape=[2]), "of shape [2] has 4 bytes"),
    "a thousand dimensions": (one(shape=[1] * 1000), "a list of 1000 parts"),
    "a name of a megabyte": (one(name=b"w" * 1_000_000), "a list of 1000000 parts"),
    "a name that is no text": (one(name=b"\xff\xfe"), "utf-8"),
    "no graph": (struct.pack("<I", 8) + b"TFL3" + flat_table(3, 0, flat_list()), "no tensors"),
    "no tensors": (tflite_model([]), "no tensors"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_damaged_and_hostile_files_are_refused_in_one_line(write, case):
    content, reason = HOSTILE[case]
    path = write(content)
    with pytest.raises(UserError) as caught:
        read_constants(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and reason in message, message
    assert "\n" not in message and len(message) < 500


def test_every_way_to_cut_a_file_short_is_an_error(write):
    whole = one()
    for length in range(len(whole)):
        with pytest.raises(UserError, match="x.tflite"):
            read_constants(write(whole[:length]))


def test_a_large_file_is_not_read(write):
    path = write(b"")
    with open(path, "r+b") as file:
        file.truncate(MAX_FILE + 1)
    with pytest.raises(UserError, match="too large"):
        read_constants(path)


def matte_file(state):
    """A file with these weights of the matte's network, as TensorFlow stores them."""
    convs = dict(zip(third_party.MATTE_CONVS, ("conv2d", *(f"conv2d_{i}" for i in range(1, 99)))))
    names = (
        "depthwise_conv2d",
        *(f"depthwise_conv2d_{i}" for i in range(1, 99)),
    )
    depthwise = {**dict(zip(third_party.MATTE_DEPTHWISE, names)), "last": "segment"}
    tensors, raw = [], []
    for name, array in state.items():
        layer, _, leaf = name.rpartition(".")
        if leaf == "weight":
            array = array.transpose((0, 2, 3, 1) if layer in convs else (1, 2, 3, 0))
        stored = (
            f"{(convs.get(layer) or depthwise[layer])}/{'Kernel' if leaf == 'weight' else 'Bias'}"
        )
        raw.append(array.astype("<f2").tobytes())
        tensors.append(tflite_tensor(stored.encode(), array.shape, FLOAT16, len(raw)))
    return tflite_model(tensors, *raw)


def test_the_matte_that_ships_is_what_its_converter_makes(write, tmp_path):
    state = dict(read_checkpoint(weights_path("person_matte")).state_dict.items())
    write(matte_file(state), "selfie_segmentation.tflite")
    made = third_party.person_matte(tmp_path)
    assert made["state_dict"].keys() == state.keys()
    assert {value.dtype for value in made["state_dict"].values()} == {np.dtype(np.float16)}
    assert all(np.array_equal(made["state_dict"][name], state[name]) for name in state)
    save_checkpoint(tmp_path / "again.pdparams", **made)
    shipped = weights_path("person_matte").read_bytes()
    assert len(shipped) == len((tmp_path / "again.pdparams").read_bytes()) < 250_000


def test_another_networks_file_is_named(write, tmp_path):
    path = write(one(), "selfie_segmentation.tflite")
    with pytest.raises(UserError, match=f"{path}: has no tensor 'conv2d/Kernel'"):
        third_party.person_matte(tmp_path)
    kernel = [tflite_tensor(f"conv2d/{n}".encode(), [1], FLOAT32, 1) for n in ("Kernel", "Bias")]
    write(tflite_model(kernel, b"1234"), "selfie_segmentation.tflite")
    with pytest.raises(UserError, match=r"conv2d/Kernel has shape \[1\]"):
        third_party.person_matte(tmp_path)

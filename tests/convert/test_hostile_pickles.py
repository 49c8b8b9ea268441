"""Files made to run code, to fill the memory or to hang: every one is refused with one line, and quickly."""

from __future__ import annotations

import builtins
import os
import pickle
import re
import struct
import subprocess

import numpy as np
import pytest

from tests.convert.hostile import CONTAINERS, NAMESPACE, op, refused, text, write


class Call:
    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


def calls(marker):
    touch = f"touch {marker}"
    code = f"open({str(marker)!r}, 'w').close()"
    return {
        "posix.system": Call(os.system, touch),
        "subprocess.Popen": Call(subprocess.Popen, ["touch", str(marker)]),
        "builtins.eval": Call(eval, code),
        "builtins.exec": Call(exec, code),
        "builtins.getattr": Call(getattr, "a", "upper"),
        "builtins.__import__": Call(builtins.__import__, "os"),
        "io.open": Call(open, str(marker), "w"),
        "numpy.fromfile": Call(np.fromfile, str(marker)),
        "numpy.load": Call(np.load, str(marker)),
    }


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", calls("x"))
def test_code_is_refused_by_name(tmp_path, container, protocol, name):
    marker = tmp_path / "marker"
    document = pickle.dumps({"state_dict": {"x": calls(marker)[name]}}, protocol)
    message = refused(write(tmp_path, container, document))
    known = {name, name.replace("builtins", "__builtin__"), name.replace("io.", "__builtin__.")}
    assert any(each in message for each in known) or name.rpartition(".")[2] in message
    assert "must not run code" in message and not marker.exists()


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
DEEP = b")" + b"\x85" * 100_000  # ((((...))))
OPCODES = {
    "dotted name": (op(text("os"), text("path.join"), b"\x93"), "os.path.join"),
    "dotted name of an allowed module": (op(text("collections"), text("OrderedDict.__init__"), b"\x93"), "__init__"),
    "hidden characters": (op(b"cos\x1b[2J\nsystem\n)R"), r"os\?\[2J.system"),
    "name that is not text": (op(b"K\x01K\x02\x93"), "not text"),
    "INST": (op(b"(ios\nsystem\n"), r"INST \(os.system\)"),
    "OBJ": (op(b"(cargparse\nNamespace\no"), "OBJ"),
    "EXT1": (op(b"\x82\x01"), "EXT1"),
    "EXT2": (op(b"\x83\x01\x00"), "EXT2"),
    "EXT4": (op(b"\x84\x01\x00\x00\x00"), "EXT4"),
    "PERSID": (op(b"Pabc\n"), "PERSID"),
    "NEWOBJ_EX": (op(b"cargparse\nNamespace\n)}\x92"), "NEWOBJ_EX"),
    "NEXT_BUFFER": (op(b"\x97"), "NEXT_BUFFER"),
    "unknown opcode": (op(b"\xff"), "no pickle opcode"),
    "calling data": (op(text("x"), b")R"), "refuses to call a str"),
    "calling what is only mentioned": (op(b"cnumpy\nndarray\n)R"), "refuses to call"),
    "calling a storage type": (op(b"ctorch\nFloatStorage\n)R"), "refuses to call"),
    "arguments that are no tuple": (op(b"ccollections\nOrderedDict\n]R"), "refuses to call"),
    "state of text": (op(text("x"), b"}b"), "refuses to set the state of a str"),
    "state of a class": (op(b"cargparse\nNamespace\n}b"), "refuses to set the state of a Builder"),
    "Namespace with odd state": (op(NAMESPACE, b"K\x01b"), "Namespace"),
    "append to text": (op(text("x"), b"K\x01a"), "append"),
    "append to a Namespace": (op(NAMESPACE, b"K\x01a"), "append"),
    "items of a list": (op(b"]K\x01K\x02s"), "set items of a list"),
    "items of a Namespace": (op(NAMESPACE, b"K\x01K\x02s"), "set items"),
    "odd number of items": (op(b"}(K\x01u"), "set items"),
    "tuple as key": (op(b"}", DEEP, b"K\x01s"), "tuple as a dictionary key"),
    "deep nesting": (op(DEEP), "nested too deeply"),
    "cycle": (op(b"]\x94h\x00a"), "nested too deeply"),
    "cycle of dictionaries": (op(b"}\x94", text("a"), b"h\x00s"), "nested too deeply"),
    "memo that is not there": (op(b"h\x07"), "KeyError"),
    "empty stack": (op(b""), "IndexError"),
    "stack too short": (op(b"\x87"), "stack is too short"),
    "mark as a value": (op(b"("), "middle of a value"),
    "missing mark": (op(b"t"), "mark"),
    "two values": (op(b"NN"), "middle of a value"),
    "newer protocol": (b"\x80\x09N.", "protocol"),
    "huge text": (op(b"\x8d" + struct.pack("<Q", 2**62) + b"abc"), "truncated"),
    "huge bytes": (op(b"\x8e" + struct.pack("<Q", 2**63) + b"abc"), "truncated"),
    "negative bytes": (op(b"T\xff\xff\xff\xff"), "negative"),
    "huge integer": (op(b"\x8b\xff\xff\xff\x7f"), "integer"),
    "text that is not UTF-8": (op(b"X\x02\x00\x00\x00\xff\xfe"), "UnicodeDecodeError"),
    "endless name": (op(b"c" + b"a" * 3000), "512 characters"),
    "object array": (op(b"cnumpy\ndtype\n", text("O8"), b"\x85R"), "dtype 'O8'"),
    "void array": (op(b"cnumpy\ndtype\n", text("V8"), b"\x85R"), "dtype 'V8'"),
    "dtype of a list": (op(b"cnumpy\ndtype\n]\x85R"), "dtype 'list'"),
    "structured dtype": (
        op(b"cnumpy\ndtype\n", text("f4"), b"\x85R(K\x03", text("<"),
           b"N(", text("a"), b"t}J\xff\xff\xff\xffK\x00K\x00tb"),
        "structured",
    ),
    "array without data": (op(ARRAY), "without data"),
    "array of odd state": (op(ARRAY, b"Nb"), "unknown layout"),
    "array of a list": (op(ARRAY, b"(K\x01K\x02\x85cnumpy\ndtype\n", text("f4"), b"\x85R\x89]tb"), "plain numbers"),
    "array larger than its bytes": (
        op(ARRAY, b"(K\x01J\xff\xff\xff\x7f\x85cnumpy\ndtype\n", text("f4"), b"\x85R\x89C\x04abcdtb"), "reaches beyond",
    ),
    "negative shape": (
        op(ARRAY, b"(K\x01J\xff\xff\xff\xff\x85cnumpy\ndtype\n", text("f4"), b"\x85R\x89C\x04abcdtb"), "malformed",
    ),
    "encode to another codec": (op(b"c_codecs\nencode\n", text("a"), text("rot13"), b"\x86R"), "latin1"),
    "encode of a number": (op(b"c_codecs\nencode\nK\x01", text("latin1"), b"\x86R"), "text"),
    "path of numbers": (op(b"cpathlib\nPosixPath\nK\x01\x85R"), "path"),
    "bytes of text": (op(b"cbuiltins\nbytes\n", text("a"), b"\x85R"), "TypeError"),
    "rebuilding another class": (
        op(b"ccopy_reg\n_reconstructor\ncbuiltins\nobject\ncbuiltins\nobject\nN\x87R"), "_reconstructor",
    ),
    "tensor without storage": (op(b"ctorch._utils\n_rebuild_tensor_v2\n(]K\x00))\x89}tR"), "no storage"),
    "parameter without tensor": (op(b"ctorch._utils\n_rebuild_parameter\n]\x89}\x87R"), "not a tensor"),
    "sparse tensor": (op(b"ctorch._utils\n_rebuild_sparse_tensor\n)R"), "_rebuild_sparse_tensor"),
}  # fmt: skip


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("case", OPCODES)
def test_opcodes(tmp_path, container, case):
    document, expected = OPCODES[case]
    message = refused(write(tmp_path, container, document))
    if container == "legacy" and "huge" in case:
        assert re.search(expected + "|truncated", message)
    else:
        assert re.search(expected, message), message


def test_persistent_ids_outside_pytorch(tmp_path):
    assert "persistent ids" in refused(write(tmp_path, "pdparams", op(b"K\x01Q")))


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize(
    "pid",
    [
        b"K\x01",
        b"]",
        DEEP,
        b"(" + text("module") + b"K\x01K\x02K\x03K\x04t",
        b"(" + text("storage") + text("float") + text("0") + text("cpu") + b"K\x02t",
        b"(" + text("storage") + b"ctorch\nFloatStorage\nK\x00" + text("cpu") + b"K\x02t",
        b"("
        + text("storage")
        + b"ctorch\nFloatStorage\n"
        + text("0")
        + text("cpu")
        + b"J\xff\xff\xff\xfft",
        b"("
        + text("storage")
        + b"ctorch\nFloatStorage\n"
        + text("../../../etc/passwd")
        + text("cpu")
        + b"K\x02t",
    ],
)
def test_odd_persistent_ids(tmp_path, container, pid):
    refused(write(tmp_path, container, op(pid + b"Q")))

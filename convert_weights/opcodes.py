"""What each pickle opcode does on the machine in `unpickler.py`; opcodes that are not here are refused."""

from __future__ import annotations

from typing import Any, Callable, Dict

from convert_weights.tensors import BadFile

MARK = object()
REFUSED = {
    b"i": "INST", b"o": "OBJ", b"\x82": "EXT1", b"\x83": "EXT2", b"\x84": "EXT4", b"P": "PERSID",
    b"\x97": "NEXT_BUFFER", b"\x98": "READONLY_BUFFER", b"\x92": "NEWOBJ_EX",
}  # fmt: skip


def _decode_long(count: int) -> Callable[[Any], None]:
    def step(machine: Any) -> None:
        length = machine.number("B" if count == 1 else "i")
        if not 0 <= length <= 255:
            raise BadFile("refuses an integer of more than 255 bytes")
        machine.push(int.from_bytes(machine.take(length), "little", signed=True))

    return step


def _tuple(count: int) -> Callable[[Any], None]:
    return lambda m: m.push(tuple(m.pop(count)))


def _stack_global(machine: Any) -> None:
    module, name = machine.pop(2)
    machine.look_up(module, name)


def _memoize(machine: Any) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _put(kind: str) -> Callable[[Any], None]:
    def step(machine: Any) -> None:
        machine.memo[machine.number(kind)] = machine.stack[-1]

    return step


def _protocol(machine: Any) -> None:
    if machine.number("B") > 5:
        raise BadFile("refuses a pickle protocol newer than 5")


def _pairs(machine: Any) -> None:
    items = machine.pop_mark()
    machine.push({})
    machine.set_items(items)


OPCODES: Dict[bytes, Callable[[Any], Any]] = {
    b"\x80": _protocol,
    b"\x95": lambda m: m.number("Q"),  # FRAME: only a hint for buffering
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"J": lambda m: m.push(m.number("i")),
    b"K": lambda m: m.push(m.number("B")),
    b"M": lambda m: m.push(m.number("H")),
    b"G": lambda m: m.push(m.number("d")),
    b"\x8a": _decode_long(1),
    b"\x8b": _decode_long(4),
    b"X": lambda m: m.text("I"),
    b"\x8c": lambda m: m.text("B"),
    b"\x8d": lambda m: m.text("Q"),
    b"C": lambda m: m.data("B"),
    b"B": lambda m: m.data("I"),
    b"\x8e": lambda m: m.data("Q"),
    b"\x96": lambda m: m.data("Q"),
    b"U": lambda m: m.python2_text("B"),
    b"T": lambda m: m.python2_text("i"),
    b"]": lambda m: m.push([]),
    b"}": lambda m: m.push({}),
    b")": lambda m: m.push(()),
    b"\x8f": lambda m: m.push([]),  # a set is plain data too: a list
    b"(": lambda m: m.push(MARK),
    b"t": lambda m: m.push(tuple(m.pop_mark())),
    b"l": lambda m: m.push(m.pop_mark()),
    b"d": _pairs,
    b"\x91": lambda m: m.push(m.pop_mark()),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"a": lambda m: m.extend(m.pop(1)),
    b"e": lambda m: m.extend(m.pop_mark()),
    b"\x90": lambda m: m.extend(m.pop_mark()),
    b"s": lambda m: m.set_items(m.pop(2)),
    b"u": lambda m: m.set_items(m.pop_mark()),
    b"0": lambda m: m.pop(1),
    b"1": lambda m: m.pop_mark(),
    b"2": lambda m: m.push(m.stack[-1]),
    b"q": _put("B"),
    b"r": _put("I"),
    b"\x94": _memoize,
    b"h": lambda m: m.push(m.memo[m.number("B")]),
    b"j": lambda m: m.push(m.memo[m.number("I")]),
    b"c": lambda m: m.look_up(m._line(), m._line()),
    b"\x93": _stack_global,
    b"R": lambda m: m.reduce(),
    b"\x81": lambda m: (
        m.reduce()
    ),  # NEWOBJ: the table's builders make objects, so a call is the same
    b"b": lambda m: m.build(),
    b"Q": lambda m: m.persistent_id(),
}

"""A pickle machine that cannot run code.

It executes the opcodes of protocols 2 to 5 itself, so nothing of Python's own pickle module, its
object construction or its attribute setting is ever reached. Names resolve through one closed table
of builders; long byte strings are not read but noted as `Blob`s; sizes are checked against the
file; whatever checkpoints do not need is refused by name.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, Dict, List, Optional

from convert_weights.opcodes import MARK, OPCODES, REFUSED
from convert_weights.tensors import BadFile, BinaryFile, Blob

INLINE = 4096  # byte strings up to this length are read at once, longer ones stay in the file
MAX_OPCODES = 300_000  # SAM at 1024 px has 46,000
MAX_COPIED = 32 << 20  # bytes
MAX_NAME = 512
ENTRY = 100  # bytes that an entry of a container takes
SCALARS = (str, int, float, bool, type(None))
FIXED = {"B": "<B", "H": "<H", "i": "<i", "I": "<I", "Q": "<Q", "d": ">d"}


class Builder:
    """A name that a pickle may call. `build` is our own function, never the named one."""

    def __init__(self, name: str, build: Callable[..., Any]):
        self.name, self.build = name, build


class Buildable:
    """A value whose pickled state arrives after it."""

    def set_state(self, state: Any) -> None:
        raise NotImplementedError


class Unpickler:
    """Reads one pickle from file[start:end].

    Args:
        find: maps "module.name" to a builder or an inert value; raises BadFile for other names.
        persistent: maps a persistent id to a storage; None refuses persistent ids.
    """

    def __init__(
        self,
        file: BinaryFile,
        start: int,
        end: int,
        find: Callable[[str], Any],
        persistent: Optional[Callable[[Any], Any]] = None,
    ):
        self.file, self.position, self.end = file, start, end
        self.find, self.persistent = find, persistent
        self.stack: List[Any] = []
        self.memo: Dict[int, Any] = {}
        self.spent = 0
        file.handle.seek(start)

    def load(self) -> Any:
        """The value: plain containers, scalars, Blobs and what the table's builders return."""
        try:
            return self._run()
        except (
            IndexError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            OverflowError,
            struct.error,
        ) as error:
            raise BadFile(
                f"damaged pickle near byte {self.position} ({type(error).__name__})"
            ) from error

    def _run(self) -> Any:
        for _ in range(MAX_OPCODES):
            code = self.take(1)
            if code == b".":
                value = self.stack.pop()
                if value is MARK or self.stack:
                    raise BadFile("damaged pickle: it ends in the middle of a value")
                return value
            step = OPCODES.get(code)
            if step is None:
                if code in REFUSED:
                    name = f" ({self._line()}.{self._line()})" if code == b"i" else ""
                    raise BadFile(
                        f"refuses the pickle opcode {REFUSED[code]}{name}: "
                        "a checkpoint must not run code"
                    )
                raise BadFile(
                    f"damaged, or no checkpoint: no pickle opcode {code!r} (byte {self.position})"
                )
            step(self)
        raise BadFile(
            f"refuses a pickle of more than {MAX_OPCODES} steps: no checkpoint needs them"
        )

    # Reading

    def take(self, count: int) -> bytes:
        if count > self.end - self.position:
            raise BadFile(f"is truncated: it ends in the middle of a pickle (at byte {self.end})")
        data = self.file.handle.read(count)
        if len(data) != count:
            raise BadFile("became shorter while it was read")
        self.position += count
        return data

    def number(self, kind: str) -> Any:
        layout = FIXED[kind]
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def _line(self) -> str:
        line = self.file.handle.readline(min(MAX_NAME, self.end - self.position))
        self.position += len(line)
        if line.endswith(b"\n"):
            return line[:-1].decode("utf-8", "replace")
        if self.position == self.end:
            raise BadFile(f"is truncated: it ends in the middle of a pickle (at byte {self.end})")
        raise BadFile(f"damaged pickle: a name of more than {MAX_NAME} characters")

    def _small(self, count: int) -> bytes:
        self._spend(count)
        return self.take(count)

    def _spend(self, count: int) -> None:
        """Count what is copied into memory: a small file must not grow into gigabytes."""
        self.spent += count
        if self.spent > MAX_COPIED:
            raise BadFile(
                f"refuses a pickle that builds more than {MAX_COPIED >> 20} MiB of plain data"
            )

    def _spend_on(self, value: Any) -> None:
        """Count what a builder may copy: what it is given may be one object many times over."""
        self._spend(_weight(value))
        if isinstance(value, tuple):
            self._spend(sum(map(_weight, value)))

    def _blob(self, count: int, text: bool) -> Blob:
        if count > self.end - self.position:
            raise BadFile(f"is truncated: {count} bytes of data should follow byte {self.position}")
        blob = Blob(self.file, self.position, count, text)
        self.position += count
        self.file.handle.seek(self.position)
        return blob

    def text(self, kind: str) -> None:
        count = self.number(kind)
        self.push(self._blob(count, True) if count > INLINE else str(self._small(count), "utf-8"))

    def data(self, kind: str) -> None:
        count = self.number(kind)
        if count < 0:
            raise BadFile("damaged pickle: a negative length")
        self.push(self._blob(count, False) if count > INLINE else self._small(count))

    def python2_text(self, kind: str) -> None:
        """A `str` of Python 2: text where it can be (names), else bytes (numbers)."""
        self.data(kind)
        value = self.stack[-1]
        if isinstance(value, bytes) and value.isascii():
            self.stack[-1] = value.decode("ascii")

    # The stack

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_mark(self) -> List[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is MARK:
                items = self.stack[index + 1 :]
                del self.stack[index:]
                return items
        raise BadFile("damaged pickle: a mark is missing")

    def pop(self, count: int) -> List[Any]:
        items = self.stack[len(self.stack) - count :]
        if len(items) != count or any(item is MARK for item in items):
            raise BadFile("damaged pickle: the stack is too short")
        del self.stack[len(self.stack) - count :]
        return items

    # Containers

    def extend(self, items: List[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise BadFile(f"refuses to append to a {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def set_items(self, items: List[Any]) -> None:
        if type(self.stack[-1]) is not dict or len(items) % 2:
            raise BadFile(f"refuses to set items of a {type(self.stack[-1]).__name__}")
        for key, value in zip(items[::2], items[1::2]):
            if not isinstance(key, SCALARS):
                raise BadFile(f"refuses a {type(key).__name__} as a dictionary key")
            self.stack[-1][key] = value

    # Names and objects

    def look_up(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise BadFile("refuses a global whose name is not text")
        self.push(self.find(f"{module}.{name}"))

    def reduce(self) -> None:
        function, arguments = self.pop(2)
        if not isinstance(function, Builder) or type(arguments) is not tuple:
            raise BadFile(
                f"refuses to call a {type(function).__name__}: a checkpoint must not run code"
            )
        self._spend_on(arguments)
        self.push(function.build(*arguments))

    def build(self) -> None:
        target, state = self.pop(2)
        if isinstance(target, Buildable):
            self._spend_on(state)
            target.set_state(state)
        elif type(target) is not dict:  # an OrderedDict's own attributes (_metadata) are not needed
            raise BadFile(f"refuses to set the state of a {type(target).__name__}")
        self.push(target)

    def persistent_id(self) -> None:
        if self.persistent is None:
            raise BadFile("refuses persistent ids here: only PyTorch's own files have them")
        self.push(self.persistent(self.pop(1)[0]))
        self.file.handle.seek(self.position)  # the handler may have read elsewhere in the file


def _weight(value: Any) -> int:
    """Bytes that a copy of a value takes, without what its entries hold."""
    if isinstance(value, (str, bytes)):
        return len(value)
    return len(value) * ENTRY if isinstance(value, (dict, list, tuple)) else 0

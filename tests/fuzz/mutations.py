"""Small damage to a file's bytes: the same seed always gives the same damage."""

from __future__ import annotations

import random
import re
from typing import Sequence

SIZES = (1, 2, 4, 8)
EDGES = (0, 1, 2, 3, 16, 127, *(2**n - d for n in (8, 15, 16, 31, 32, 61, 62, 63) for d in (0, 1)))
NUMBER = re.compile(rb"\d+")


def mutate(rng: random.Random, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """One of the seeds with one to six damages.

    Args:
        words: what the format is made of: keys, opcodes; some are put in.
    """
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        data = bytearray(rng.choice(DAMAGES)(rng, data, seeds, words))
    return bytes(data)


def _place(rng: random.Random, data: bytearray) -> int:
    """Somewhere in the file; every other time near its start or its end, where formats keep their sizes."""
    end = len(data) + 1
    first, last = rng.randrange(min(end, 200)), end - 1 - rng.randrange(min(end, 100))
    return rng.choice((rng.randrange(end), rng.randrange(end), first, last))


def _slice(rng: random.Random, data: bytearray) -> slice:
    start = _place(rng, data)
    length = rng.choice((1, 2, 4, 8, rng.randrange(1, 64), rng.randrange(1, 4096)))
    return slice(start, start + length)


def _change_bits(rng, data, seeds, words):
    for _ in range(rng.choice((1, 1, 2, 8))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _change_number(rng, data, seeds, words):
    """A binary number becomes an extreme one, in either byte order, plus or minus a little."""
    size, start = rng.choice(SIZES), _place(rng, data)
    value = rng.choice((*EDGES, len(data), -rng.choice(EDGES))) + rng.choice((-1, 0, 0, 1))
    order = rng.choice(("little", "little", "big"))
    data[start : start + size] = (value % 256**size).to_bytes(size, order)
    return data


def _change_digits(rng, data, seeds, words):
    """A number in text becomes an extreme one."""
    found = list(NUMBER.finditer(data))
    if found:
        match = rng.choice(found)
        value = rng.choice((*map(str, EDGES), "-1", "1e9", "0.5", "", "9" * 400))
        data[match.start() : match.end()] = value.encode()
    return data


def _remove(rng, data, seeds, words):
    del data[_slice(rng, data)]
    return data


def _cut(rng, data, seeds, words):
    return data[: _place(rng, data)]


def _insert(rng, data, seeds, words):
    start = _place(rng, data)
    data[start:start] = rng.randbytes(rng.choice((1, 1, 2, 8)))
    return data


def _insert_word(rng, data, seeds, words):
    start = _place(rng, data)
    word = rng.choice(words) if words else b"\0"
    data[start : start + rng.choice((0, 0, len(word)))] = word * rng.choice((1, 1, 1, 3, 400))
    return data


def _copy(rng, data, seeds, words):
    """A piece of this or of another seed, at another place, once or many times over."""
    other = bytearray(rng.choice(seeds)) if rng.random() < 0.5 else data
    piece, start = other[_slice(rng, other)], _place(rng, data)
    data[start : start + rng.choice((0, len(piece)))] = piece * rng.choice((1, 1, 2, 20))
    return data


def _swap(rng, data, seeds, words):
    first, second = _slice(rng, data), _slice(rng, data)
    data[first], data[second] = data[second], data[first]
    return data


DAMAGES = (
    _change_bits, _change_bits, _change_number, _change_number, _change_digits, _remove, _cut, _insert, _insert_word,
    _copy, _swap,
)  # fmt: skip

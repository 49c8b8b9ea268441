"""Many items in several processes."""

from __future__ import annotations

import os

import pytest

from work.errors import UserError
from work.workers import run_parallel


def make(factor):
    return factor


def times(factor, item):
    return factor * item, os.getpid()


def end(_, item):
    os._exit(3)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_item_once(workers):
    found = list(run_parallel(times, list(range(20)), workers, make, (3,)))
    assert sorted(value for value, _ in found) == [3 * i for i in range(20)]
    here = {pid for _, pid in found} == {os.getpid()}
    assert here == (workers < 2)


def test_nothing_to_do():
    assert list(run_parallel(times, [], 2, make, (3,))) == []


def test_a_dead_worker_is_a_clear_error():
    with pytest.raises(UserError, match="num_threads"):
        list(run_parallel(end, [1, 2, 3], 2, make, (3,)))

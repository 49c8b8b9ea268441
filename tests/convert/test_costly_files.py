"""Small files that ask for hours or gigabytes: each is refused within 2 seconds and 200 MiB."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from convert_weights import convert
from convert_weights.reader import read
from tests.convert.costly import CASES, far_apart
from tests.convert.helpers import run
from work.errors import UserError
from work.models.checkpoint import read_checkpoint


def refusal(path):
    with pytest.raises(UserError) as caught:
        read_checkpoint(path)
    return str(caught.value)


@pytest.mark.parametrize("case", CASES)
def test_refused_soon_and_small(tmp_path, case, capsys):
    path = CASES[case](tmp_path / "x.pt")
    start = time.process_time()
    message = refusal(path)
    seconds = time.process_time() - start
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 1200
    assert seconds < 2, seconds
    tracemalloc.start()
    try:
        refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200 << 20, peak
    assert run(convert.main, path, tmp_path / "out.pdparams") == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not (tmp_path / "out.pdparams").exists()


def test_a_stride_that_is_never_taken_does_not_matter(tmp_path):
    assert np.array_equal(read(far_apart(tmp_path / "x.pt")).data["x"].numpy(), np.zeros((1, 2, 2)))

"""--help answers at once, from everywhere."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (["scripts/inference_side_by_side.py"], "work"),
        (["work/scripts/inference.py"], "."),
        (["-m", "work.scripts.style_mixing"], "."),
        (["work/scripts/reference_guided_inference.py"], "."),
    ],
)
def test_help_is_fast_from_everywhere(command, where):
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command, "--help"], cwd=ROOT / where, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    assert done.returncode == 0 and "examples:" in done.stdout
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", *command, "--help"],
        cwd=ROOT / where,
        capture_output=True,
        text=True,
    ).stderr
    assert "paddle" not in loaded.replace("paddle_sam", "")
    assert seconds < 5  # 0.2 s on an idle machine

"""Under Paddle's launcher, several processes judge one folder: each its share, the first one reports.

python -m paddle.distributed.launch --nproc_per_node 4 work/scripts/calc_losses_on_images.py ...
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from work.metrics.report import Scores
from work.runtime import rank_and_world

Item = TypeVar("Item")


def own_share(items: Sequence[Item], block: int = 1) -> list[Item]:
    """This process's part: every so many blocks. With whole batches as blocks, the batches stay the same."""
    rank, world = rank_and_world()
    return [item for i, item in enumerate(items) if i // block % world == rank]


def gather(scores: Scores) -> Scores:
    """The scores of all processes, in an order that does not depend on their number.

    They come together in the first process; on the others `here` is False.
    """
    rank, world = rank_and_world()
    parts = [(scores.values, [(str(path), reason) for path, reason in scores.failed])]
    if world > 1:
        import paddle

        own, parts = parts[0], []
        paddle.distributed.init_parallel_env()
        paddle.distributed.all_gather_object(parts, own)
    whole = Scores(scores.label, here=rank == 0)
    pairs = [(age, names) for values, _ in parts for age, names in values.items()]
    for age in sorted({age for age, _ in pairs}, key=lambda age: float(age or -1)):
        found = [item for other, names in pairs if other == age for item in names.items()]
        whole.values[age] = dict(sorted(found))
    failed = {failure for _, failures in parts for failure in failures}
    whole.failed = [(Path(path), reason) for path, reason in sorted(failed)]
    return whole

"""Several processes ("ranks") that train one network together; for a single process, everything here does nothing.

python -m paddle.distributed.launch --gpus 0,1,2,3 work/scripts/train.py ...
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

import paddle
from paddle import nn

from work import runtime
from work.models.ops.batch_norm import synchronize
from work.training import cpu


@dataclass(frozen=True)
class Ranks:
    """This process's number, how many there are, and whether it computes on a GPU."""

    rank: int = 0
    world: int = 1
    gpu: bool = False

    @property
    def first(self) -> bool:
        """Whether this is the one process that writes files."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[paddle.Tensor]) -> None:
        """Replace the gradients by their means over the ranks, packed into large messages.

        DataParallel would do so after each backward pass; a step here has several of them (real, cycle, accumulation).
        """
        if self.world > 1:
            from paddle.distributed.fleet.utils.hybrid_parallel_util import (
                fused_allreduce_gradients,
            )

            fused_allreduce_gradients([p for p in parameters if p.grad is not None], None)

    def sum(self, values: list) -> list:
        """Sum numbers over the ranks, in float64, so that counts and flags stay exact."""
        if self.world == 1:
            return values
        total = paddle.to_tensor(values, dtype="float64")
        paddle.distributed.all_reduce(total)
        return [float(number) for number in total.numpy()]

    def means(
        self, names: Sequence[str], seen: Mapping[str, Sequence[tuple[float, int]]]
    ) -> dict[str, float]:
        """The weighted mean of each name's (value, weight) pairs over all ranks; names without any are left out.

        Args:
            names: every name that `seen` may hold, in the same order on all ranks.
        """
        sums = [sum(value * weight for value, weight in seen.get(n, ())) for n in names]
        weights = [sum(weight for _, weight in seen.get(n, ())) for n in names]
        totals = self.sum([*sums, *weights])
        found = zip(names, totals[: len(names)], totals[len(names) :])
        return {name: total / weight for name, total, weight in found if weight}

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        return self.sum([float(flag)])[0] > 0

    def wait(self) -> None:
        """Wait until all ranks are here."""
        self.sum([0.0])

    def synchronize_batch_norm(self, layer: nn.Layer) -> nn.Layer:
        """Let batch norms see the batches of all ranks; Paddle can do so on GPUs only."""
        if self.world == 1 or not self.gpu:
            return layer
        return synchronize(layer, self.world)

    def leave(self) -> None:
        """Leave the group of ranks."""
        if self.world > 1:
            paddle.distributed.destroy_process_group()


def join_ranks(device: str, seed: int) -> Ranks:
    """Set up the device, and join the other processes if the launcher started this one."""
    name = runtime.setup(device, seed)
    cpu.prepare()
    if runtime.rank_and_world()[1] == 1:
        return Ranks(gpu="gpu" in name)
    paddle.distributed.init_parallel_env()
    return Ranks(paddle.distributed.get_rank(), paddle.distributed.get_world_size(), "gpu" in name)

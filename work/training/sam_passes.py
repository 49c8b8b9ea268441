"""One step of SAM and one of pSp: passes through the network, losses, backward.

Departures from the reference: a cycle pass whose lambda is 0 is left out; the sources' ages are known even with
`aging_lambda=0`; every draw is a function of the seed and the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import paddle
from paddle import Tensor

from work.configs.train_options import TrainOptions
from work.datasets.training import AGES, random_generator
from work.models.psp import PSP, add_age_channel
from work.training.objective import Loss, Objective
from work.training.recipes import Backward, Outcome

NO_AGING_SHARE = 1 / 3  # of the steps, in which the target is the source's own age


@dataclass
class Draw:
    """What is drawn for one batch: whether this step keeps the ages, and the target ages (centuries, [N])."""

    no_aging: bool
    ages: np.ndarray


def draw(
    options: TrainOptions, key: tuple[int, ...], count: int, rank: int = 0, world: int = 1
) -> Draw:
    """Draw for a batch of `count` faces on this rank; however many ranks share a batch, its draw is the same."""
    rng = random_generator(options.seed, AGES, *key)
    no_aging = bool(rng.random() < NO_AGING_SHARE)
    ages = rng.integers(0, 101, count * world)[rank * count : (rank + 1) * count]
    if options.target_age != "uniform_random":
        ages = np.full(count, float(options.target_age))
    return Draw(no_aging, (ages / 100).astype(np.float32))


class Passes:
    """The passes of one step through a network and an objective."""

    def __init__(self, net: PSP, objective: Objective, options: TrainOptions):
        self.net, self.objective, self.ages = net, objective, options.ages
        self.has_start_codes = options.start_from_latent_avg or options.start_from_encoded_w_plus

    def __call__(
        self,
        faces: Tensor,
        drawn: Draw,
        backward: Backward,
        start: Tensor | None = None,
        codes: Tensor | None = None,
    ) -> Outcome:
        """Run all passes of a batch of faces [N, 3, 256, 256].

        The cycle pass starts from the detached output: by then the graph of the real pass is freed.

        Args:
            backward: called with the loss of each pass as soon as it is computed.
            start: the frozen encoder's codes of the faces, if they are known (see start_codes.py).
            codes: pSp only: those from which the last faces were generated; these are compared by code alone.
        """
        if self.ages:
            return self._sam(faces, drawn, backward, start)
        return self.draw_targets(faces, None, backward, codes)

    def term_names(self) -> list[str]:
        """Every name that the terms of a batch can have, in one order on all ranks."""
        terms = [
            f"loss_{t}" for t in ("id", "l2", "lpips", "lpips_crop", "l2_crop", "w_norm", "code")
        ]
        ends = ("_real", "_cycle") if self.ages else ("",)
        names = [f"{t}{end}" for end in ends for t in (*terms, "loss_aging", "id_improve", "loss")]
        return names if "loss" in names else [*names, "loss"]

    def draw_targets(
        self,
        inputs: Tensor,
        targets: Tensor | None,
        backward: Backward,
        codes: Tensor | None = None,
    ) -> Outcome:
        """One pass of pSp: reconstruct targets [N, 3, 256, 256] (None: the inputs) from inputs of the same shape.

        Faces whose codes are known are not rendered again, which would take most of their time.
        """
        drawn = len(inputs) - (0 if codes is None else len(codes))
        w_plus = self.net.encode(inputs)
        output, inputs = self._decode(w_plus[:drawn]), inputs[:drawn]
        source = self.objective.source(inputs if targets is None else targets)
        source.codes = codes
        loss = self._loss(source, output, w_plus)
        if targets is not None:
            self.objective.correct_gain(loss, inputs, source)
        backward(loss.total)
        return Outcome(loss.terms, inputs, output.detach(), numbers=loss.faces, target=targets)

    def _sam(self, faces: Tensor, drawn: Draw, backward: Backward, start: Tensor | None) -> Outcome:
        source = self.objective.source(faces)
        assert source.ages is not None  # SAM's objective has an age network
        targets = source.ages if drawn.no_aging else paddle.to_tensor(drawn.ages)
        output, w_plus = self._forward(faces, targets, start)
        real = self._loss(source, output, w_plus, targets, drawn.no_aging, "real")
        backward(real.total)
        output = output.detach()
        outcome = Outcome(dict(real.terms), faces, output, numbers=dict(real.faces))
        outcome.numbers.update(source_age=source.ages * 100, target_age=targets * 100)
        outcome.terms["loss"] = real.total.detach()
        factor = self.objective.lambdas.cycle_lambda
        del w_plus, real
        if factor > 0:
            recovered, w_plus = self._forward(output, source.ages)
            cycle = self._loss(source, recovered, w_plus, source.ages, label="cycle")
            backward(cycle.total * factor)
            outcome.recovered = recovered.detach()
            outcome.terms.update(cycle.terms)
            outcome.terms["loss"] += cycle.total.detach() * factor
            outcome.numbers.update(cycle.faces)
        return outcome

    def _forward(
        self, faces: Tensor, ages: Tensor, start: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Faces [N, 3, 256, 256] and target ages (centuries) -> generated faces and their w_plus."""
        w_plus = self.net.encode(add_age_channel(faces, ages * 100), start)
        return self._decode(w_plus), w_plus

    def _decode(self, w_plus: Tensor) -> Tensor:
        """Faces at 256 px, with fresh noise."""
        return self.net.decode(w_plus, resize=True, randomize_noise=True)

    def _loss(self, source, output, w_plus, targets=None, no_aging=False, label="") -> Loss:
        centre = self.net.latent_avg if self.has_start_codes else None
        return self.objective(
            source, output.astype("float32"), w_plus, centre, targets, no_aging, label
        )

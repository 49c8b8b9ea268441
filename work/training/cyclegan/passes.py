"""One step of Group-GAN and FA-GAN: both generators, then both discriminators.

Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", equations 1 to 3
with the least-squares losses of section 4, applied to ages as in Palsson et al. 2018. FA-GAN's cycle is read like this:
a face that `older` (G+) aged by k years must come back when `younger` (G-) is told the new age and -k years, and the
other way round. The two networks share no weights and no discriminator; they train side by side.

The gradients of all four networks are taken before any of them moves. This equals CycleGAN's order of updates: there,
too, the generators meet the old discriminators, and these the faces that the old generators made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.cyclegan.cyclegan import GENERATORS, CycleGAN
from work.training.cyclegan.losses import (
    discriminator_loss,
    diversity,
    least_squares,
    mismatch_loss,
)
from work.training.cyclegan.plans import Plan
from work.training.cyclegan.pool import ImagePool
from work.training.looks import change_of_age
from work.training.recipes import Backward, Outcome

Estimator = Callable[[Tensor], Tensor]
OPPOSITE = {"older": "younger", "younger": "older"}


@dataclass
class Asked:
    """What FA-GAN's networks are told: estimated ages, changes and wanted ages, [N] each, in years."""

    ages: Tensor
    years: Tensor
    targets: Tensor


@dataclass
class Side:
    """What one generator gets: N sources and N real faces [N, 3, H, W] of the ages that it should make."""

    sources: Tensor
    reals: Tensor
    asked: Optional[Asked] = None

    def there(self, generator: nn.Layer, faces: Tensor) -> Tensor:
        """Faces through the generator of this side."""
        return (
            generator(faces, self.asked.ages, self.asked.years) if self.asked else generator(faces)
        )

    def back(self, generator: nn.Layer, faces: Tensor) -> Tensor:
        """What `there` made through the generator of the other side."""
        if self.asked is None:
            return generator(faces)
        return generator(faces, self.asked.ages + self.asked.years, -self.asked.years)


@dataclass(frozen=True)
class Lambdas:
    """The weights of the terms of the generators' loss."""

    cycle: float = 10.0
    identity: float = 5.0  # Group-GAN: a face of the target group stays as it is
    l1: float = 1.0  # output against input, against inverted colours
    age: float = 5.0  # FA-GAN: error of the estimated age, in decades
    mismatch: float = 1.0  # FA-GAN: a discriminator refuses sources as faces of the wanted age


class CyclePasses:
    """The passes of one step.

    Args:
        estimate: FA-GAN's frozen age network: faces [N, 3, H, W] -> years [N].
        pool_size: earlier outputs that each discriminator is shown.
        looks: random looks that the age network takes at an output in training; 0: at the output as it is.
    """

    def __init__(
        self,
        net: CycleGAN,
        lambdas: Lambdas,
        estimate: Optional[Estimator] = None,
        pool_size: int = 50,
        looks: int = 0,
    ):
        self.net, self.lambdas, self.looks = net, lambdas, looks
        self.estimate = estimate or _no_ages
        self.pools = {name: ImagePool(pool_size) for name in GENERATORS}

    def __call__(
        self,
        faces: Tensor,
        plan: Plan,
        backward: Backward,
        rng: Optional[np.random.Generator] = None,
        cycle: float = 1.0,
    ) -> Outcome:
        """Faces as the plan lists them, [2 N or 4 N, 3, H, W], through all passes; `backward` gets each loss.

        Args:
            rng: for the pools and the looks; None uses neither and leaves the pools unchanged (validation).
            cycle: factor on the weight of the cycle loss; 0 skips the cycle pass.
        """
        sides = self._sides(faces, plan)
        outcome = Outcome({}, faces[: 2 * sides["older"].sources.shape[0]], faces)
        made, recovered = {}, []
        self.net.freeze_discriminators(True)
        for name, side in sides.items():
            made[name], back = self._generator_step(name, side, backward, outcome, cycle, rng)
            recovered += back
        self.net.freeze_discriminators(False)
        for name, side in sides.items():
            self._discriminator_step(name, side, made[name], backward, outcome, rng)
        outcome.output = paddle.concat([made[name] for name in sides])
        outcome.recovered = paddle.concat(recovered) if recovered else None
        outcome.terms["loss"] = outcome.terms["loss_older"] + outcome.terms["loss_younger"]
        return outcome

    def warm_up(self, faces: Tensor, plan: Plan, backward: Backward) -> Outcome:
        """Only teach each generator to give back its sources; the discriminators learn nothing yet."""
        outcome, made = Outcome({}, faces, faces), []
        for name, side in self._sides(faces, plan).items():
            output = side.there(getattr(self.net, name), side.sources)
            loss = F.l1_loss(output, side.sources)
            backward(loss)
            outcome.terms[f"l1_{name}"] = loss.detach()
            made.append((side.sources, output.detach()))
        outcome.faces, outcome.output = (paddle.concat([*pair]) for pair in zip(*made))
        outcome.terms["loss"] = outcome.terms["l1_older"] + outcome.terms["l1_younger"]
        return outcome

    def _sides(self, faces: Tensor, plan: Plan) -> dict[str, Side]:
        if not self.net.conditioned:
            young, old = faces.chunk(2)
            return {"older": Side(young, old), "younger": Side(old, young)}
        sources, reals = faces.chunk(2)
        with paddle.no_grad():
            ages = self.estimate(sources)
        told = [ages, *(paddle.to_tensor(x) for x in (plan.years, plan.targets) if x is not None)]
        parts = [tensor.chunk(2) for tensor in (sources, reals, *told)]
        sides = zip(GENERATORS, zip(*parts))
        return {name: Side(x, real, Asked(*asked)) for name, (x, real, *asked) in sides}

    def _generator_step(
        self,
        name: str,
        side: Side,
        backward: Backward,
        outcome: Outcome,
        cycle: float,
        rng: Optional[np.random.Generator],
    ) -> tuple[Tensor, list[Tensor]]:
        """The faces that a generator made of its sources, and these after the way back, if it was taken."""
        generator, lambdas = getattr(self.net, name), self.lambdas
        made = side.there(generator, side.sources)
        terms = {
            "gan": least_squares(self._judged(name, made, side.asked), True),
            "l1": F.l1_loss(made, side.sources),
        }
        loss, recovered = terms["gan"] + lambdas.l1 * terms["l1"], []
        if cycle > 0:
            recovered = [side.back(getattr(self.net, OPPOSITE[name]), made)]
            terms["cycle"] = F.l1_loss(recovered[0], side.sources)
            loss = loss + cycle * lambdas.cycle * terms["cycle"]
        if side.asked:
            wanted = side.asked.ages + side.asked.years
            found = self._age(side.sources, side.asked.ages, made, rng)
            terms["age"] = F.l1_loss(found, wanted)
            loss = loss + lambdas.age * terms["age"] / 10
            _note(outcome, source_age=side.asked.ages, target_age=wanted, age_real=found.detach())
        elif lambdas.identity > 0:
            terms["identity"] = F.l1_loss(generator(side.reals), side.reals)
            loss = loss + lambdas.identity * terms["identity"]
        backward(loss)
        outcome.terms.update({f"{term}_{name}": value.detach() for term, value in terms.items()})
        outcome.terms[f"loss_{name}"] = loss.detach()
        return made.detach(), [back.detach() for back in recovered]

    def _age(
        self, sources: Tensor, ages: Tensor, made: Tensor, rng: Optional[np.random.Generator]
    ) -> Tensor:
        if rng is None or not self.looks:
            return self.estimate(made)
        return ages + change_of_age(self.estimate, sources, made, self.looks, rng)

    def _judged(self, name: str, faces: Tensor, asked: Optional[Asked]) -> Tensor:
        judge = getattr(self.net, f"judge_{name}")
        return judge(faces, asked.targets) if asked else judge(faces)

    def _discriminator_step(
        self,
        name: str,
        side: Side,
        made: Tensor,
        backward: Backward,
        outcome: Outcome,
        rng: Optional[np.random.Generator],
    ) -> None:
        shown, asked = made, side.asked
        if rng is not None:
            targets = asked.targets if asked else paddle.zeros([made.shape[0]])
            shown, targets = self.pools[name].query(made, targets, rng)
            asked = asked and Asked(asked.ages, asked.years, targets)
        real, fake = self._judged(name, side.reals, side.asked), self._judged(name, shown, asked)
        loss = discriminator_loss(real, fake)
        if side.asked and self.lambdas.mismatch > 0:
            wrong = self._judged(name, side.sources, side.asked)
            mismatch = mismatch_loss(wrong, side.asked.years)
            outcome.terms[f"mismatch_{name}"] = mismatch.detach()
            loss = loss + self.lambdas.mismatch * mismatch
        backward(loss)
        outcome.terms[f"judge_{name}"] = loss.detach()
        if made.shape[0] > 1:
            outcome.terms[f"diversity_{name}"] = diversity(made, side.sources).detach()


def _no_ages(faces: Tensor) -> Tensor:
    raise ValueError("a conditioned network needs an age estimator")


def _note(outcome: Outcome, **numbers: Tensor) -> None:
    """Append numbers per face to those that are there."""
    for name, values in numbers.items():
        earlier = [outcome.numbers[name]] if name in outcome.numbers else []
        outcome.numbers[name] = paddle.concat([*earlier, values])

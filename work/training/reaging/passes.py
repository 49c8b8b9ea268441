"""One step of the re-ageing network: rendered people are compared with their targets, photos take a cycle pass.

A rendered person is known at both ages: the output is compared with the wanted face, pixel by pixel (L1), by LPIPS, by
identity and by the age that a network reads. A photo is known at one age only. It has to come back from its target to
itself, stay as it is at its own age, keep its identity, and read like the photo of another person of the target age.
A discriminator that knows the target age looks at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.criteria.identity import age_gap_weights
from work.models.reaging.reaging import Reaging
from work.training.cyclegan.losses import discriminator_loss, least_squares
from work.training.looks import change_of_age
from work.training.reaging.faces import CROP, PHOTO, WHOLE, Sample
from work.training.recipes import Backward, Outcome

TERMS = ("l1", "lpips", "gan", "id", "age", "cycle", "id_photo", "age_photo", "stays")
DECADE = 10.0


@dataclass(frozen=True)
class Lambdas:
    """The weights of the terms; `id` and `age` also of photos, `cycle` also of photos that stay."""

    l1: float = 1.0
    lpips: float = 1.0
    gan: float = 0.05
    id: float = 0.1
    age: float = 0.05
    cycle: float = 1.0

    def of(self, term: str) -> float:
        """The weight of one of TERMS."""
        return getattr(self, {"stays": "cycle"}.get(term, term.partition("_")[0]))


@dataclass(frozen=True)
class LossNetworks:
    """Frozen networks: LPIPS; faces [N, 3, S, S] -> embeddings [N, D]; faces -> years [N]."""

    lpips: Any
    embed: Callable[[Tensor], Tensor]
    read_age: Callable[[Tensor], Tensor]


@dataclass
class Faces:
    """A batch: sources and companions [N, 3, S, S], ages in years [N], and what each face is."""

    sources: Tensor
    companions: Tensor
    own: Tensor
    target: Tensor
    kinds: list[str]

    def rows(self, *kinds: str) -> list[int]:
        """The numbers of the faces of some kinds."""
        return [i for i, kind in enumerate(self.kinds) if kind in kinds]


def to_faces(pictures: np.ndarray, samples: Sequence[Sample]) -> Faces:
    """Pictures [N, 2, 3, S, S] and what they are."""
    both = [paddle.to_tensor(np.ascontiguousarray(pictures[:, i])) for i in (0, 1)]
    ages = [
        paddle.to_tensor([getattr(s, a) for s in samples], "float32") for a in ("own", "target")
    ]
    return Faces(both[0], both[1], ages[0], ages[1], [sample.kind for sample in samples])


class ReagingPasses:
    """The passes of one step.

    Args:
        looks: at how many random crops and blurs an age is read.
    """

    def __init__(self, net: Reaging, networks: LossNetworks, lambdas: Lambdas, looks: int = 2):
        self.net, self.networks, self.lambdas, self.looks = net, networks, lambdas, looks

    def __call__(self, faces: Faces, backward: Backward, rng: np.random.Generator) -> Outcome:
        """A batch through all passes; `backward` gets the network's loss, then the discriminator's.

        The gradients of both are taken before either moves, as in work/training/cyclegan/passes.py.
        """
        self.net.freeze_judge(True)
        made = self.net(faces.sources, faces.own, faces.target)
        window = _window(made.shape[-1], rng)
        terms = {**self._paired(faces, made), **self._unpaired(faces, made)}
        terms.update(self._read(faces, made, rng))
        if self.lambdas.gan > 0:
            opinion = self.net.judge(window(made), faces.target)
            terms["gan"] = least_squares(opinion, True)
        loss = paddle.add_n([self.lambdas.of(name) * value for name, value in terms.items()])
        backward(loss)
        self.net.freeze_judge(False)
        terms["loss"], made = loss, made.detach()
        if self.lambdas.gan > 0:
            shown = [self.net.judge(window(x), faces.target) for x in (faces.companions, made)]
            terms["judge"] = discriminator_loss(*shown)
            backward(terms["judge"])
        if "l1" in terms:
            terms["apart"] = terms["l1"] + terms["lpips"]
        return self._outcome(faces, made, terms)

    def _paired(self, faces: Faces, made: Tensor) -> dict[str, Tensor]:
        """How far rendered people are from what is wanted."""
        rows = faces.rows(CROP, WHOLE)
        if not rows:
            return {}
        output, wanted = _take(made, rows), _take(faces.companions, rows)
        return {"l1": F.l1_loss(output, wanted), "lpips": self._lpips(output, wanted)}

    def _unpaired(self, faces: Faces, made: Tensor) -> dict[str, Tensor]:
        """How far photos are from themselves: after a cycle to the target age and back, or at their own age."""
        rows = faces.rows(PHOTO)
        own, target = faces.own.numpy(), faces.target.numpy()
        moved = [i for i in rows if own[i] != target[i]]
        kept = [i for i in rows if own[i] == target[i]]
        terms = {}
        if moved:
            there, source = _take(made, moved), _take(faces.sources, moved)
            back = self.net(there, _take(faces.target, moved), _take(faces.own, moved))
            terms["cycle"] = F.l1_loss(back, source) + self._lpips(back, source)
        if kept:
            output, source = _take(made, kept), _take(faces.sources, kept)
            terms["stays"] = F.l1_loss(output, source) + self._lpips(output, source)
        return terms

    def _lpips(self, output: Tensor, wanted: Tensor) -> Tensor:
        lpips = self.networks.lpips
        with paddle.no_grad():
            features = lpips.features(wanted)
        return lpips.distance(lpips.features(output), features).mean()

    def _read(self, faces: Faces, made: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """Identity and age losses of whole faces: the same people, and as old as their companions."""
        terms = {}
        for kind, end in ((WHOLE, ""), (PHOTO, "_photo")):
            rows = faces.rows(kind)
            if not rows:
                continue
            output, companion = _take(made, rows), _take(faces.companions, rows)
            same = companion if kind == WHOLE else _take(faces.sources, rows)
            if self.lambdas.id > 0:
                with paddle.no_grad():
                    person = self.networks.embed(same)
                away = ((self.networks.embed(output) - person) ** 2).sum(axis=1)
                if kind == PHOTO:
                    ages = [_take(x, rows) / 100 for x in (faces.target, faces.own)]
                    away = away * age_gap_weights(*ages)
                terms[f"id{end}"] = away.mean()
            if self.lambdas.age > 0:
                years = change_of_age(self.networks.read_age, companion, output, self.looks, rng)
                terms[f"age{end}"] = years.abs().mean() / DECADE
        return terms

    def _outcome(self, faces: Faces, made: Tensor, terms: dict[str, Tensor]) -> Outcome:
        numbers = {"source_age": faces.own, "target_age": faces.target}
        rows = faces.rows(CROP, WHOLE)
        numbers["paired"] = paddle.to_tensor([float(i in rows) for i in range(len(faces.kinds))])
        plain = {name: value.detach() for name, value in terms.items()}
        return Outcome(plain, faces.sources, made, numbers=numbers, target=faces.companions)


def _take(x: Tensor, rows: list[int]) -> Tensor:
    return x if len(rows) == x.shape[0] else paddle.gather(x, paddle.to_tensor(rows))


def _window(size: int, rng: np.random.Generator) -> Callable[[Tensor], Tensor]:
    """A function that crops the same random window from any picture: half the side, so a quarter of the time."""
    half = size // 2
    top, left = (int(rng.integers(0, size - half + 1)) for _ in range(2))
    return lambda x: x[:, :, top : top + half, left : left + half]

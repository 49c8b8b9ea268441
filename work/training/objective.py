"""The training objective of SAM (Alaluf et al. 2021, section 3.2) and pSp (Richardson et al. 2021, 3.2).

What depends on the source faces alone (their ages, embeddings and LPIPS features) is computed once per step and
shared by the real and the cycle pass.

Departures from the reference: `aging_lambda=0` works; every term can be switched off, and then needs no network; the
crop terms of the cycle pass are logged under names of their own and do not overwrite those of the real pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Optional

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.criteria.aging import AgingLoss
from work.criteria.identity import IdentityLoss, age_gap_weights, crop_face
from work.criteria.l2 import l2_loss
from work.criteria.lpips import LPIPS
from work.criteria.w_norm import w_norm_loss
from work.models.freezing import freeze


@dataclass(frozen=True)
class Lambdas:
    """The weights of the terms, named like the flags."""

    id_lambda: float = 0.0
    lpips_lambda: float = 0.0
    lpips_lambda_aging: float = 0.0
    lpips_lambda_crop: float = 0.0
    l2_lambda: float = 0.0
    l2_lambda_aging: float = 0.0
    l2_lambda_crop: float = 0.0
    w_norm_lambda: float = 0.0
    code_lambda: float = 0.0
    aging_lambda: float = 0.0
    cycle_lambda: float = 0.0
    use_weighted_id_loss: bool = False

    def of_image(self, name: str, ages: bool) -> float:
        """The weight of "l2" or "lpips" on the whole image; `ages`: this is a real pass to another age.

        As in the reference, a `_lambda` of 0 switches the term off in all passes, whatever its `_lambda_aging` is.
        """
        weight = getattr(self, f"{name}_lambda")
        return getattr(self, f"{name}_lambda_aging") if ages and weight > 0 else weight

    @property
    def any(self) -> bool:
        """Whether a term has a weight: `cycle_lambda` only scales a pass, a `_lambda_aging` replaces a `_lambda`."""
        weights = {f.name: getattr(self, f.name) for f in fields(self)}
        alone = [
            n for n in weights if n.endswith(("_lambda", "_lambda_crop")) and n != "cycle_lambda"
        ]
        return max(weights[name] for name in alone) > 0

    @property
    def need_lpips(self) -> bool:
        return max(self.lpips_lambda, self.lpips_lambda_crop) > 0


@dataclass
class Source:
    """The source faces [N, 3, 256, 256] and the loss networks' outputs for them; without gradients."""

    faces: Tensor
    ages: Optional[Tensor] = None  # centuries, [N]
    identity: Optional[Tensor] = None  # embeddings, [N, D]
    lpips: Optional[list] = None  # feature maps of the whole faces
    lpips_crop: Optional[list] = None  # and of their crops
    # [M, n_styles, 512]: those of the last M faces, which were generated from them.
    codes: Optional[Tensor] = None


@dataclass
class Loss:
    """The total (with its graph), and, detached, its terms and per-face numbers for the panels.

    Attributes:
        suffix: the end of all names, such as "_real".
    """

    suffix: str = ""
    total: Tensor = field(default_factory=lambda: paddle.zeros([]))
    terms: dict[str, Tensor] = field(default_factory=dict)
    faces: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, weight: float, value: Tensor) -> None:
        """Add a term to the total."""
        self.note(f"loss_{name}", value)
        self.total = self.total + weight * value

    def note(self, name: str, value: Tensor) -> None:
        """Keep a number for the log."""
        self.terms[f"{name}{self.suffix}"] = value.detach()

    def note_faces(self, name: str, values: Tensor) -> None:
        """Keep numbers [N] for the panel."""
        self.faces[f"{name}{self.suffix}"] = values.detach()


class Objective:
    """The weighted sum of the terms whose lambda is not 0.

    Args:
        lambdas: the weights.
        identity, lpips, aging: the loss networks, which are frozen here; each may be None if its lambdas are 0.

    Raises:
        ValueError: a network is None although its lambda is not 0.
    """

    def __init__(
        self,
        lambdas: Lambdas,
        identity: IdentityLoss | None = None,
        lpips: LPIPS | None = None,
        aging: AgingLoss | None = None,
    ):
        needed = {
            "identity": (lambdas.id_lambda > 0, identity),
            "lpips": (lambdas.need_lpips, lpips),
            "aging": (lambdas.aging_lambda > 0, aging),
        }
        missing = [name for name, (need, net) in needed.items() if need and net is None]
        if missing:
            raise ValueError(f"Objective: lambdas need networks that are missing: {missing}")
        self.lambdas = lambdas
        self.identity = identity if lambdas.id_lambda > 0 else None
        self.lpips = lpips if lambdas.need_lpips else None
        self.aging = aging
        for net in (identity, lpips, aging):
            if net is not None:
                freeze(net)

    @paddle.no_grad()
    def source(self, faces: Tensor) -> Source:
        """What the terms compare outputs with, from faces [N, 3, 256, 256] in [-1, 1]."""
        source, lambdas = Source(faces), self.lambdas
        if self.aging is not None:
            source.ages = self.aging.ages(faces)
        if self.identity is not None:
            source.identity = self.identity.features(faces)
        if self.lpips is not None and lambdas.lpips_lambda > 0:
            source.lpips = self.lpips.features(faces)
        if self.lpips is not None and lambdas.lpips_lambda_crop > 0:
            source.lpips_crop = self.lpips.features(crop_face(faces))
        return source

    def __call__(
        self,
        source: Source,
        y_hat: Tensor,
        w_plus: Tensor,
        latent_avg: Tensor | None = None,
        target_ages: Tensor | None = None,
        no_aging: bool = False,
        label: str = "",
    ) -> Loss:
        """The loss of one pass.

        Args:
            y_hat: generated faces [N, 3, 256, 256].
            w_plus: their codes [N, n_styles, 512], and behind them those of faces that are compared by code alone.
            latent_avg: where the length of the codes is measured from, see `w_norm_loss`.
            target_ages: centuries [N]; None for pSp.
            no_aging: the target is the source's own age in this step.
            label: "real" or "cycle" for SAM, "" for pSp.

        Returns:
            The loss; its terms are named as in the reference, `loss_l2_real`, ...
        """
        lambdas, loss = self.lambdas, Loss(f"_{label}" if label else "")
        ages = label == "real" and not no_aging
        if self.identity is not None:
            loss.add("id", lambdas.id_lambda, self._identity(loss, source, y_hat, target_ages))
        weight = lambdas.of_image("l2", ages)
        if weight > 0:
            loss.add("l2", weight, l2_loss(y_hat, source.faces))
        weight = lambdas.of_image("lpips", ages)
        if weight > 0:
            loss.add("lpips", weight, self._lpips(y_hat, source.lpips))
        if lambdas.lpips_lambda_crop > 0:
            distance = self._lpips(crop_face(y_hat), source.lpips_crop)
            loss.add("lpips_crop", lambdas.lpips_lambda_crop, distance)
        if lambdas.l2_lambda_crop > 0:
            crops = crop_face(y_hat), crop_face(source.faces)
            loss.add("l2_crop", lambdas.l2_lambda_crop, l2_loss(*crops))
        if lambdas.w_norm_lambda > 0:
            loss.add("w_norm", lambdas.w_norm_lambda, w_norm_loss(w_plus[: len(y_hat)], latent_avg))
        if source.codes is not None and lambdas.code_lambda > 0:
            found = w_plus[-len(source.codes) :]
            loss.add("code", lambdas.code_lambda, F.mse_loss(found, source.codes))
        if self.aging is not None and lambdas.aging_lambda > 0 and target_ages is not None:
            predicted = self.aging.ages(y_hat)
            loss.note_faces("age", predicted * 100)
            loss.add("aging", lambdas.aging_lambda, self.aging(predicted, target_ages))
        loss.note("loss", loss.total)
        return loss

    def correct_gain(self, loss: Loss, inputs: Tensor, source: Source) -> None:
        """Count `id_improve` from the similarity of input and target, where they differ (pSp's other tasks)."""
        if self.identity is not None and source.identity is not None:
            with paddle.no_grad():
                before = self.identity.similarity(self.identity.features(inputs), source.identity)
            loss.terms["id_improve"] += 1 - before.mean()

    def _lpips(self, images: Tensor, features: list | None) -> Tensor:
        assert self.lpips is not None and features is not None  # lambdas.need_lpips
        return self.lpips.distance(self.lpips.features(images), features).mean()

    def _identity(
        self, loss: Loss, source: Source, y_hat: Tensor, target_ages: Tensor | None
    ) -> Tensor:
        assert self.identity is not None and source.identity is not None
        similarity = self.identity.similarity(self.identity.features(y_hat), source.identity)
        loss.note_faces("similarity", similarity)
        # The reference logs the gain over the similarity of input and target, which are both the source here.
        loss.note("id_improve", similarity.mean() - 1)
        distance = 1 - similarity
        if self.lambdas.use_weighted_id_loss and target_ages is not None:
            # Targets are for SAM, whose objective has an age network.
            assert source.ages is not None
            distance = distance * age_gap_weights(target_ages, source.ages)
        return distance.mean()

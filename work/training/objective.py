"""The training objective of SAM (Alaluf et al. 2021, section 3.2) and pSp (Richardson et al. 2021, 3.2).

What depends on the source faces alone (their ages, embeddings and LPIPS features) is computed once a step
and shared by the real and the cycle pass.

Departures from the reference: `aging_lambda=0` works; every term can be off, and its network is then not
needed; the crop terms of the cycle pass are logged under their own names and do not overwrite the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.criteria.aging import AgingLoss
from work.criteria.identity import IdentityLoss, age_gap_weights, crop_face
from work.criteria.lpips import LPIPS
from work.criteria.w_norm import w_norm_loss


@dataclass(frozen=True)
class Lambdas:
    """The weights of the terms, by the names of the flags."""

    id_lambda: float = 0.0
    lpips_lambda: float = 0.0
    lpips_lambda_aging: float = 0.0
    lpips_lambda_crop: float = 0.0
    l2_lambda: float = 0.0
    l2_lambda_aging: float = 0.0
    l2_lambda_crop: float = 0.0
    w_norm_lambda: float = 0.0
    aging_lambda: float = 0.0
    cycle_lambda: float = 0.0
    use_weighted_id_loss: bool = False

    def of_image(self, name: str, ages: bool) -> float:
        """The weight of "l2" or "lpips" on the whole image; `ages`: a real step towards another age."""
        return getattr(self, f"{name}_lambda_aging" if ages else f"{name}_lambda")

    @property
    def need_lpips(self) -> bool:
        return max(self.lpips_lambda, self.lpips_lambda_aging, self.lpips_lambda_crop) > 0


@dataclass
class Source:
    """The source faces [N, 3, 256, 256] and what the loss networks say about them; no gradients."""

    faces: Tensor
    ages: Optional[Tensor] = None  # centuries, [N]
    identity: Optional[Tensor] = None  # unit vectors, [N, D]
    lpips: Optional[list] = None  # feature maps of the whole faces
    lpips_crop: Optional[list] = None  # and of their crops


@dataclass
class Loss:
    """The total (with its graph), its terms, and per-face numbers for the panels (all detached)."""

    total: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    faces: dict[str, Tensor] = field(default_factory=dict)


class Objective:
    """The sum of the terms whose lambda is not 0.

    Args:
        lambdas: the weights.
        identity, lpips, aging: frozen networks; each may be None if its lambdas are 0.

    Raises:
        ValueError: a lambda is not 0 and its network is None.
    """

    def __init__(
        self,
        lambdas: Lambdas,
        identity: IdentityLoss | None = None,
        lpips: LPIPS | None = None,
        aging: AgingLoss | None = None,
    ):
        self.lambdas, self.identity, self.lpips, self.aging = lambdas, identity, lpips, aging
        needed = {
            "identity": lambdas.id_lambda > 0,
            "lpips": lambdas.need_lpips,
            "aging": lambdas.aging_lambda > 0,
        }
        missing = [name for name in needed if needed[name] and getattr(self, name) is None]
        if missing:
            raise ValueError(f"Objective: lambdas need networks that are missing: {missing}")
        for net in filter(None, (identity, lpips, aging)):
            net.eval()
            for parameter in net.parameters():
                parameter.stop_gradient = True

    @paddle.no_grad()
    def source(self, faces: Tensor) -> Source:
        """What the terms compare with, for faces [N, 3, 256, 256] in [-1, 1]."""
        source, lambdas = Source(faces), self.lambdas
        if self.aging is not None:
            source.ages = self.aging.ages(faces)
        if lambdas.id_lambda > 0:
            source.identity = self.identity.features(faces)
        if max(lambdas.lpips_lambda, lambdas.lpips_lambda_aging) > 0:
            source.lpips = self.lpips.features(faces)
        if lambdas.lpips_lambda_crop > 0:
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
        """One pass.

        Args:
            y_hat: generated faces [N, 3, 256, 256].
            w_plus: their codes [N, n_styles, 512].
            latent_avg: where the length of the codes is measured from, see `w_norm_loss`.
            target_ages: centuries [N]; None for pSp.
            no_aging: the target of this step is the source's own age.
            label: "real" or "cycle" for SAM, "" for pSp.

        Returns:
            The loss; its terms are named as in the reference, `loss_l2_real`, ...
        """
        lambdas, loss = self.lambdas, Loss(paddle.zeros([]))
        end = f"_{label}" if label else ""

        def add(name: str, weight: float, value: Tensor) -> None:
            loss.terms[f"loss_{name}{end}"] = value.detach()
            loss.total = loss.total + weight * value

        if lambdas.id_lambda > 0:
            add("id", lambdas.id_lambda, self._identity(loss, source, y_hat, target_ages, end))
        ages = label == "real" and not no_aging
        if lambdas.of_image("l2", ages) > 0:
            add("l2", lambdas.of_image("l2", ages), F.mse_loss(y_hat, source.faces))
        if lambdas.of_image("lpips", ages) > 0:
            distance = self.lpips.distance(self.lpips.features(y_hat), source.lpips)
            add("lpips", lambdas.of_image("lpips", ages), distance.mean())
        if lambdas.lpips_lambda_crop > 0:
            features = self.lpips.features(crop_face(y_hat))
            distance = self.lpips.distance(features, source.lpips_crop)
            add("lpips_crop", lambdas.lpips_lambda_crop, distance.mean())
        if lambdas.l2_lambda_crop > 0:
            crops = crop_face(y_hat), crop_face(source.faces)
            add("l2_crop", lambdas.l2_lambda_crop, F.mse_loss(*crops))
        if lambdas.w_norm_lambda > 0:
            add("w_norm", lambdas.w_norm_lambda, w_norm_loss(w_plus, latent_avg))
        if lambdas.aging_lambda > 0 and target_ages is not None:
            predicted = self.aging.ages(y_hat)
            loss.faces[f"age{end}"] = predicted.detach() * 100
            add("aging", lambdas.aging_lambda, self.aging(predicted, target_ages))
        loss.terms[f"loss{end}"] = loss.total.detach()
        return loss

    def correct_gain(self, loss: Loss, inputs: Tensor, source: Source) -> None:
        """Count `id_improve` from the likeness of input and target, where they differ (pSp's other tasks)."""
        if self.identity is not None and "id_improve" in loss.terms:
            with paddle.no_grad():
                seen = self.identity.similarity(self.identity.features(inputs), source.identity)
            loss.terms["id_improve"] += 1 - seen.mean()

    def _identity(self, loss, source, y_hat, target_ages, end) -> Tensor:
        similarity = self.identity.similarity(self.identity.features(y_hat), source.identity)
        loss.faces[f"similarity{end}"] = similarity.detach()
        # The reference logs the gain over the similarity of input and target; both are the source here.
        loss.terms[f"id_improve{end}"] = similarity.detach().mean() - 1
        distance = 1 - similarity
        if self.lambdas.use_weighted_id_loss and target_ages is not None:
            distance = distance * age_gap_weights(target_ages, source.ages)
        return distance.mean()

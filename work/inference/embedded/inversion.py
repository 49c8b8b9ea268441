"""Inversion: find a photo's latent code by refining a first guess with gradient steps in whitened W+."""

from __future__ import annotations

import math
from dataclasses import dataclass

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.inference.shares import OnShare, ignore_progress

PREVIEWED = 0.7  # share of the steps that are made on the generator's cheap preview


@dataclass(frozen=True)
class RefineWeights:
    """How much each term of the objective counts.

    Attributes:
        pixels: mean squared error at 256 px (images in [-1, 1]).
        identity: squared distance of dlib embeddings.
        common: pull of the layers' codes towards their mean. Codes that are far apart fit the photo a little better
            and age much worse.
        prior: pull of that mean towards the generator's mean.
        rate: Adam's learning rate for what all codes share, in deviations of w.
        own: the share of that rate at which each code moves by itself. Photos whose codes drift apart age
            into wrinkled noise, however well they are reconstructed at their own age.
    """

    pixels: float = 1.0
    identity: float = 0.5
    common: float = 0.15
    prior: float = 0.01
    rate: float = 0.16
    own: float = 0.35


class Inverter(nn.Layer):
    """Refines codes against LPIPS, pixels and identity.

    Args:
        generator, lpips, identity: frozen networks (MobileStyleGAN, LPIPS, DlibFace).
        mean: the generator's mean w [512].
        scatter: [512, 512]; white noise @ scatter is distributed as w - mean.
    """

    def __init__(
        self, generator, lpips, identity, mean: Tensor, scatter: Tensor, weights=RefineWeights()
    ):
        super().__init__()
        self.generator, self.lpips, self.identity = generator, lpips, identity
        self.mean, self.scatter, self.weights = mean, scatter, weights

    def to_w_plus(self, white: Tensor) -> Tensor:
        """Whitened codes [N, n_styles, 512] -> W+ codes [N, n_styles, 512]."""
        return self.mean + white @ self.scatter

    def objective(
        self, white: Tensor, target: Tensor, seen: list[Tensor], face: Tensor, preview: bool
    ) -> Tensor:
        """The loss of one image [1, 3, 256, 256] whose LPIPS features are `seen` and embedding `face`."""
        weights, w_plus = self.weights, self.to_w_plus(white)
        if preview:
            image = self.generator.preview(w_plus)
        else:
            image = F.avg_pool2d(self.generator(w_plus, half=True), 2)
        loss = self.lpips.distance(self.lpips.features(image), seen).mean()
        loss = loss + weights.pixels * F.mse_loss(image, target)
        if weights.identity:
            loss = loss + weights.identity * (self.identity.embed(image) - face).square().sum()
        middle = white.mean(axis=1, keepdim=True)
        loss = loss + weights.common * (white - middle).square().mean()
        return loss + weights.prior * middle.square().mean()

    @paddle.enable_grad()  # a grid learns a face in the midst of drawing
    def refine(
        self, face: Tensor, white: Tensor, steps: int, on_share: OnShare = ignore_progress
    ) -> Tensor:
        """Whitened codes [1, n_styles, 512] after `steps` Adam steps towards the photo `face` [1, 3, 256, 256]."""
        if steps < 1:
            return white
        with paddle.no_grad():
            seen, embedding = self.lpips.features(face), self.identity.embed(face)
        middle = white.mean(axis=1, keepdim=True).detach().clone()
        offsets = (white - middle).detach().clone()
        middle.stop_gradient = offsets.stop_gradient = False
        rates = (self.weights.rate, self.weights.rate * self.weights.own)
        optimizers = [
            paddle.optimizer.Adam(rate, 0.9, 0.99, parameters=[part])
            for rate, part in zip(rates, (middle, offsets))
        ]
        for step in range(steps):
            preview = step < PREVIEWED * steps
            self.objective(middle + offsets, face, seen, embedding, preview).backward()
            for rate, optimizer in zip(rates, optimizers):
                optimizer.set_lr(rate * rate_share(step, steps))
                optimizer.step()
                optimizer.clear_grad()
            on_share((step + 1) / steps)
        return (middle + offsets).detach()


def rate_share(step: int, steps: int) -> float:
    """Share of the learning rate: a short rise, a plateau for three tenths of the run, then a cosine to a twentieth."""
    rise = min(1.0, (step + 1) / 3)
    fall = max(0.0, (step / steps - 0.3) / 0.7)
    return max(0.05, rise * (0.5 + 0.5 * math.cos(math.pi * fall)))

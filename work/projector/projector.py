"""The projector: finds the code of a face by optimisation through a frozen generator.

The loss is LPIPS plus squared error at 256 px (Karras et al. 2020, "Analyzing and Improving the Image Quality of
StyleGAN", section 5 and appendix D, which has LPIPS and the regularised noise). Each face has its own codes
and its own optimizer: what becomes of it does not depend on the other faces of its batch.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.configs.project_options import ProjectorOptions
from work.models.psp import face_pool
from work.projector.projection import Projection
from work.projector.spaces import Space


def noise_regulariser(noise: Tensor) -> Tensor:
    """How much neighbouring values of noise maps [N, 1, r, r] resemble each other, at every scale, [N].

    Karras et al. 2020, appendix D: the squared mean products of neighbours, summed over a pyramid down to
    8 px, whose 2 x 2 averages are doubled to keep their deviation.
    """
    total = paddle.zeros([noise.shape[0]])
    while True:
        for axis in (2, 3):
            product = (noise * paddle.roll(noise, 1, axis)).mean(axis=[1, 2, 3])
            total = total + product.square()
        if noise.shape[2] <= 8:
            return total
        noise = F.avg_pool2d(noise, 2) * 2


class Projector:
    """Optimises the codes of faces.

    Args:
        space: the generator.
        lpips: a frozen LPIPS.
    """

    def __init__(self, space: Space, lpips: Any, options: ProjectorOptions):
        self.space, self.lpips, self.options = space, lpips, options
        self.mean: Optional[Tensor] = None  # drawn once, the start of all faces without an encoder

    @paddle.no_grad()
    def start(self, faces: Tensor, masks: Optional[Tensor] = None) -> list[Projection]:
        """Faces [N, 3, 256, 256] and masks [N, 1, 256, 256] at their first codes."""
        if self.options.no_encoder or self.space.encoder is None:
            self.mean = self.space.mean() if self.mean is None else self.mean
            codes = self.mean
        else:
            codes = self.space.encoder(faces)
        codes = codes.expand([len(faces), -1, -1])
        masks = paddle.ones([len(faces), 1, *faces.shape[2:]]) if masks is None else masks
        found = []
        for i in range(len(faces)):
            face, code, mask = faces[i : i + 1], codes[i : i + 1], masks[i : i + 1]
            features = self.lpips.features(face)
            found.append(Projection(face, code, self.space, self.options, mask, features))
        return found

    def advance(self, batch: list[Projection]) -> Tensor:
        """Judge the codes of a batch, and move those that are not done.

        Returns:
            The images of the judged codes, [N, 3, S, S], S from 256 on where the generator allows.
        """
        w_plus = self.space.w_plus(codes := paddle.concat([p.codes() for p in batch]))
        noise = [paddle.concat(list(maps)) for maps in zip(*[p.noise() for p in batch])]
        images = self.space.draw(w_plus, noise)
        lpips, mse = self.judge(face_pool(images), batch)
        loss = lpips + self.options.mse_weight * mse + self.space.penalty(codes)
        for x in noise:
            loss = loss + self.options.noise_weight * noise_regulariser(x)
        loss.sum().backward()
        for i, projection in enumerate(batch):
            projection.record(float(lpips[i]), float(mse[i]), w_plus[i : i + 1].detach())
            projection.move()
        return images.detach()

    def judge(self, images: Tensor, batch: list[Projection]) -> tuple[Tensor, Tensor]:
        """LPIPS and mean squared error [N] of images [N, 3, 256, 256]; where a mask is 0, nothing differs."""
        faces = paddle.concat([p.face for p in batch])
        masks = paddle.concat([p.mask for p in batch])
        wanted = [paddle.concat(list(maps)) for maps in zip(*[p.features for p in batch])]
        error = masks * (images - faces)
        lpips = self.lpips.distance(self.lpips.features(faces + error), wanted)
        return lpips, (error * (images - faces)).sum(axis=[1, 2, 3]) / (
            3 * masks.sum(axis=[1, 2, 3])
        )


def run(
    projector: Projector,
    projections: list[Projection],
    on_share: Optional[Callable[[list[Projection], Tensor], None]] = None,
) -> list[Projection]:
    """Advance a batch until every face is done.

    Args:
        on_share: called after each step with the faces that took part and their images.
    """
    while True:
        active = [p for p in projections if not p.done]
        if not active:
            return projections
        pictures = projector.advance(active)
        if on_share:
            on_share(active, pictures)

"""Two generators and their two discriminators: what one CycleGAN run trains."""

from __future__ import annotations

import numpy as np
from paddle import nn

from work.models.cyclegan.discriminator import Discriminator
from work.models.cyclegan.generator import Generator
from work.models.cyclegan.layers import draw_weights
from work.models.freezing import take_gradients

GENERATORS = ("older", "younger")
DISCRIMINATORS = ("judge_older", "judge_younger")


class CycleGAN(nn.Layer):
    """`older` makes faces older, `younger` makes them younger; each is judged by the discriminator of its results.

    Args:
        ngf, ndf: channels of generators and discriminators.
        blocks: residual blocks of a generator.
        conditioned: the networks are told ages and years (FA-GAN); else each knows one change only (Group-GAN).
        upsample: see Generator.
        residual: see Generator; the last weights of the generators are then 0 at the start.
        seed: of the first weights.
    """

    def __init__(
        self,
        ngf: int = 64,
        ndf: int = 64,
        blocks: int = 9,
        conditioned: bool = False,
        residual: bool = False,
        upsample: str = "transposed",
        seed: int = 0,
    ):
        super().__init__()
        self.conditioned = conditioned
        for name in GENERATORS:
            setattr(self, name, Generator(ngf, blocks, 2 * conditioned, residual, upsample))
        for name in DISCRIMINATORS:
            setattr(self, name, Discriminator(ndf, int(conditioned)))
        draw_weights(self, np.random.default_rng([seed, 0]))
        if residual:
            for name in GENERATORS:
                last = getattr(self, name).last.weight
                last.set_value(np.zeros(last.shape, np.float32))

    def freeze_discriminators(self, frozen: bool) -> None:
        """Whether the discriminators' weights take gradients."""
        for name in DISCRIMINATORS:
            take_gradients(getattr(self, name), not frozen)

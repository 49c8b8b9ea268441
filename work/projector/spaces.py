"""The latent spaces that the projector searches: the codes of a frozen generator, and their coordinates."""

from __future__ import annotations

from typing import Any, Callable, Optional, Protocol, Sequence

import numpy as np
import paddle
from paddle import Tensor

from work import runtime
from work.configs.project_options import ProjectorOptions
from work.errors import UserError
from work.inference.model import AgeingModel
from work.loading import has_mobile_generator, load_generator, load_psp
from work.models.checkpoint import Checkpoint, read_checkpoint
from work.models.freezing import freeze
from work.models.mobile_stylegan import MobileStyleGAN
from work.models.shapes import generator_shape
from work.models.stylegan2.generator import Generator, n_styles
from work.progress import loading
from work.training import cpu

SAMPLES = 4096  # mapped samples whose mean is the start without an encoder


class Space(Protocol):
    """A frozen generator and the coordinates of its W+.

    Attributes:
        rates: shares of the learning rate: of what moves all layers together, and of each layer's own way.
        encoder: faces [N, 3, 256, 256] -> codes [N, L, 512]; None if there is none.
        noise: the stored noise maps, each [1, 1, r, r]; empty where noise is part of the weights.
        model: the ageing model that shares the generator, if there is one.
    """

    n_styles: int
    rates: tuple[float, float]
    encoder: Optional[Callable[[Tensor], Tensor]]
    noise: list[Tensor]
    model: Optional[AgeingModel]

    def mean(self) -> Tensor:
        """The code of the mean of 4096 mapped samples, [1, L, 512]."""

    def w_plus(self, codes: Tensor) -> Tensor:
        """Codes [N, L, 512] -> W+ [N, L, 512]."""

    def draw(self, w_plus: Tensor, noise: Sequence[Tensor] = (), full: bool = False) -> Tensor:
        """W+ and noise maps [N, 1, r, r] (none: the stored ones) -> images [N, 3, S, S], with gradients.

        `full`: at the output size; else a cheaper size from 256 px on may do.
        """

    def penalty(self, codes: Tensor) -> Tensor:
        """What is added to each face's loss to keep its code where the generator is good, [N]."""


class StyleGAN2Space:
    """W+ itself, as in the reference; every layer goes its own way.

    Args:
        model: SAM or pSp, whose generator it is; its pSp encoder gives the start.
    """

    rates = (0.0, 1.0)

    def __init__(self, generator: Generator, model: Any = None):
        self.generator, self.model = generator, model
        self.n_styles = generator.n_latent
        self.encoder = model.invert if model is not None else None
        self.noise = generator.noises.maps()
        freeze(generator)

    @paddle.no_grad()
    def mean(self) -> Tensor:
        return self.generator.mean_latent(SAMPLES).unsqueeze(1).tile([1, self.n_styles, 1])

    def w_plus(self, codes: Tensor) -> Tensor:
        return codes

    def draw(self, w_plus: Tensor, noise: Sequence[Tensor] = (), full: bool = False) -> Tensor:
        return self.generator.synthesis(w_plus, list(noise) or self.noise)

    def penalty(self, codes: Tensor) -> Tensor:
        return paddle.zeros([codes.shape[0]])


class EmbeddedSpace:
    """Whitened W+ of the embedded generator. The layers move together and drift apart slowly.

    Codes that have drifted apart age badly (docs/embedded.md); the model's own inversion weighs them in the same way.
    """

    noise: list[Tensor] = []

    def __init__(self, model: Any):
        self.model, self.inverter = model, model.inverter
        self.encoder, self.n_styles = model.encoder, model.n_styles
        self.rates = (1.0, self.inverter.weights.own)

    @paddle.no_grad()
    def mean(self) -> Tensor:
        w = self.inverter.generator.map(paddle.randn([SAMPLES, 512])).mean(axis=0)
        offset = (w - self.inverter.mean).numpy()
        white = np.linalg.lstsq(self.inverter.scatter.numpy().T, offset, rcond=None)[0]
        return paddle.to_tensor(white.astype(np.float32)).tile([1, self.n_styles, 1])

    def w_plus(self, codes: Tensor) -> Tensor:
        return self.inverter.to_w_plus(codes)

    def draw(self, w_plus: Tensor, noise: Sequence[Tensor] = (), full: bool = False) -> Tensor:
        return self.inverter.generator(w_plus, half=not full)

    def penalty(self, codes: Tensor) -> Tensor:
        weights, middle = self.inverter.weights, codes.mean(axis=1, keepdim=True)
        apart = (codes - middle).square().mean(axis=[1, 2])
        return weights.common * apart + weights.prior * middle.square().mean(axis=[1, 2])


@loading()
def load_space(options: ProjectorOptions, blend: str = "generator") -> Space:
    """Set up the device and the seed and load the generator that the options name.

    Args:
        blend: of the ageing model, see `ModelChoice`.

    Raises:
        UserError: weights that cannot be used, or options that contradict them.
    """
    runtime.setup(options.device, options.seed)
    cpu.prepare()
    if options.ckpt is None:
        return _embedded_space(options, blend)
    checkpoint = read_checkpoint(options.ckpt)
    weights = checkpoint.state_dict
    if checkpoint.kind in ("sam", "psp"):
        if has_mobile_generator(weights):
            raise UserError(
                f"--ckpt {options.ckpt}: its generator is the embedded one: leave --ckpt out"
            )
        _check_shape(options, generator_shape(weights.part("decoder.")))
        return _sam_space(checkpoint, options.ckpt, blend)
    if checkpoint.kind != "stylegan2":
        raise UserError(
            f"--ckpt {options.ckpt} holds {checkpoint.kind} weights; StyleGAN2, pSp or SAM is needed"
        )
    _check_shape(options, generator_shape(weights))
    return StyleGAN2Space(load_generator(checkpoint, options.ckpt))


def _embedded_space(options: ProjectorOptions, blend: str) -> EmbeddedSpace:
    from work.inference.embedded.model import load_embedded

    shape = {"size": MobileStyleGAN.size, "style_dim": 512, "n_mlp": 8}
    _check_shape(options, shape, "the embedded generator has")
    if options.channel_multiplier is not None or options.optimize_noise:
        name = "optimize_noise" if options.optimize_noise else "channel_multiplier"
        raise UserError(f"--{name} is for StyleGAN2: name its weights with --ckpt")
    return EmbeddedSpace(load_embedded(0, blend))


def _sam_space(checkpoint: Checkpoint, source: str, blend: str) -> StyleGAN2Space:
    from work.configs.options import ModelOptions
    from work.configs.saved_options import with_saved
    from work.inference.sam import SAM

    options = with_saved(ModelOptions(), checkpoint.opts or {})
    net = load_psp(checkpoint, options, source)  # run by Paddle itself: engines know no gradients
    return StyleGAN2Space(net.decoder, SAM(net, blend=blend))


def _check_shape(
    options: ProjectorOptions, shape: dict[str, int], said: str = "the weights are made for"
) -> None:
    for name, value in shape.items():
        if getattr(options, name) not in (None, value):
            raise UserError(f"--{name} {getattr(options, name)}: {said} {value}")
    outside = [level for level in options.levels or [] if level >= _layers(shape["size"], options)]
    if outside:
        last = _layers(shape["size"], options) - 1
        raise UserError(f"--latent_level: the generator has layers 0 to {last}, not {outside}")


def _layers(size: int, options: ProjectorOptions) -> int:
    return MobileStyleGAN.n_styles if options.ckpt is None else n_styles(size)

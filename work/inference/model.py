"""What the scripts ask of an ageing model, and the two trained kinds: SAM and pSp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Protocol

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.nn import Layer

from work.configs.options import ModelOptions
from work.configs.target_age import Target
from work.errors import UserError
from work.inference.composite import Composite, gates
from work.models.checkpoint import Checkpoint, load_state
from work.models.psp import PSP, add_age_channel, face_pool


class AgeingModel(Protocol):
    """Aligned faces and target ages to latent codes and images."""

    output_size: int
    n_styles: int
    uses_photos: bool

    def encode(self, faces: Tensor, photos: Optional[list[Tensor]] = None) -> Any:
        """Faces [N, 3, 256, 256] in [-1, 1] -> all that does not depend on the target age.

        `photos`, each [1, 3, S, S], are the same faces with more pixels, for a model that `uses_photos`.
        """

    def ages(self, state: Any) -> list[float]:
        """Estimated ages of the encoded faces, in years, that relative targets are added to."""

    def codes(self, state: Any, target_ages: Tensor) -> Tensor:
        """The state of N faces and their target ages [N] in years -> w_plus [N, n_styles, 512]."""

    def render(self, w_plus: Tensor, resize: bool = False) -> Tensor:
        """w_plus -> images [N, 3, S, S], S the output size or 256 with `resize`."""

    def transform(
        self, state: Any, target_ages: Tensor, resize: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The state of N faces and their target ages [N] -> (pictures [N, 3, S, S], w_plus)."""


@dataclass
class EncodedFaces:
    """N faces [N, 3, 256, 256] and the codes that SAM's or pSp's encoder adds to; the rest is for compositing.

    `photos` are [N, 3, S, S] at the output size, `composite` blends them; `ages` are N estimated years, once asked for.
    """

    faces: Tensor
    start: Optional[Tensor]
    photos: Optional[Tensor] = None
    composite: Optional[Composite] = None
    ages: Optional[list[float]] = None


class SAM:
    """SAM (or pSp, which knows no age) behind the interface of an ageing model.

    Args:
        decode: maps w_plus to images in the network's stead when an engine does it.
        blend: "generator" is the official output; "composite" brings its change into the photo.
    """

    def __init__(
        self,
        net: PSP,
        decode: Optional[Callable[[Tensor], Tensor]] = None,
        blend: str = "generator",
    ):
        self.net, self._decode = net, decode or net.decode
        net.eval()
        self.output_size, self.n_styles = net.output_size, net.n_styles
        self.knows_age = net.input_nc == 4
        self.autocast = False  # convolutions in bfloat16, for GPUs with tensor cores
        self.uses_photos = blend == "composite"
        self.reader: Optional[Layer] = None  # of ages, where they matter

    def _precision(self):
        return paddle.amp.auto_cast(enable=self.autocast, dtype="bfloat16")

    @paddle.no_grad()
    def encode(self, faces: Tensor, photos: Optional[list[Tensor]] = None) -> EncodedFaces:
        """See AgeingModel; the frozen pSp encoder runs here, once per face for all its ages."""
        with self._precision():
            state = EncodedFaces(faces, self.net.start_codes(faces))
        if self.uses_photos:
            size = [self.output_size] * 2
            state.photos = F.interpolate(paddle.concat(photos or [faces]), size, mode="bicubic")
            state.composite = Composite(state.photos, self.render(self.invert(faces)))
        return state

    @paddle.no_grad()
    def ages(self, state: EncodedFaces) -> list[float]:
        """See AgeingModel; a small network estimates them."""
        from work.inference.embedded.inversion import face_chip
        from work.inference.embedded.model import age_reader

        if state.ages is None:
            self.reader = self.reader or age_reader()
            state.ages = self.reader.predict_age(face_chip(state.faces)).tolist()
        return state.ages

    @paddle.no_grad()
    def codes(self, state: EncodedFaces, target_ages: Tensor) -> Tensor:
        """See AgeingModel."""
        inputs = add_age_channel(state.faces, target_ages) if self.knows_age else state.faces
        with self._precision():
            return self.net.encode(inputs, state.start).astype("float32")

    @paddle.no_grad()
    def render(self, w_plus: Tensor, resize: bool = False) -> Tensor:
        """See AgeingModel; uses the stored noise, so that the same code is the same picture."""
        with self._precision():
            images = self._decode(w_plus).astype("float32")
        return face_pool(images) if resize else images

    @paddle.no_grad()
    def transform(
        self, state: EncodedFaces, target_ages: Tensor, resize: bool = False
    ) -> tuple[Tensor, Tensor]:
        """See AgeingModel."""
        w_plus = self.codes(state, target_ages)
        if not self.uses_photos:
            return self.render(w_plus, resize), w_plus
        older = (target_ages >= paddle.to_tensor(self.ages(state))).astype("float32")
        images = state.composite(self.render(w_plus), gates(older))
        return face_pool(images) if resize else images, w_plus

    @paddle.no_grad()
    def invert(self, faces: Tensor) -> Tensor:
        """Faces [N, 3, 256, 256] -> w_plus without ageing (reference-guided mixing injects it)."""
        if self.net.start_from_encoded_w_plus:
            return self.net.start_codes(faces)
        return self.net.encode(faces)

    @paddle.no_grad()
    def random_codes(self, n: int) -> Tensor:
        """w_plus of `n` random z, [n, n_styles, 512]."""
        w = self.net.decoder.style(paddle.randn([n, self.net.decoder.style_dim]))
        return w.unsqueeze(1).tile([1, self.n_styles, 1])


def years_of(model: AgeingModel, state: Any, target: Target, count: int) -> Tensor:
    """A typed target age for each of `count` encoded faces, [count] years; a relative one adds to each face's age."""
    own = model.ages(state) if target.relative else [0.0] * count
    return paddle.to_tensor([target.years(age) for age in own], dtype="float32")


def build_sam(
    checkpoint: Checkpoint, options: ModelOptions, source: str, blend: str = "generator"
) -> SAM:
    """The network that a checkpoint of kind sam or psp holds, run by Paddle itself.

    Args:
        options: fields that are not None beat what the weights show.
        source: the file, for error messages.
        blend: see SAM.

    Raises:
        UserError: not such a checkpoint, or options that contradict its weights.
    """
    net = empty_net(checkpoint, options, source)
    load_state(net, checkpoint.state_dict, source)
    set_latent_avg(net, checkpoint, source)
    return SAM(net, blend=blend)


def empty_net(
    checkpoint: Checkpoint, options: ModelOptions, source: str, encoders: bool = True
) -> PSP:
    """The network of a checkpoint without its weights, `encoders` included or not; no memory is spent on them yet."""
    if checkpoint.kind not in ("sam", "psp"):
        raise UserError(
            f"{source} holds {checkpoint.kind} weights; a checkpoint of SAM or pSp is needed"
        )
    shown = _shown_by_weights(checkpoint)
    chosen = {
        name: value if getattr(options, name) is None else getattr(options, name)
        for name, value in shown.items()
    }
    for name in ("output_size", "input_nc"):
        if chosen[name] != shown[name]:
            raise UserError(
                f"--{name} {chosen[name]}: the weights in {source} are made for {shown[name]}"
            )
    try:
        with paddle.LazyGuard():  # no time is spent on random weights that are replaced at once
            return PSP(**chosen, encoders=encoders)
    except ValueError as error:
        raise UserError(f"{source}: {error}") from error


def _shown_by_weights(checkpoint: Checkpoint) -> dict[str, Any]:
    weights = checkpoint.state_dict
    levels = sum(k.startswith("decoder.to_rgbs.") and k.endswith(".conv.weight") for k in weights)
    return {
        "output_size": 4 * 2**levels,
        "input_nc": weights["encoder.input_layer.0.weight"].shape[1],
        "start_from_encoded_w_plus": any(k.startswith("pretrained_encoder.") for k in weights),
        "start_from_latent_avg": checkpoint.kind == "psp" and checkpoint.latent_avg is not None,
        "learn_in_w": "encoder.linear.weight" in weights,
    }


def set_latent_avg(net: PSP, checkpoint: Checkpoint, source: str) -> None:
    """Give the network its mean latent; its mapping network has its weights already."""
    if net.start_from_encoded_w_plus or net.start_from_latent_avg:
        net.latent_avg.set_value(_latent_avg(net, checkpoint, source))


def _latent_avg(net: PSP, checkpoint: Checkpoint, source: str) -> Tensor:
    if checkpoint.latent_avg is None:
        print(
            f"note: {source} holds no latent_avg; the mean of 65536 mapped samples of its generator is used"
        )
        state = paddle.get_rng_state()
        paddle.seed(0)
        with paddle.no_grad():
            mean = net.decoder.mean_latent(65536)
        paddle.set_rng_state(state)
        return mean.tile([net.n_styles, 1])
    average = paddle.to_tensor(checkpoint.latent_avg, dtype="float32").reshape([-1, 512])
    return average if average.shape[0] == net.n_styles else average[:1].tile([net.n_styles, 1])

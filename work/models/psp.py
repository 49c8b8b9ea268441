"""pSp and SAM: an encoder, a frozen generator, and for SAM a frozen pSp encoder to start from.

pSp: Richardson et al. 2021. SAM: Alaluf et al. 2021, section 3: the style codes of the age encoder are
added to those of the frozen pSp encoder, so it only has to learn the change.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.encoders.light import LightStyleEncoder
from work.models.encoders.psp_encoders import (
    BackboneEncoderUsingLastLayerIntoW,
    BackboneEncoderUsingLastLayerIntoWPlus,
    GradualStyleEncoder,
)
from work.models.mobile_stylegan import N_STYLES, MobileStyleGAN
from work.models.stylegan2.generator import Generator, n_styles

Draft = Callable[..., Tensor]


class PSP(nn.Layer):
    """Faces (with the age as a last, constant channel for SAM) -> w_plus -> images.

    Args:
        output_size: pixels of the generated face.
        input_nc: channels of the input, 4 for SAM (RGB and the target age over 100).
        start_from_latent_avg: the codes are offsets from the mean latent (pSp).
        start_from_encoded_w_plus: they are offsets from the frozen pSp encoder's codes (SAM).
        learn_in_w: one style for all layers: the encoder predicts W, not W+.
        encoders: build them; without, empty layers hold their places for the graphs of an engine.
        last_features: the encoder reads all styles off its last features, without a pyramid (a baseline of pSp).
        light: the encoders are small ones (encoders/light.py).
        mobile: the generator is MobileStyleGAN, whose noise is fixed; `output_size` is 1024.

    Attributes:
        draft: renders a mobile generator's image at half size faster, with gradients; None: the generator itself.

    Departure from the reference: `train()` reaches only the encoder that is trained. The reference puts the frozen
    parts into training mode too, and their batch-norm statistics drift.
    """

    def __init__(
        self,
        output_size: int = 1024,
        input_nc: int = 4,
        start_from_latent_avg: bool = False,
        start_from_encoded_w_plus: bool = True,
        learn_in_w: bool = False,
        encoders: bool = True,
        last_features: bool = False,
        light: bool = False,
        mobile: bool = False,
    ):
        super().__init__()
        if start_from_latent_avg and start_from_encoded_w_plus:
            raise ValueError(
                "PSP: start_from_latent_avg and start_from_encoded_w_plus exclude each other"
            )
        self.output_size, self.input_nc = output_size, input_nc
        self.start_from_latent_avg = start_from_latent_avg
        self.start_from_encoded_w_plus = start_from_encoded_w_plus
        self.learn_in_w, self.light, self.mobile = learn_in_w, light, mobile
        self.n_styles = N_STYLES if mobile else n_styles(output_size)
        self.has_graphs = not (learn_in_w or last_features)  # for engines and exports

        def new_encoder(channels: int, white: bool = False) -> nn.Layer:
            if light:
                return LightStyleEncoder(channels, self.n_styles, white)
            return GradualStyleEncoder(50, "ir_se", channels, self.n_styles)

        self.encoder: nn.Layer = nn.Layer()
        if encoders and learn_in_w:
            self.encoder = BackboneEncoderUsingLastLayerIntoW(50, "ir_se", input_nc)
        elif encoders and last_features:
            self.encoder = BackboneEncoderUsingLastLayerIntoWPlus(
                50, "ir_se", input_nc, self.n_styles
            )
        elif encoders:
            self.encoder = new_encoder(input_nc, white=start_from_encoded_w_plus)
        self.decoder: Any = MobileStyleGAN() if mobile else Generator(output_size)
        self.draft: Optional[Draft] = None
        self.pretrained_encoder: nn.Layer = nn.Layer()  # pSp leaves it empty
        if encoders and start_from_encoded_w_plus:
            self.pretrained_encoder = new_encoder(3)
        self.register_buffer("latent_avg", paddle.zeros([self.n_styles, 512]), persistable=False)

    def train(self, train_decoder: bool = False):
        """Put the encoder (and on request the decoder) into training mode; the rest stays in evaluation mode."""
        super().eval()
        self.training = True
        self.encoder.train()
        if train_decoder:
            self.decoder.train()
        return self

    def start_codes(self, faces: Tensor) -> Tensor | None:
        """The codes [N or 1, n_styles, 512] that the encoder's are added to, if any; they do not depend on the age.

        Args:
            faces: RGB [N, 3, 256, 256] in [-1, 1].
        """
        if self.start_from_encoded_w_plus:
            return self.pretrained_codes(faces)
        return self.latent_avg.unsqueeze(0) if self.start_from_latent_avg else None

    @paddle.no_grad()
    def pretrained_codes(self, faces: Tensor) -> Tensor:
        """SAM only: faces [N, 3, 256, 256] in [-1, 1] -> the frozen pSp encoder's w_plus [N, n_styles, 512]."""
        return self.pretrained_encoder(faces) + self.latent_avg

    def encode(self, x: Tensor, start: Tensor | None = None) -> Tensor:
        """Inputs [N, input_nc, 256, 256] -> w_plus [N, n_styles, 512].

        Args:
            start: what `start_codes` gave for the same faces, if it is known already.
        """
        codes = self.encoder(x)
        if start is None:
            start = self.start_codes(x[:, :3])
        if codes.shape[1] != self.n_styles:
            codes = codes.tile([1, self.n_styles, 1])
        return codes if start is None else codes + start

    def decode(self, w_plus: Tensor, resize: bool = False, randomize_noise: bool = False) -> Tensor:
        """w_plus [N, n_styles, 512] -> images [N, 3, output_size, output_size], or 256 px if `resize`."""
        if self.mobile:
            images = (
                (self.draft or self.decoder)(w_plus, half=True) if resize else self.decoder(w_plus)
            )
        else:
            images, _ = self.decoder(
                [w_plus], input_is_latent=True, randomize_noise=randomize_noise
            )
        return face_pool(images) if resize else images

    def map(self, z: Tensor) -> Tensor:
        """Normal samples [N, 512] -> w [N, 512]."""
        return self.decoder.map(z) if self.mobile else self.decoder.style(z)

    def forward(
        self,
        x: Tensor,
        resize: bool = True,
        latent_mask: Sequence[int] | None = None,
        inject_latent: Tensor | None = None,
        alpha: float | None = None,
        randomize_noise: bool = True,
        return_latents: bool = False,
    ):
        """The reference's call: encode, mix styles, decode.

        Args:
            x: inputs [N, input_nc, 256, 256].
            resize: pool the output to 256 px.
            latent_mask, inject_latent, alpha: see `mix_styles`.

        Returns:
            Images [N, 3, S, S]; with `return_latents` also the w_plus that made them.
        """
        codes = self.encode(x)
        if codes.ndim == 2:
            codes = codes.unsqueeze(1).tile([1, self.n_styles, 1])
        codes = mix_styles(codes, latent_mask, inject_latent, alpha)
        images = self.decode(codes, resize, randomize_noise)
        return (images, codes) if return_latents else images


def mix_styles(
    codes: Tensor,
    latent_mask: Sequence[int] | None,
    inject_latent: Tensor | None = None,
    alpha: float | None = None,
) -> Tensor:
    """Replace the layers in `latent_mask` of codes [N, L, 512] by those of `inject_latent` [N or 1, L, 512].

    With `alpha` they become alpha * injected + (1 - alpha) * own. Without `inject_latent` they become zero.
    """
    if not latent_mask:
        return codes
    outside = [i for i in latent_mask if not 0 <= i < codes.shape[1]]
    if outside:
        raise ValueError(f"latent_mask: layers {outside} are not in 0..{codes.shape[1] - 1}")
    share = 1.0 if alpha is None or inject_latent is None else alpha
    shares = [share if i in latent_mask else 0.0 for i in range(codes.shape[1])]
    mask = paddle.to_tensor(shares, dtype=codes.dtype).reshape([1, -1, 1])
    kept = codes * (1 - mask)
    return kept if inject_latent is None else kept + inject_latent * mask


def face_pool(images: Tensor) -> Tensor:
    """Images [N, 3, S, S] at the 256 px that the losses see: averaged down, or repeated up."""
    return images if images.shape[2:] == [256, 256] else F.adaptive_avg_pool2d(images, 256)


def add_age_channel(faces: Tensor, target_ages: Tensor) -> Tensor:
    """Append target age / 100 as a constant channel: [N, 3, H, W] and years [N] -> [N, 4, H, W]."""
    n, _, h, w = faces.shape
    return paddle.concat(
        [faces, (target_ages.astype(faces.dtype) / 100).reshape([n, 1, 1, 1]).expand([n, 1, h, w])],
        1,
    )

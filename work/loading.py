"""From weights to networks: building a network, filling it with its weights, and freezing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Optional, Union

import numpy as np
import paddle
from paddle import Tensor

from work.configs.options import ModelOptions
from work.criteria.lpips import LPIPS
from work.errors import UserError
from work.models.age_v1 import AgeV1
from work.models.checkpoint import Checkpoint, load_state, read_checkpoint
from work.models.dex_vgg import DexVGG
from work.models.dlib_face import DlibFace
from work.models.encoders.arcface import IRSE50, CurricularFaceIR101
from work.models.freezing import freeze
from work.models.lazy_state import LazyState
from work.models.mobile_stylegan import MobileStyleGAN
from work.models.mtcnn import MTCNN
from work.models.person_matte import PersonMatte
from work.models.pretrained import weights_path
from work.models.psp import PSP
from work.models.shapes import generator_shape, generator_size, input_channels
from work.models.stylegan2.generator import Generator

# The networks of the table of known weights that stand alone.
NETWORKS: Dict[str, Callable[[], Any]] = {
    "age_v1": AgeV1,
    "curricularface": CurricularFaceIR101,
    "dex_vgg": DexVGG,
    "dlib_face": DlibFace,
    "ir_se50": IRSE50,
    "mobile_stylegan": MobileStyleGAN,
    "mtcnn": MTCNN,
    "person_matte": PersonMatte,
}
LARGE = ("curricularface", "dex_vgg", "ir_se50")  # drawing weights to replace them takes seconds
LPIPS_BACKBONES = {"alex": "alexnet", "vgg": "vgg16"}
GENERATOR, LIGHT_WEIGHT = "decoder.", "encoder.lateral.0.weight"  # in checkpoints of SAM and pSp
MEAN_SAMPLES = 65536  # mapped samples whose mean stands for a missing latent_avg


def open_known(name: str) -> Checkpoint:
    """The checkpoint of some known weights, fetched on first use.

    Raises:
        UserError: a person has to fetch them (the message says where and how), or fetching failed.
    """
    return read_checkpoint(weights_path(name))


def open_model(path: Union[str, Path]) -> Checkpoint:
    """The checkpoint of a model; a small SAM or pSp without a generator gets the known small one.

    Raises:
        UserError: as `read_checkpoint` and `open_known`.
    """
    checkpoint = read_checkpoint(path)
    state = checkpoint.state_dict
    if _lacks_generator(state):
        checkpoint.state_dict = state.joined(GENERATOR, open_known("mobile_stylegan").state_dict)
    return checkpoint


def load_network(name: str, checkpoint: Optional[Checkpoint] = None) -> Any:
    """One of NETWORKS with its weights, in evaluation mode and without gradients of its own.

    Args:
        checkpoint: other weights than the known ones.

    Raises:
        UserError: weights that cannot be fetched, or that do not fit.
    """
    checkpoint = checkpoint or open_known(name)
    if name in LARGE:
        with paddle.LazyGuard():
            network = NETWORKS[name]()
    else:
        network = NETWORKS[name]()
    load_state(network, checkpoint.state_dict, name)
    return freeze(network)


def load_lpips(net: str = "alex", open_weights: Callable[[str], Any] = open_known) -> Any:
    """LPIPS on AlexNet ("alex") or VGG16 ("vgg"), frozen.

    Args:
        open_weights: opens known weights by name; where it returns None for one of them, so does this.
    """
    backbone = open_weights(LPIPS_BACKBONES[net])
    heads = backbone and open_weights(f"lpips_{net}")
    if heads is None:
        return None
    lpips = LPIPS(net)
    load_state(lpips.net, backbone.state_dict, LPIPS_BACKBONES[net])
    load_state(lpips.lin, heads.state_dict.part("lin."), f"lpips_{net}")
    return freeze(lpips)


def load_psp(checkpoint: Checkpoint, options: ModelOptions, source: Union[str, Path]) -> PSP:
    """The whole network of a checkpoint of kind sam or psp.

    Args:
        options: fields that are not None beat what the weights show.
        source: the file, for error messages.

    Raises:
        UserError: not such a checkpoint, or options that contradict its weights.
    """
    net = shape_psp(checkpoint, options, source)
    load_state(net, checkpoint.state_dict, source)
    set_latent_avg(net, checkpoint, source)
    net.eval()
    if net.mobile:
        net.decoder.freeze()
    return net


def shape_psp(
    checkpoint: Checkpoint,
    options: ModelOptions,
    source: Union[str, Path],
    encoders: bool = True,
) -> PSP:
    """The network of a checkpoint of kind sam or psp, without memory for its weights yet.

    Args:
        encoders: make the encoders too; a graph engine replaces them.
    """
    if checkpoint.kind not in ("sam", "psp"):
        raise UserError(
            f"{source} holds {checkpoint.kind} weights; a checkpoint of SAM or pSp is needed"
        )
    shown = _shown_by_weights(checkpoint)
    chosen = {
        name: value if getattr(options, name, None) is None else getattr(options, name)
        for name, value in shown.items()
    }
    for name in ("output_size", "input_nc"):
        if chosen[name] != shown[name]:
            raise UserError(
                f"--{name} {chosen[name]}: the weights in {source} are made for {shown[name]}"
            )
    try:
        with paddle.LazyGuard():
            return PSP(**chosen, encoders=encoders)
    except ValueError as error:
        raise UserError(f"{source}: {error}") from error


def has_mobile_generator(state: LazyState) -> bool:
    """Whether the generator of a SAM or pSp is the embedded model's, in the file or left out of it."""
    return f"{GENERATOR}const" in state or _lacks_generator(state)


def _lacks_generator(state: LazyState) -> bool:
    return LIGHT_WEIGHT in state and not any(name.startswith(GENERATOR) for name in state)


def _shown_by_weights(checkpoint: Checkpoint) -> Dict[str, Any]:
    weights = checkpoint.state_dict
    last_features = "encoder.output_layer_2.0.weight" in weights
    mobile = has_mobile_generator(weights)
    return {
        "output_size": MobileStyleGAN.size if mobile else generator_size(weights.part("decoder.")),
        "input_nc": input_channels(weights.part("encoder.")),
        "start_from_encoded_w_plus": any(k.startswith("pretrained_encoder.") for k in weights),
        "start_from_latent_avg": checkpoint.kind == "psp" and checkpoint.latent_avg is not None,
        "learn_in_w": "encoder.linear.weight" in weights and not last_features,
        "last_features": last_features,
        "light": LIGHT_WEIGHT in weights,
        "mobile": mobile,
    }


def set_latent_avg(
    net: PSP, checkpoint: Optional[Checkpoint], source: Union[str, Path] = ""
) -> None:
    """Give a network its mean latent: the checkpoint's, else the mean of its generator's mapped samples.

    Its mapping network has its weights already. Networks that start from nothing need no mean.
    """
    if not (net.start_from_encoded_w_plus or net.start_from_latent_avg):
        return
    if checkpoint is not None and checkpoint.latent_avg is not None:
        average = _saved_latent(checkpoint.latent_avg, checkpoint.state_dict.source)
    else:
        if source:
            print(
                f"note: {source} holds no latent_avg; the mean of {MEAN_SAMPLES} mapped samples of its "
                "generator is used"
            )
        average = mean_latent(net.decoder)
    if average.shape[0] != net.n_styles:
        average = average[:1].tile([net.n_styles, 1])
    net.latent_avg.set_value(average)


def _saved_latent(latent: np.ndarray, source: Union[str, Path]) -> Tensor:
    """A checkpoint's mean latent, [N, 512]. Raises UserError for another shape than that or [512]."""
    if latent.ndim > 2 or latent.shape[-1:] != (512,) or not len(latent):
        raise UserError(
            f"{source}: its latent_avg has shape {list(latent.shape)} instead of [N, 512]"
        )
    return paddle.to_tensor(latent, dtype="float32").reshape([-1, 512])


@paddle.no_grad()
def mean_latent(generator: Union[Generator, MobileStyleGAN]) -> Tensor:
    """The mean w of MEAN_SAMPLES mapped samples, [1, 512]; the same for every seed of the run."""
    state = paddle.get_rng_state()
    paddle.seed(0)
    mean = generator.mean_latent(MEAN_SAMPLES)
    paddle.set_rng_state(state)
    return mean


def load_generator(checkpoint: Checkpoint, source: Union[str, Path]) -> Generator:
    """A frozen StyleGAN2 of the shape that its weights show.

    Raises:
        UserError: weights that do not fit together.
    """
    with paddle.LazyGuard():
        generator = Generator(**generator_shape(checkpoint.state_dict))
    load_state(generator, checkpoint.state_dict, source)
    freeze(generator)
    return generator

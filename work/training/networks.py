"""The networks of a training run: the one that is trained, the weights it starts from, the frozen loss networks."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from work.configs.paths_config import model_paths
from work.configs.train_flags import INTO_W_PLUS, LIGHT, MOBILE
from work.configs.train_options import TrainOptions
from work.criteria.aging import AgingLoss
from work.criteria.identity import DlibIdentity, IdentityLoss
from work.datasets.training import WEIGHTS, random_generator
from work.errors import UserError
from work.inference.engines.mobile import fast_generator
from work.loading import load_lpips, load_network, open_known, open_model, set_latent_avg
from work.models.checkpoint import Checkpoint, load_state, read_checkpoint
from work.models.encoders.light import AXES, LightStyleEncoder
from work.models.psp import PSP
from work.training.objective import Lambdas, Objective
from work.training.whitening import whitening

SCATTER_SAMPLES = 10_000  # mapped samples that show how codes are spread


def build_network(options: TrainOptions, checkpoint_path: str | Path | None = None) -> PSP:
    """The network at the start of a run: all of it from a checkpoint, else put together from parts.

    A new encoder starts from IR-SE50, see `start_encoder`; the generator and the pSp encoder have files of their own.

    Raises:
        UserError: weights are missing (without `allow_missing`) or do not fit.
    """
    names = ("output_size", "input_nc", "start_from_latent_avg", "start_from_encoded_w_plus")
    shape: dict[str, Any] = {name: getattr(options, name) for name in (*names, "learn_in_w")}
    shape["last_features"] = options.encoder_type == INTO_W_PLUS
    shape["light"], shape["mobile"] = options.encoder_type == LIGHT, options.mobile
    if checkpoint_path is None:
        parts = _find_parts(options)  # before time is spent on drawing random weights
        net = PSP(**shape)
        _load_parts(net, parts, options.seed)
        return attach_fast_decoder(net)
    checkpoint = open_model(checkpoint_path)
    with paddle.LazyGuard():
        net = PSP(**shape)
    load_state(net, checkpoint.state_dict, checkpoint_path)
    set_latent_avg(net, checkpoint)
    return attach_fast_decoder(net)


def attach_fast_decoder(net: PSP) -> PSP:
    """Let an engine render for a mobile generator, gradients included: four times as fast on a CPU."""
    if net.mobile:
        found = fast_generator(net.decoder.freeze(), "auto", "fp32")
        net.draft = None if found is net.decoder else found
    return net


def _find_parts(options: TrainOptions) -> dict[str, Checkpoint | None]:
    paths: dict[str, str | None] = {}
    if options.encoder_type != LIGHT:
        paths["ir_se50"] = None
    if options.mobile:
        paths[MOBILE] = None
    else:
        paths["stylegan_ffhq"] = options.stylegan_weights
    if options.start_from_encoded_w_plus:
        paths["pretrained_psp_encoder"] = options.pretrained_psp_path
    return {name: find(name, options.allow_missing, path) for name, path in paths.items()}


def _load_parts(net: PSP, parts: dict[str, Checkpoint | None], seed: int) -> None:
    backbone, psp = parts.get("ir_se50"), parts.get("pretrained_psp_encoder")
    generator_file = parts[MOBILE if net.mobile else "stylegan_ffhq"]
    body = backbone.state_dict if backbone else None
    if net.light and psp is not None:
        body = psp.state_dict.part("encoder.")  # there is no IR-SE50 of this shape
    start_encoder(net.encoder, body, seed)
    latent = generator_file
    if generator_file is not None:
        state = generator_file.state_dict
        if generator_file.kind in ("sam", "psp"):
            state = state.part("decoder.")
        load_state(net.decoder, state, "the generator's weights")
    if net.start_from_encoded_w_plus:
        if psp is None:
            start_encoder(net.pretrained_encoder, None, seed + 1)
        else:
            state = psp.state_dict.part("encoder.")
            load_state(net.pretrained_encoder, state, "the pSp encoder's weights")
            latent = psp if psp.latent_avg is not None else latent
        if net.light:
            net.encoder.scatter.set_value(_scatter(net, seed))
    set_latent_avg(net, latent)


@paddle.no_grad()
def _scatter(net: PSP, seed: int) -> np.ndarray:
    """The widest axes of the generator's codes, [AXES, 512], as long as the standard deviations: see `whitening`."""
    z = random_generator(seed, WEIGHTS).standard_normal((SCATTER_SAMPLES, 512), np.float32)
    return whitening(net.map(paddle.to_tensor(z)).numpy())[-AXES:]


def start_encoder(encoder: nn.Layer, backbone: Any, seed: int) -> None:
    """Draw the weights of a new encoder, and copy IR-SE50's into its body.

    The heads are drawn like PyTorch's convolutions, uniformly within 1 / sqrt(fan in): the first codes are then small
    beside the mean latent, as in the reference. (Paddle's default is 3 times wider per layer, and the heads are up to 6
    layers deep.) The kernels of the RGB channels are IR-SE50's; that of the age channel is drawn from a unit normal, as
    in the reference. A light encoder's first codes are zero, and its age channel's kernel is as wide as the others,
    which are so small that a unit normal would drown the face.

    Args:
        encoder: GradualStyleEncoder, or the encoder into W.
        backbone: the arrays of IRSE50 by name, or of a pSp's light encoder; None draws the body too.

    Raises:
        UserError: IR-SE50's weights lack a layer.
    """
    rng = random_generator(seed, WEIGHTS)
    own, light = encoder.state_dict(), isinstance(encoder, LightStyleEncoder)
    for layer in encoder.sublayers():
        if isinstance(layer, (nn.Conv2D, nn.Linear)):
            conv = isinstance(layer, nn.Conv2D)
            fan_in = math.prod(layer.weight.shape[1:]) if conv else layer.weight.shape[0]
            bound = 1 / math.sqrt(fan_in) if conv or not light else 0
            for parameter in filter(lambda p: p is not None, (layer.weight, layer.bias)):
                parameter.set_value(bound * (2 * rng.random(parameter.shape, np.float32) - 1))
    if backbone is None:
        return
    for name, parameter in own.items():
        if not name.startswith(("input_layer.", "body.")):
            continue
        if name not in backbone:
            raise UserError(f"the weights that a new encoder starts from lack {name}")
        value = np.asarray(backbone[name], dtype=np.float32)
        if name == "input_layer.0.weight" and parameter.shape[1] > value.shape[1]:
            extra = (value.shape[0], parameter.shape[1] - value.shape[1], *value.shape[2:])
            width = value.std() if light else 1
            value = np.concatenate([value, width * rng.standard_normal(extra, np.float32)], axis=1)
        parameter.set_value(value)


def trained_parameters(net: PSP, prefixes: tuple[str, ...]) -> dict[str, paddle.Tensor]:
    """The parameters whose names start with one of `prefixes`, by name; freezes all others."""
    trained = {}
    for name, parameter in net.named_parameters():
        statistics = name.endswith(("._mean", "._variance"))  # parameters too, in Paddle
        parameter.stop_gradient = statistics or not name.startswith(prefixes)
        if not parameter.stop_gradient:
            trained[name] = parameter
    return trained


# From the names in paths_config.py to those in the table of known weights.
KNOWN = {
    "pretrained_psp_encoder": "psp",
    "stylegan_ffhq": "stylegan2",
    "ir_se50": "ir_se50",
    "age_predictor": "dex_vgg",
}


def find(name: str, allow_missing: bool, path: str | None = None) -> Checkpoint | None:
    """Open weights: the file that a flag or paths_config.py names, else the known one of that name.

    Returns:
        The checkpoint; None, after a note, if the known one is missing and `allow_missing`.

    Raises:
        UserError: it is missing; the message says where to find it and what to run.
    """
    path = path or model_paths.get(name)
    if path:
        return read_checkpoint(path)  # a file that was named has to exist
    try:
        return open_known(KNOWN.get(name, name))
    except UserError as error:
        if not allow_missing:
            raise
        print(f"note: continues without {name}: {str(error).splitlines()[0]}")
        return None


def build_objective(options: TrainOptions) -> Objective:
    """The objective with the loss networks that its lambdas need.

    Raises:
        UserError: no term has a weight, or weights are missing. With `allow_missing` their terms are switched off
            instead, but SAM cannot do without an age network.
    """
    names = {f.name for f in dataclasses.fields(Lambdas)}
    lambdas = Lambdas(**{k: v for k, v in options.plain().items() if k in names})
    identity: IdentityLoss | None = None
    lpips = None
    if lambdas.id_lambda > 0 and options.id_net == "dlib_face":
        identity = DlibIdentity(load_network("dlib_face"))
    elif lambdas.id_lambda > 0:
        weights = find("ir_se50", options.allow_missing)
        if weights is None:
            lambdas = dataclasses.replace(lambdas, id_lambda=0.0)
        else:
            identity = IdentityLoss(load_network("ir_se50", weights))
    if lambdas.need_lpips:
        lpips = load_lpips("alex", lambda name: find(name, options.allow_missing))
        if lpips is None:
            off: dict[str, Any] = {n: 0.0 for n in names if n.startswith("lpips")}
            lambdas = dataclasses.replace(lambdas, **off)
    if not lambdas.any:
        raise UserError(
            "no loss is switched on: type --l2_lambda, --lpips_lambda, ...; docs/training.md has the published ones"
        )
    aging = AgingLoss(build_age_net(options.age_net)) if options.ages else None
    return Objective(lambdas, identity, lpips, aging)


def build_age_net(name: str) -> nn.Layer:
    """The network that reads ages: DEX, or the small free one. SAM needs it for the sources' ages in any case."""
    if name == "age_v1":
        return load_network("age_v1", find("age_v1", False))
    return load_network("dex_vgg", find("age_predictor", False))

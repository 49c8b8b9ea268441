"""The networks of a training run: what is trained, what it starts from, and the frozen loss networks."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from work.configs.paths_config import model_paths
from work.configs.train_options import INTO_W_PLUS, TrainOptions
from work.criteria.aging import AgingLoss
from work.criteria.identity import IdentityLoss
from work.datasets.training import WEIGHTS, generator
from work.errors import UserError
from work.loading import load_lpips, load_network, set_latent_avg
from work.models.checkpoint import Checkpoint, load_state, read_checkpoint
from work.models.pretrained import weights_path
from work.models.psp import PSP
from work.training.objective import Lambdas, Objective


def build_network(options: TrainOptions, whole: str | Path | None = None) -> PSP:
    """The network at the start of a run: all of it from the checkpoint `whole`, else from its parts.

    A new encoder starts from IR-SE50; see `start_encoder`. The generator and the pSp encoder come from
    their own files.

    Raises:
        UserError: weights are missing (unless `allow_missing`) or do not fit.
    """
    shape = (
        options.output_size,
        options.input_nc,
        options.start_from_latent_avg,
        options.start_from_encoded_w_plus,
        options.learn_in_w,
    )
    last_features = options.encoder_type == INTO_W_PLUS
    if whole is None:
        parts = _find_parts(options)  # what is missing is said before time goes into random weights
        net = PSP(*shape, last_features=last_features)
        _load_parts(net, parts, options.seed)
        return net
    checkpoint = read_checkpoint(whole)
    with paddle.LazyGuard():
        net = PSP(*shape, last_features=last_features)
    load_state(net, checkpoint.state_dict, whole)
    set_latent_avg(net, checkpoint)
    return net


def _find_parts(options: TrainOptions) -> dict[str, Checkpoint | None]:
    paths = {"ir_se50": None, "stylegan_ffhq": options.stylegan_weights}
    if options.start_from_encoded_w_plus:
        paths["pretrained_psp_encoder"] = options.pretrained_psp_path
    return {name: find(name, options.allow_missing, path) for name, path in paths.items()}


def _load_parts(net: PSP, parts: dict[str, Checkpoint | None], seed: int) -> None:
    backbone, generator_file = parts["ir_se50"], parts["stylegan_ffhq"]
    start_encoder(net.encoder, backbone and backbone.state_dict, seed)
    latent = generator_file
    if generator_file is not None:
        state = generator_file.state_dict
        if generator_file.kind in ("sam", "psp"):
            state = state.part("decoder.")
        load_state(net.decoder, state, "the generator's weights")
    if net.start_from_encoded_w_plus:
        psp = parts["pretrained_psp_encoder"]
        if psp is None:
            start_encoder(net.pretrained_encoder, None, seed + 1)
        else:
            state = psp.state_dict.part("encoder.")
            load_state(net.pretrained_encoder, state, "the pSp encoder's weights")
            latent = psp if psp.latent_avg is not None else latent
    set_latent_avg(net, latent)


def start_encoder(encoder: nn.Layer, backbone: Any, seed: int) -> None:
    """Draw a new encoder's weights and copy what IR-SE50 has into it.

    The heads are drawn as PyTorch draws convolutions, uniform within 1 / sqrt(fan in): their codes are then
    small beside the mean latent, as in the reference (Paddle's own default is 3 times wider a layer, and the
    heads are up to 6 deep). The kernels of the RGB channels are IR-SE50's; the age channel's is drawn from a unit
    normal, as in the reference.

    Args:
        encoder: GradualStyleEncoder or the one into W.
        backbone: arrays by name, of IRSE50; None draws the body too.
    """
    rng = generator(seed, WEIGHTS)
    own = encoder.state_dict()
    for layer in encoder.sublayers():
        if isinstance(layer, (nn.Conv2D, nn.Linear)):
            conv = isinstance(layer, nn.Conv2D)
            fan_in = math.prod(layer.weight.shape[1:]) if conv else layer.weight.shape[0]
            bound = 1 / math.sqrt(fan_in)
            for parameter in filter(lambda p: p is not None, (layer.weight, layer.bias)):
                parameter.set_value(bound * (2 * rng.random(parameter.shape, np.float32) - 1))
    if backbone is None:
        return
    for name, parameter in own.items():
        if not name.startswith(("input_layer.", "body.")):
            continue
        if name not in backbone:
            raise UserError(f"the weights of IR-SE50 lack {name}")
        value = np.asarray(backbone[name], dtype=np.float32)
        if name == "input_layer.0.weight" and parameter.shape[1] > value.shape[1]:
            extra = (value.shape[0], parameter.shape[1] - value.shape[1], *value.shape[2:])
            value = np.concatenate([value, rng.standard_normal(extra, np.float32)], axis=1)
        parameter.set_value(value)


def trained_parameters(net: PSP, prefixes: tuple[str, ...]) -> dict[str, paddle.Tensor]:
    """The parameters below some prefixes, by their names in a checkpoint; all others are frozen here."""
    trained = {}
    for name, parameter in net.named_parameters():
        statistics = name.endswith(("._mean", "._variance"))  # parameters too, in Paddle
        parameter.stop_gradient = statistics or not name.startswith(prefixes)
        if not parameter.stop_gradient:
            trained[name] = parameter
    return trained


# The names of paths_config.py and those of the table of known weights.
KNOWN = {
    "pretrained_psp_encoder": "psp",
    "stylegan_ffhq": "stylegan2",
    "ir_se50": "ir_se50",
    "age_predictor": "dex_vgg",
}


def find(name: str, allow_missing: bool, path: str | None = None) -> Checkpoint | None:
    """Open the weights that a flag, paths_config.py or the table of known weights names.

    Returns:
        The checkpoint; None, with a line that says so, if it cannot be had and `allow_missing`.

    Raises:
        UserError: it cannot be had; the message says where it is to be found and what to run.
    """
    path = path or model_paths.get(name)
    if path:
        return read_checkpoint(path)  # what was named has to be there
    try:
        return read_checkpoint(weights_path(KNOWN.get(name, name)))
    except UserError as error:
        if not allow_missing:
            raise
        print(f"note: goes on without {name}: {str(error).splitlines()[0]}")
        return None


def build_objective(options: TrainOptions) -> Objective:
    """The objective with its loss networks, as far as its lambdas need them.

    Raises:
        UserError: weights are missing; with `allow_missing` their terms are switched off instead, but SAM
            cannot do without an age network.
    """
    names = {f.name for f in dataclasses.fields(Lambdas)}
    lambdas = Lambdas(**{k: v for k, v in options.plain().items() if k in names})
    off = dict.fromkeys([n for n in names if n.startswith("lpips")], 0.0)
    identity = lpips = None
    if lambdas.id_lambda > 0:
        weights = find("ir_se50", options.allow_missing)
        identity = weights and load_network("ir_se50", weights)
        lambdas = lambdas if identity else dataclasses.replace(lambdas, id_lambda=0.0)
    if lambdas.need_lpips:
        lpips = load_lpips("alex", lambda name: find(name, options.allow_missing))
        lambdas = lambdas if lpips else dataclasses.replace(lambdas, **off)
    return Objective(
        lambdas,
        identity and IdentityLoss(identity),
        lpips,
        AgingLoss(build_age_net(options.age_net)) if options.ages else None,
    )


def build_age_net(name: str) -> nn.Layer:
    """DEX, or the small free network. SAM asks it for its sources' ages in any case."""
    if name == "age_v1":
        return load_network("age_v1", find("age_v1", False))
    return load_network("dex_vgg", find("age_predictor", False))

"""The flags of training SAM and pSp: the official ones, and this package's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

from work.configs.flags import Options, option
from work.configs.resize_factors import RESIZE_FACTORS

# The defaults of the official scripts.
PSP = {"input_nc": 3, "id_lambda": 0.0, "lpips_lambda": 0.8, "l2_lambda": 1.0}
FRONTALIZE, SUPER_RESOLUTION = "ffhq_frontalize", "celebs_super_resolution"
RECIPES: Dict[str, Dict[str, Any]] = {
    "ffhq_aging": {"input_nc": 4, "id_lambda": 0.0, "lpips_lambda": 0.0, "l2_lambda": 0.0},
    "ffhq_encode": PSP,
    FRONTALIZE: PSP,
    SUPER_RESOLUTION: PSP,
}
# pSp's encoders besides GradualStyleEncoder.
INTO_W = "BackboneEncoderUsingLastLayerIntoW"
INTO_W_PLUS = "BackboneEncoderUsingLastLayerIntoWPlus"
LIGHT = "LightStyleEncoder"
MOBILE = "mobile_stylegan"  # as --stylegan_weights: the generator of the embedded model


@dataclass
class ModelFlags(Options):
    """What to train, and the weights to start from."""

    dataset_type: str = option(
        "ffhq_aging",
        "recipe: ffhq_aging is SAM, ffhq_encode is pSp, the others are pSp's for turning faces to the front "
        "and for super-resolution",
        choices=tuple(RECIPES),
    )
    encoder_type: str = option(
        "GradualStyleEncoder",
        f"pSp's encoder, or {LIGHT}, which has 4 to 5 million parameters",
        choices=("GradualStyleEncoder", INTO_W, INTO_W_PLUS, LIGHT),
        expert=True,
    )
    input_nc: Optional[int] = option(None, "input channels", shown="4 for SAM, 3 for pSp")
    label_nc: int = option(0, "accepted for published commands; only 0 is supported", expert=True)
    resize_factors: Optional[str] = option(
        None,
        "super-resolution: how many times fewer pixels a side inputs have than their targets",
        shown=RESIZE_FACTORS,
        expert=True,
    )
    output_size: int = option(1024, "pixels of the generated face")
    start_from_latent_avg: bool = option(False, "codes are offsets from the mean latent (pSp)")
    start_from_encoded_w_plus: bool = option(
        False, "codes are offsets from those of a frozen pSp encoder (SAM)"
    )
    learn_in_w: bool = option(False, "predict one style for all layers", expert=True)
    train_decoder: bool = option(False, "also train the generator", expert=True)
    pretrained_psp_path: Optional[str] = option(
        None, "pSp weights that SAM starts from", shown="the known file psp"
    )
    stylegan_weights: Optional[str] = option(
        None,
        "the generator: StyleGAN2 weights, a checkpoint of pSp or SAM that holds one, or "
        f"{MOBILE}, the small one of the embedded model",
        shown="the known file stylegan2",
    )
    age_net: str = option(
        "dex_vgg",
        "age network: dex_vgg as in the paper, or the small free age_v1",
        choices=("dex_vgg", "age_v1"),
    )
    id_net: str = option(
        "ir_se50",
        "identity network: ir_se50 (ArcFace) as in the paper, or the small free dlib_face",
        choices=("ir_se50", "dlib_face"),
    )
    allow_missing: bool = option(
        False,
        "for tests and demos: draw missing weights at random, switch off losses whose network "
        "is missing",
        expert=True,
    )


@dataclass
class LossFlags(Options):
    """The weights of the objective's terms; 0 leaves a term out."""

    id_lambda: Optional[float] = option(None, "identity", shown="0")
    lpips_lambda: Optional[float] = option(
        None, "LPIPS of the whole face", shown="0.8 for pSp, 0 for SAM"
    )
    l2_lambda: Optional[float] = option(
        None, "squared error of the whole face", shown="1 for pSp, 0 for SAM"
    )
    lpips_lambda_aging: float = option(
        0.0, "replaces lpips_lambda, unless that is 0, in real passes that age"
    )
    l2_lambda_aging: float = option(
        0.0, "replaces l2_lambda, unless that is 0, in real passes that age"
    )
    lpips_lambda_crop: float = option(0.0, "LPIPS of the inner face")
    l2_lambda_crop: float = option(0.0, "squared error of the inner face")
    moco_lambda: float = option(
        0.0, "accepted for published commands; only 0 is supported", expert=True
    )
    w_norm_lambda: float = option(0.0, "distance of the codes from the mean latent")
    aging_lambda: float = option(0.0, "squared error of the predicted age, in centuries")
    cycle_lambda: float = option(0.0, "weight of the cycle pass back to the source age")
    code_lambda: float = option(
        0.0,
        "squared error of the codes of generated faces (--renders_share), which then have no other term",
    )
    use_weighted_id_loss: bool = option(False, "require less likeness over larger age gaps")
    target_age: str = option("uniform_random", "uniform_random, or one age in years")


@dataclass
class EncoderFlags(Options):
    """How to train the encoder."""

    optim_name: str = option("ranger", "optimizer", choices=("ranger", "adam"))
    checkpoint_decoder: bool = option(
        False, "recompute the generator's activations: less memory, more time", expert=True
    )
    renders_share: float = option(
        0.0, "share of each batch that the generator renders from random latent codes"
    )
    code_cache: int = option(
        20000,
        "keep the frozen encoder's codes of this many faces for later epochs, 36 KB each",
        expert=True,
    )
    freeze_batch_norm: bool = option(
        False, "keep the batch norms of the trained encoder in evaluation mode", expert=True
    )
    use_wandb: bool = option(False, "accepted for old commands; not supported", expert=True)

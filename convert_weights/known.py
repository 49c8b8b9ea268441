"""The weights that the package uses: under which name it expects them, and where the official file is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional


@dataclass(frozen=True)
class Known:
    """file: name in work/pretrained_models; official: the download's name; source: where it is."""

    file: str
    official: str
    source: str


_DRIVE = "https://drive.google.com/file/d/"
_LPIPS = "https://github.com/richzhang/PerceptualSimilarity/tree/master/lpips/weights/v0.1"
KNOWN: Dict[str, Known] = {
    "sam": Known(
        "sam_ffhq_aging.pdparams", "sam_ffhq_aging.pt", _DRIVE + "1XyumF6_fdAxFmxpFcmPf-q84LU_22EMC"
    ),
    "psp": Known(
        "psp_ffhq_encode.pdparams",
        "psp_ffhq_encode.pt",
        _DRIVE + "1bMTNWkh5LArlaWSc_wa8VKyq2V42T2z0",
    ),
    "stylegan2": Known(
        "stylegan2-ffhq-config-f.pdparams",
        "stylegan2-ffhq-config-f.pt",
        _DRIVE + "1EM87UquaoQmk17Q8d5kYIAHqu0dkYqdT",
    ),
    "ir_se50": Known(
        "model_ir_se50.pdparams", "model_ir_se50.pth", _DRIVE + "1KW7bjndL3QG3sxBbZxreGHigcCCpsDgn"
    ),
    "curricularface": Known(
        "CurricularFace_Backbone.pdparams",
        "CurricularFace_Backbone.pth",
        "https://github.com/HuangYG123/CurricularFace",
    ),
    "dex_vgg": Known(
        "dex_age_classifier.pdparams",
        "dex_age_classifier.pth",
        _DRIVE + "1atzjZm_dJrCmFWCqWlyspSpr3nI6Evsh",
    ),
    "alexnet": Known(
        "alexnet.pdparams",
        "alexnet-owt-7be5be79.pth",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    ),
    "vgg16": Known(
        "vgg16.pdparams",
        "vgg16-397923af.pth",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
    ),
    "lpips_alex": Known("lpips_alex.pdparams", "alex.pth", _LPIPS),
    "lpips_vgg": Known("lpips_vgg.pdparams", "vgg.pth", _LPIPS),
}


def by_file(name: str) -> Optional[Known]:
    """The entry of a file that the package expects, by either of its names."""
    return next((known for known in KNOWN.values() if name in (known.file, known.official)), None)

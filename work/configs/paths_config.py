"""Where this machine keeps data and weights. Edit this file, set the environment variables, or use the flags."""

from __future__ import annotations

import os
from pathlib import Path

WORK = Path(__file__).resolve().parents[1]


def data_folder(variable: str, name: str) -> str:
    """What the environment variable says, else the folder `name` in work/ if it is there, else ""."""
    folder = WORK / name
    return os.environ.get(variable) or (str(folder) if folder.is_dir() else "")


# Folders of aligned faces, searched recursively. The flags --train_root and --test_root override them.
dataset_paths = {
    "ffhq": data_folder("SAM_TRAIN_ROOT", "FFHQ"),
    "celeba_test": data_folder("SAM_TEST_ROOT", "CelebA_test"),
}

# Weights; "" stands for the known file in work/pretrained_models or the per-user cache.
model_paths = {
    "pretrained_psp_encoder": "",
    "stylegan_ffhq": "",
    "ir_se50": "",
    "age_predictor": "",
}

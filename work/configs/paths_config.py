"""Where this machine keeps its data and weights. Edit it, or set the environment variables, or use the flags."""

from __future__ import annotations

import os

# Folders of aligned faces, found recursively. The flags --train_root and --test_root beat them.
dataset_paths = {
    "ffhq": os.environ.get("SAM_TRAIN_ROOT", ""),
    "celeba_test": os.environ.get("SAM_TEST_ROOT", ""),
}

# Files of weights; "" stands for the known file of that name in work/pretrained_models or the per-user cache.
model_paths = {
    "pretrained_psp_encoder": "",
    "stylegan_ffhq": "",
    "ir_se50": "",
    "age_predictor": "",
}

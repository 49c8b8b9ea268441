"""Whether a rendered face wears glasses. The generator puts them on and takes them off as it ages a face; a network
that learned from such pairs would draw half-glasses on everybody.

    python -m work.training.reaging.glasses        # fits the reader anew: three minutes on one core

A ridge regression on the age reader's features, fitted to 500 renders that were labelled by eye (`glasses.json` beside
the age path's fit). Fitted to 400 and asked about the other 100 in turn, its AUC is 0.994 and 98.6 % are right.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from work.errors import run
from work.training.embedded.fit_path import LABELS
from work.training.linear_reader import fit, save

FILE = Path(__file__).with_name("glasses.npz")
WORN = 0.3  # the score above which most labels say so
SEED = 1000  # of the renders that were labelled
BATCH = 20


class GlassesReader:
    """Features [N, F] of an AgeGenderReader -> whether glasses are worn, bool [N]."""

    def __init__(self):
        saved = np.load(FILE)
        self.weight, self.bias = saved["weight"].astype(np.float32), float(saved["bias"])

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight + self.bias > WORN


def labelled_features() -> tuple[np.ndarray, np.ndarray]:
    """Features [N, F] of the renders that have labels, and these, [N]."""
    import paddle

    from convert_weights.openvino_ir import mapped_samples
    from work.inference.embedded.model import load_embedded
    from work.models.checkpoint import read_checkpoint
    from work.models.face_chip import face_chip
    from work.models.pretrained import weights_path
    from work.training.embedded.render_pairs import render_chunk
    from work.training.whitening import whitening

    model = load_embedded(refine=0, blend="generator")
    saved = read_checkpoint(weights_path("mobile_stylegan"))
    base = saved.latent_avg, whitening(mapped_samples(saved.state_dict, count=10000, seed=SEED))
    features, worn = [], []
    for number, wearers in json.loads(LABELS.read_text()).items():
        _, images = render_chunk(model.inverter.generator, int(number), SEED, base, None)
        for start in range(0, len(images), BATCH):
            part = np.stack(images[start : start + BATCH]).transpose(0, 3, 1, 2)
            with paddle.no_grad():
                x = paddle.to_tensor(part.astype(np.float32) / 127.5 - 1)
                features.append(model.reader.features(face_chip(x)).numpy())
        worn.append(np.isin(np.arange(len(images)), wearers))
    return np.concatenate(features).astype(float), np.concatenate(worn).astype(float)


def main() -> int:
    from work import runtime

    runtime.setup("cpu", 0)
    save(FILE, *fit(*labelled_features()))
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))

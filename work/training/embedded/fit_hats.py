"""Fit the reader of hats to photos that were labelled by eye (`hats.json`: the names of FFHQ photos that show one).

    python -m work.training.embedded.fit_hats --photos FFHQ256 --keep_aside 100

A ridge regression on AlexNet's features. Caps, helmets, hoods, headscarves, crowns and bands over the hair count. Of
the 790 photos before the last hundred, 100 show one: AUC 0.987, each fifth left out in turn.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from work.datasets.images import find_images
from work.errors import run
from work.faces.aligned import read_aligned, stack
from work.inference.embedded.hats import FILE, SCORE, hat_features
from work.training.linear_reader import fit, save

LABELS = Path(__file__).with_name("hats.json")
FOLDS, BATCH = 5, 20


def read_features(paths: list[Path]) -> np.ndarray:
    """The features [N, F] of photos."""
    from work.loading import load_lpips

    lpips, found = load_lpips(), []
    for start in range(0, len(paths), BATCH):
        photos = stack([read_aligned(path) for path in paths[start : start + BATCH]])
        found.append(hat_features(lpips, photos).numpy())
    return np.concatenate(found).astype(float)


def left_out(features: np.ndarray, worn: np.ndarray) -> np.ndarray:
    """The score [N] of each photo by a fit to the other folds."""
    fold = np.random.default_rng(0).permutation(len(worn)) % FOLDS
    scores = np.zeros(len(worn))
    for k in range(FOLDS):
        weight, bias = fit(features[fold != k], worn[fold != k])
        scores[fold == k] = features[fold == k] @ weight + bias
    return scores


def auc(scores: np.ndarray, worn: np.ndarray) -> float:
    """How often somebody with a hat scores higher than somebody without one."""
    ranks, count = scores.argsort().argsort(), worn.sum()
    least = count * (count - 1) / 2
    return float((ranks[worn > 0].sum() - least) / (count * (len(worn) - count)))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, help="FFHQ-aligned photos")
    parser.add_argument("--keep_aside", type=int, default=0, help="the last so many by name")
    options = parser.parse_args()
    paths = find_images(options.photos)
    paths = paths[: len(paths) - options.keep_aside]
    labels = set(json.loads(LABELS.read_text()))
    worn = np.array([float(path.stem in labels) for path in paths])
    features = read_features(paths)
    scores, middle = left_out(features, worn), np.mean(SCORE)
    print(f"{int(worn.sum())} of {len(paths)} photos with hats; AUC {auc(scores, worn):.3f}")
    found, wrong = (scores[worn > 0] > middle).mean(), (scores[worn == 0] > middle).mean()
    print(f"above {middle:.2f}: {found:.0%} of those with, {wrong:.1%} of those without")
    save(FILE, *fit(features, worn))
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))

"""Adapts the encoder, which was fitted to renders, to photos: Adam through the frozen generator.

    python -m work.training.embedded.adapt --photos FFHQ256 --features features

The photos are those that `read_pairs` has read, so the last ones by name stay unseen. Every twentieth photo is held
out; the encoder's LPIPS on these is printed before and after. Only the small matrix behind the reduced features is
learned.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F

from work import runtime
from work.datasets.images import find_images, read_image
from work.datasets.transforms import to_input
from work.errors import UserError, run
from work.inference.embedded.model import load_embedded
from work.inference.embedded.person_reader import FITTED
from work.models.checkpoint import read_checkpoint
from work.models.ridge_encoder import GROUPS, repeat_groups
from work.progress import progress
from work.training.embedded.fit import save_fitted

PULL = 0.05  # weight of the squared distance to the codes of the encoder that was fitted to renders


class Adapter:
    """The reduced features of all photos, and the matrix [R + 1, 3 * 512] behind them that is learned."""

    def __init__(self, model, features: np.ndarray):
        self.inverter, encoder = model.inverter, model.encoder
        x = (features - encoder.mean.numpy()) * encoder.scale.numpy()
        self.reduced = x @ encoder.reduce.numpy()
        self.size = self.reduced.std(axis=0) + 1e-6
        fitted = np.concatenate(
            [encoder.expand.numpy() * self.size[:, None], encoder.bias.numpy()[None]]
        )
        self.fitted = paddle.to_tensor(fitted)
        self.learned = self.fitted.clone()
        self.learned.stop_gradient = False

    def white(self, index: int, matrix: paddle.Tensor) -> paddle.Tensor:
        """A photo's whitened codes [1, N_STYLES, 512]."""
        row = np.append(self.reduced[index] / self.size, 1.0).astype(np.float32)
        return repeat_groups((paddle.to_tensor(row[None]) @ matrix).reshape([1, len(GROUPS), 512]))

    def loss(self, index: int, face: paddle.Tensor) -> paddle.Tensor:
        """The inverter's objective, plus a pull towards the codes of the encoder that was fitted to renders."""
        with paddle.no_grad():
            seen = self.inverter.lpips.features(face)
            likeness = self.inverter.identity.embed(face)
            before = self.white(index, self.fitted)
        white = self.white(index, self.learned)
        loss = self.inverter.objective(white, face, seen, likeness, preview=True)
        return loss + PULL * (white - before).square().mean()

    @paddle.no_grad()
    def error(self, index: int, face: paddle.Tensor) -> float:
        """LPIPS between a photo and the picture drawn from its codes."""
        w_plus = self.inverter.to_w_plus(self.white(index, self.learned))
        image = F.avg_pool2d(self.inverter.generator(w_plus, half=True), 2)
        return self.inverter.lpips(image, face).item()


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rate", type=float, default=0.00015)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    runtime.setup("auto", args.seed)
    features = np.load(args.features / "photos.npz")["X"].astype(np.float32)
    paths = find_images(args.photos)[: len(features)]
    adapter = Adapter(load_embedded(0), features)
    held = list(range(19, len(paths), 20))
    used = [i for i in range(len(paths)) if i % 20 != 19]

    def face(index: int) -> paddle.Tensor:
        return paddle.to_tensor(to_input(read_image(paths[index]))[None])

    def report(when: str) -> float:
        found = float(np.median([adapter.error(i, face(i)) for i in held]))
        print(f"{when}: LPIPS {found:.3f} on {len(held)} photos held out", flush=True)
        return found

    before = report("before")
    schedule = paddle.optimizer.lr.CosineAnnealingDecay(args.rate, args.steps)
    optimizer = paddle.optimizer.Adam(schedule, 0.9, 0.99, parameters=[adapter.learned])
    rng = np.random.default_rng(args.seed)
    rounds = [rng.permutation(used) for _ in range(args.steps // len(used) + 1)]
    order = np.concatenate(rounds)[: args.steps].tolist()
    for index in progress(order, unit="photo"):
        adapter.loss(index, face(index)).backward()
        optimizer.step()
        optimizer.clear_grad()
        schedule.step()
    if not report("after") <= before:  # nan is no improvement either
        raise UserError("the encoder did not improve on the photos held out; nothing was written")
    learned = adapter.learned.numpy()
    expand, bias = learned[:-1] / adapter.size[:, None], learned[-1]
    save_fitted(
        FITTED,
        {**read_checkpoint(FITTED).state_dict, "encoder.expand": expand, "encoder.bias": bias},
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))

"""A run that is small enough for tests: a tiny encoder and tiny loss networks behind the real loop.

python -m tests.unit.training_kit --exp_dir ... (the flags of train.py; needs the folder of `faces`)
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from PIL import Image

from work.configs.command_line import parse
from work.configs.train_options import TrainOptions
from work.criteria.aging import AgingLoss
from work.criteria.identity import IdentityLoss
from work.models.ops.batch_norm import BatchNorm2D
from work.models.psp import PSP
from work.training.objective import Lambdas, Objective

SAM = """--dataset_type=ffhq_aging --start_from_encoded_w_plus --input_nc=4 --target_age=uniform_random
 --use_weighted_id_loss --id_lambda=0.1 --lpips_lambda_aging=0.1 --lpips_lambda=0.1 --l2_lambda=0.25
 --l2_lambda_aging=0.25 --l2_lambda_crop=1 --w_norm_lambda=0.005 --aging_lambda=5 --cycle_lambda=1""".split()
PSP_FLAGS = "--dataset_type=ffhq_encode --start_from_latent_avg --lpips_lambda=0.8".split()
ROOT = Path(__file__).parents[2]
SMALL = "--device=cpu --output_size=8 --batch_size=2 --workers=1 --test_workers=0 --allow_missing".split()


def options(text: str) -> TrainOptions:
    """What train.py makes of these flags."""
    return parse(TrainOptions, text.split(), "", "")


def start(*flags) -> subprocess.Popen:
    """Start a run as a process of its own."""
    command = [sys.executable, "-u", "-m", "tests.unit.training_kit", *map(str, flags)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(process: subprocess.Popen, text: str) -> None:
    """Read what a run says until it says this."""
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the run ended without saying {text!r}")


class TinyEncoder(nn.Layer):
    """16 px, one convolution, batch norm, one linear layer: the shape of the real encoder's work."""

    def __init__(self, input_nc: int, styles: int):
        super().__init__()
        self.styles = styles
        self.conv = nn.Conv2D(input_nc, 8, 3, 2, 1)
        self.norm = BatchNorm2D(8)
        self.head = nn.Linear(8 * 64, styles * 512)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(F.adaptive_avg_pool2d(x, 16))))
        return self.head(x.flatten(1)).reshape([-1, self.styles, 512])


class TinyPSP(PSP):
    def __init__(self, output_size=8, input_nc=4, **flags):
        with paddle.LazyGuard():  # the real encoders are made without weights, and thrown away
            super().__init__(output_size, input_nc, **flags)
        self.encoder = TinyEncoder(input_nc, self.n_styles)
        if self.start_from_encoded_w_plus:
            self.pretrained_encoder = TinyEncoder(3, self.n_styles)
        self.decoder = type(self.decoder)(output_size)
        self.register_buffer("latent_avg", paddle.zeros([self.n_styles, 512]), persistable=False)


class TinyFeatures(nn.Layer):
    """Loss networks of one layer; the weights are a function of the shape, not of any generator's state."""

    def __init__(self, outputs: int):
        super().__init__()
        self.linear = nn.Linear(3 * 64, outputs)
        drawn = np.random.default_rng(outputs).normal(0, 0.1, self.linear.weight.shape)
        self.linear.weight.set_value(drawn.astype(np.float32))

    def forward(self, x):
        x = self.linear(F.adaptive_avg_pool2d(x, 8).flatten(1))
        return x / paddle.linalg.norm(x, axis=1, keepdim=True)

    def predict_age(self, x):
        return 100 * F.sigmoid(3 * self(x)[:, 0])


class TinyLPIPS(nn.Layer):
    def features(self, x):
        return [F.adaptive_avg_pool2d(x, 16)]

    distance = staticmethod(lambda a, b: ((a[0] - b[0]) ** 2).mean(axis=[1, 2, 3]))


def tiny_objective(options) -> Objective:
    lambdas = Lambdas(**{f: getattr(options, f) for f in Lambdas.__dataclass_fields__})
    aging = AgingLoss(TinyFeatures(4)) if options.ages else None
    return Objective(lambdas, IdentityLoss(TinyFeatures(8)), TinyLPIPS(), aging)


@contextmanager
def patched():
    """Within it, Coach builds the tiny networks; generators are 16 channels wide and map 256 samples for their mean."""
    networks = mock.patch.multiple(
        "work.training.networks", PSP=TinyPSP, build_objective=tiny_objective
    )
    narrow = mock.patch("work.models.stylegan2.generator.channels_at", lambda *_: 16)
    with networks, narrow, mock.patch("work.loading.MEAN_SAMPLES", 256):
        yield


def faces(root: Path, train: int = 7, test: int = 3) -> list[str]:
    """Write smooth random pictures; the flags that name them."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        (root / split).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 255, (6, 6, 3), np.uint8)
            Image.fromarray(pixels).resize((256, 256), 3).save(root / split / f"{i}.png")
    return [f"--train_root={root / 'train'}", f"--test_root={root / 'test'}"]


def train(*flags: str) -> int:
    """train.py with the tiny networks."""
    from work.errors import run
    from work.scripts.train import main

    with patched():
        return run(lambda: main([*map(str, flags)]))


if __name__ == "__main__":
    sys.exit(train(*sys.argv[1:]))

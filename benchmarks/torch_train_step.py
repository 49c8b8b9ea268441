"""The training step of train_step.py in plain PyTorch, with the same passes, losses and parts, for comparison.

train_step.py runs it with a Python that has torch. The optimizer is left out; ranger.py compares optimizers. The
official code runs the loss networks on the source faces in every pass; here it happens once per step, as in train.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import torch.nn.functional as F
import torch_sam
from torch import nn

from work.runtime import cpu_count


def convolutions(blocks, pool_last: bool) -> nn.Sequential:
    layers, channels = [], 3
    for block in blocks:
        for out in block:
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
            channels = out
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers if pool_last else layers[:-1])


class Identity(nn.Module):
    """IR-SE50 with ArcFace's head."""

    def __init__(self):
        super().__init__()
        whole = torch_sam.Encoder(3, 0)
        self.input_layer, self.body = whole.input_layer, whole.body
        self.head = nn.Sequential(
            nn.BatchNorm2d(512), nn.Flatten(), nn.Linear(512 * 49, 512), nn.BatchNorm1d(512)
        )

    def forward(self, faces):
        x = self.input_layer(F.adaptive_avg_pool2d(crop(faces), 112))
        for block in self.body:
            x = block(x)
        return F.normalize(self.head(x))


class Alex(nn.Module):
    """AlexNet's normalised feature maps after its five ReLUs, with LPIPS's heads."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 64, 11, 4, 2), nn.Conv2d(64, 192, 5, padding=2)])
        for a, b in ((192, 384), (384, 256), (256, 256)):
            self.convs.append(nn.Conv2d(a, b, 3, padding=1))
        self.heads = nn.ModuleList([nn.Conv2d(c.out_channels, 1, 1) for c in self.convs])

    def forward(self, x):
        maps = []
        for i, conv in enumerate(self.convs):
            x = F.relu(conv(F.max_pool2d(x, 3, 2) if i in (1, 2) else x))
            maps.append(F.normalize(x))
        return maps

    def distance(self, a, b):
        pairs = zip(self.heads, a, b)
        return sum(head((x - y) ** 2).mean((1, 2, 3)) for head, x, y in pairs).mean()


class Dex(nn.Module):
    """VGG16 that classifies 101 ages."""

    def __init__(self):
        super().__init__()
        self.body = convolutions(((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3), True)
        self.head = nn.Sequential(
            nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()
        )
        self.last = nn.Linear(4096, 101)

    def forward(self, faces):
        x = F.interpolate(faces, size=(224, 224), mode="bilinear", align_corners=False)
        logits = self.last(self.head(self.body(x).flatten(1)))
        return (F.softmax(logits, 1) * torch.arange(101.0)).sum(1) / 100


def crop(faces):
    return faces[:, :, 35:223, 32:220]


class Step:
    """Source features, then the real and the cycle pass; `seconds` by part."""

    def __init__(self, size: int, batch: int):
        self.size, self.seconds, self.batch = size, {}, batch
        styles = 2 * size.bit_length() - 4
        self.encoder, self.frozen = (torch_sam.Encoder(c, styles) for c in (4, 3))
        self.generator = torch_sam.Generator(size)
        for buffer in self.generator.buffers():
            buffer.normal_(0, 0.1)
        for parameter in self.generator.parameters():
            nn.init.normal_(parameter)
        self.losses = nn.ModuleList([Identity(), Alex(), Dex()])
        for net in (self.frozen, self.generator, self.losses):
            net.eval().requires_grad_(False)
        self.faces = torch.randn(batch, 3, 256, 256).mul(0.5).clamp(-1, 1)

    @contextmanager
    def part(self, name: str):
        start = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)

    def run(self) -> None:
        identity, alex, dex = self.losses
        with self.part("source features"), torch.no_grad():
            x = self.faces
            source = identity(x), alex(x), alex(crop(x)), dex(x)
        output = self.one_pass(source, x, torch.full([self.batch], 0.6), "real")
        self.one_pass(source, output, source[3], "cycle")
        self.encoder.zero_grad(set_to_none=True)

    def one_pass(self, source, faces, ages, label):
        identity, alex, dex = self.losses
        with self.part(f"{label}: frozen encoder"), torch.no_grad():
            start = self.frozen(faces)
        with self.part(f"{label}: encoder"):
            plane = ages.reshape(-1, 1, 1, 1).expand(-1, 1, 256, 256)
            w_plus = self.encoder(torch.cat([faces, plane], 1)) + start
        with self.part(f"{label}: generator"):
            y = self.generator(w_plus)
            y = y if self.size == 256 else F.adaptive_avg_pool2d(y, 256)
        with self.part(f"{label}: losses"):
            x = self.faces
            loss = 0.1 * (1 - (identity(y) * source[0]).sum(1)).mean()
            loss = loss + 0.25 * F.mse_loss(y, x) + F.mse_loss(crop(y), crop(x))
            loss = loss + 0.1 * alex.distance(alex(y), source[1])
            loss = loss + 0.6 * alex.distance(alex(crop(y)), source[2])
            loss = loss + 0.005 * w_plus.norm() + 5 * F.mse_loss(dex(y), ages)
        with self.part(f"{label}: backward"):
            loss.backward()
        return y.detach()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(cpu_count())
    torch.manual_seed(0)
    step = Step(args.size, args.batch)
    for _ in range(2):  # these do not count
        step.run()
    step.seconds.clear()
    for _ in range(args.repeats):
        step.run()
    print(json.dumps({name: statistics.median(s) for name, s in step.seconds.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

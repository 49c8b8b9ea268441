"""The network of torch_age_judge.py: VGG16 whose last feature map tells ages, as DEX does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from work.models.checkpoint import read_checkpoint
from work.models.pretrained import weights_path

STORED, SIDE = 128, 112  # px: what is kept of a face, and what the network sees of that
BLOCKS = (2, 2, 3, 3, 3)  # convolutions of VGG16 between its poolings
FROZEN = 7  # as many are left as they are
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class AgeJudge(nn.Module):
    """Faces [N, 3, 112, 112] in [0, 1] -> logits [N, 101] of ages 0 .. 100."""

    def __init__(self):
        super().__init__()
        widths = [w for block, w in zip(BLOCKS, (64, 128, 256, 512, 512)) for w in [w] * block]
        self.layers = nn.ModuleList(
            nn.Conv2d(i, o, 3, padding=1) for i, o in zip([3, *widths], widths)
        )
        self.ends = set(np.cumsum(BLOCKS)[:-1].tolist())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(512 * 9, 101))
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).reshape(1, 3, 1, 1))

    def forward(self, faces):
        x = (faces - self.mean) / self.std
        for index, layer in enumerate(self.layers):
            if index in self.ends:
                x = F.max_pool2d(x, 2)
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= FROZEN):
                x = F.relu(layer(x))
        return self.head(F.adaptive_avg_pool2d(x, 3).flatten(1))

    def start_from_imagenet(self):
        state = read_checkpoint(weights_path("vgg16")).state_dict
        names = sorted(
            (n for n, v in state.items() if n.endswith("weight") and np.ndim(v) == 4),
            key=lambda name: int(name.split(".")[-2]),
        )
        for layer, name in zip(self.layers, names, strict=True):
            layer.weight.data = torch.tensor(np.asarray(state[name], np.float32))
            layer.bias.data = torch.tensor(np.asarray(state[name[:-6] + "bias"], np.float32))


def years(logits):
    """The expected age [N]."""
    return (logits.float().softmax(1) * torch.arange(101.0)).sum(1)


def plain(faces: torch.Tensor) -> torch.Tensor:
    """uint8 faces [N, 3, 128, 128] -> their middle, [N, 3, 112, 112]."""
    edge = (STORED - SIDE) // 2
    return faces[:, :, edge:-edge, edge:-edge].float() / 255


@torch.no_grad()
def read(judge: AgeJudge, faces: torch.Tensor) -> np.ndarray:
    """Ages [N]: the mean of what is read from a face and from its mirror image."""
    judge.eval()
    found = []
    for part in faces.split(64):
        x = plain(part).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            found.append((years(judge(x)) + years(judge(x.flip(3)))) / 2)
    return torch.cat(found).numpy()


def trained_judge(path: Path) -> AgeJudge:
    judge = AgeJudge()
    judge.load_state_dict(torch.load(path, weights_only=True))
    return judge.to(memory_format=torch.channels_last)

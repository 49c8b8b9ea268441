"""The face-ageing baselines as ageing models: Group-GAN, FA-GAN, and F-GAN, which is one or the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor
from PIL import Image

from work.configs.age_groups import AgeGroup, group_of, parse_groups
from work.configs.cyclegan_options import FA
from work.datasets.transforms import to_input
from work.errors import UserError
from work.faces.align import UTKFACE_TEMPLATE, ffhq_quad
from work.faces.aligned import AlignedFace, stack
from work.faces.head_mask import border_mask
from work.inference.composite import is_grey, without_colours
from work.inference.model import AgeingModel, AgeRefused
from work.inference.shares import OnShare, ignore_progress
from work.installation import PACKAGE_FOLDER
from work.loading import load_network
from work.models.checkpoint import Checkpoint
from work.models.cyclegan.generator import MOST_YEARS, Generator
from work.models.cyclegan.generators import load_generator, read_generators

SHIPPED = PACKAGE_FOLDER / "ageing_gans.pdparams"  # trained on UTKFace, see docs/baselines.md
OUTPUT = 512  # px of the pictures, in which a smaller network's change is drawn
SEEN = 256  # px of the aligned face that the crop is cut out of
FAR = 20.0  # years from which on F-GAN leaves the face to Group-GAN
WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass
class BaselineFaces:
    """N faces: crops [N, 3, s, s] for the networks, photos [N, 3, OUTPUT, OUTPUT] to draw in, estimated ages."""

    crops: Tensor
    photos: Tensor
    ages: list[float]

    def __len__(self) -> int:
        return len(self.ages)


@dataclass(frozen=True)
class Choice:
    """Which generator makes a change; `run` is None where the face stays as it is."""

    run: Optional[str]
    direction: str = "older"


def choose(
    method: str, age: float, target: float, groups: Sequence[AgeGroup], runs: Sequence[str]
) -> Choice:
    """The generator that takes a face from an age to a target age.

    Group-GAN leaves a face unchanged if its age and the target are in one group. F-GAN uses FA-GAN for changes of
    less than FAR years and Group-GAN for larger ones, but FA-GAN too if the groups are the same or their pair was not
    trained.

    Args:
        runs: those that were trained: "fa", and "20-40_60+" for a pair of groups.

    Raises:
        AgeRefused: an age outside all groups, or a pair that was not trained.
    """
    direction = "older" if target >= age else "younger"
    if method == "fa-gan" or (method == "f-gan" and abs(target - age) < FAR):
        return Choice(FA, direction)
    try:
        ends = [group_of(years, groups) for years in (age, target)]
    except UserError as error:
        if method == "f-gan":
            return Choice(FA, direction)
        raise AgeRefused(str(error)) from error
    young, old = sorted(ends, key=lambda group: group.low)
    run = f"{young.name}_{old.name}"
    if young != old and run in runs:
        return Choice(run, direction)
    if method == "f-gan":
        return Choice(FA, direction)
    if young == old:
        return Choice(None, direction)
    trained = ", ".join(name for name in runs if name != FA)
    raise AgeRefused(
        f"no network leads from {ends[0].name} to {ends[1].name}; trained are {trained}"
    )


class Baseline(AgeingModel):
    """One of the three methods. The pictures are the photos with what the networks changed drawn into them.

    Args:
        checkpoint: see `read_generators`; `source` is its file.
        blend: "generator" shows the networks' pictures, with no more detail than they have, instead.

    Raises:
        UserError: the file lacks what the method needs.
    """

    output_size = OUTPUT

    def __init__(self, checkpoint: Checkpoint, method: str, source: Path, blend: str = "composite"):
        opts = checkpoint.opts
        self.checkpoint, self.method, self.source = checkpoint, method, source
        self.runs, self.size = list(opts["runs"]), int(opts["size"])
        self.groups, self.composites = parse_groups(opts["groups"]), blend == "composite"
        self.additive, self.box = self.composites, crop_box(opts["crop"])
        pairs = [run for run in self.runs if run != FA]
        if method != "group-gan" and FA not in self.runs or method != "fa-gan" and not pairs:
            raise UserError(
                f"--method {method}: {source} holds {', '.join(self.runs)}; "
                f"train_cyclegan.py --method {method} trains what is missing"
            )
        self.age_net: Any = load_network(opts["age_net"])
        self.generators: dict[tuple[str, str], Generator] = {}

    @paddle.no_grad()
    def encode(
        self,
        faces: Sequence[AlignedFace],
        w_plus: Optional[Tensor] = None,
        steps: Optional[int] = None,
        on_share: OnShare = ignore_progress,
    ) -> BaselineFaces:
        """See AgeingModel; there are no codes."""
        encoded = self.encode_known(faces, [])
        tight = self.box is not None and hasattr(self.age_net, "predict_chip_age")
        predict = self.age_net.predict_chip_age if tight else self.age_net.predict_age
        encoded.ages = predict(encoded.crops).numpy().tolist()
        return encoded

    def encode_known(self, faces: Sequence[AlignedFace], ages: Sequence[float]) -> BaselineFaces:
        """See AgeingModel."""
        crops = paddle.to_tensor(np.stack([self._crop(face.picture(SEEN)) for face in faces]))
        return BaselineFaces(crops, stack(faces, OUTPUT), list(ages))

    def _crop(self, picture: Image.Image) -> np.ndarray:
        left, top, right, bottom = (edge * picture.width for edge in self.box or WHOLE)
        size, way = (self.size, self.size), Image.Resampling.BILINEAR
        return to_input(picture.resize(size, way, box=(left, top, right, bottom)), self.size)

    def ages(self, encoded: BaselineFaces) -> list[float]:
        """See AgeingModel; by the age network that the training asked."""
        return encoded.ages

    def require_change(self, encoded: BaselineFaces, which: int, years: float) -> None:
        """See AgeingModel."""
        choose(self.method, encoded.ages[which], years, self.groups, self.runs)

    @paddle.no_grad()
    def transform(
        self, encoded: BaselineFaces, target_ages: Tensor, resize: bool = False
    ) -> Tensor:
        """See AgeingModel. FA-GAN changes by at most MOST_YEARS, which is what it has learned."""
        pictures = []
        for i, target in enumerate(target_ages.numpy().tolist()):
            crop, photo = encoded.crops[i : i + 1], encoded.photos[i : i + 1]
            aged = self._aged(crop, encoded.ages[i], target)
            pictures.append(photo if aged is None else self._drawn(photo, crop, aged))
        images = paddle.concat(pictures)
        return F.interpolate(images, size=[SEEN, SEEN], mode="area") if resize else images

    def _aged(self, crop: Tensor, age: float, target: float) -> Optional[Tensor]:
        choice = choose(self.method, age, target, self.groups, self.runs)
        if choice.run is None:
            return None
        key = (choice.run, choice.direction)
        if key not in self.generators:
            self.generators[key] = load_generator(self.checkpoint, *key, self.source)
        if choice.run != FA:
            return self.generators[key](crop)
        years = min(max(target - age, -MOST_YEARS), MOST_YEARS)
        return self.generators[key](crop, *(paddle.full([1], x) for x in (age, years)))

    def _drawn(self, photo: Tensor, crop: Tensor, aged: Tensor) -> Tensor:
        """A photo [1, 3, S, S] with the change from `crop` to `aged` [1, 3, s, s], or with `aged` itself, in it."""
        side = photo.shape[-1]
        edges = [round(edge * side) for edge in self.box or WHOLE]
        left, top, right, bottom = edges
        part = photo[:, :, top:bottom, left:right]
        size = [bottom - top, right - left]
        if self.composites:
            change = F.interpolate(aged - crop, size=size, mode="bicubic")
        else:
            change = F.interpolate(aged, size=size, mode="bicubic") - part
        if bool(is_grey(photo)):  # a grey photo stays grey
            change = without_colours(change)
        if self.box:
            down, across = ((np.arange(side) + 0.5) / side for side in size)
            mask = border_mask(across[None, :], down[:, None]).astype(np.float32)
            change = change * paddle.to_tensor(mask)
        borders = [left, side - right, top, side - bottom]
        return (photo + F.pad(change, borders)).clip(-1, 1)


def load_baseline(
    path: Optional[Path], method: Optional[str] = None, blend: str = "composite"
) -> Baseline:
    """A baseline from a file of generators, or from the folder of the runs that made it.

    Args:
        path: None for the small networks of the package.
        method: None for F-GAN where the file has all that it needs, else for what there is.

    Raises:
        UserError: no such file, or it lacks what the method needs.
    """
    source = path or SHIPPED
    if path is None and not SHIPPED.exists():
        raise UserError(
            f"--method {method} needs --checkpoint_path: the folder of a run of train_cyclegan.py"
        )
    checkpoint = read_generators(source)
    if method is None:
        runs = checkpoint.opts["runs"]
        method = "group-gan" if FA not in runs else "fa-gan" if runs == [FA] else "f-gan"
    return Baseline(checkpoint, method, source, blend)


def crop_box(crop: str) -> Optional[tuple[float, float, float, float]]:
    """Left, top, right and bottom of what the networks see, as shares of the aligned face's side; None: all of it."""
    if crop == "ffhq":
        return None
    quad = ffhq_quad(UTKFACE_TEMPLATE)  # upright, in sides of UTKFace's crop
    (left, top), side = quad[0], quad[3, 0] - quad[0, 0]
    return (-left / side, -top / side, (1 - left) / side, (1 - top) / side)

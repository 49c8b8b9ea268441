"""The direct re-ageing network as an ageing model: one pass over the face, whose difference is added to the photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.configs.kinds import REAGER
from work.errors import UserError
from work.faces.aligned import AlignedFace
from work.inference.composite import is_grey, without_colours
from work.inference.embedded.person_reader import load_person_reader, read_fitted
from work.inference.engines.reaging import fast_networks
from work.inference.model import AgeingModel
from work.inference.shares import OnShare, ignore_progress
from work.inference.skin_tone import keep_tone
from work.installation import PACKAGE_FOLDER, command
from work.loading import load_network
from work.models.reaging.nominal import OLDEST, YOUNGEST, NominalAges, read_nominal, split_nominal
from work.models.reaging.shipped import load_reager

SHIPPED = PACKAGE_FOLDER / REAGER
SIZE = 512  # px of the face that it sees
# Px of faces that are no larger than this in a film, of faces whose age is estimated, and of resized pictures.
SMALL = 256


@dataclass
class SeenFace:
    """One face: the photo [1, 3, S, S], its person matte [1, 1, S, S], and the person's age."""

    photo: Tensor
    matte: Tensor
    age: float


class DirectModel(AgeingModel):
    """The photo plus the network's difference, inside the person matte.

    Target ages below YOUNGEST are refused, since bones change there. The network has seen nobody over OLDEST: people
    with older targets are made as old as that.

    Args:
        net_at: SIZE or SMALL -> a network: faces [N, 3, S, S] of that size S, own ages and target ages [N] in
            years -> differences [N, 3, S, S].
        read_age: a photo [1, 3, SMALL, SMALL] -> the person's age in years.
        matte: pictures [N, 3, S, S] -> where they show a person, [N, 1, S, S] in [0, 1].
        strength: a factor on the difference; 0 changes nothing, more than 1 exaggerates.
        nominal: the ages to ask the network for, by own and target age; by default the target ages themselves.
        size: px of a face, SIZE or SMALL.
    """

    composites = True
    additive = True
    youngest = YOUNGEST
    scalable = True

    def __init__(
        self,
        net_at: Callable[[int], Any],
        read_age: Callable[[Tensor], float],
        matte: Callable[[Tensor], Tensor],
        strength: float = 1.0,
        nominal: Optional[NominalAges] = None,
        size: int = SIZE,
    ):
        self.net_at, self.read_age, self.matte, self.strength = net_at, read_age, matte, strength
        self.output_size = size
        self.nominal = nominal or read_nominal({})

    @paddle.no_grad()
    def encode(
        self,
        faces: Sequence[AlignedFace],
        w_plus: Optional[Tensor] = None,
        steps: Optional[int] = None,
        on_share: OnShare = ignore_progress,
    ) -> list[SeenFace]:
        """See AgeingModel; there are no codes, and nothing takes time."""
        return self.encode_known(faces, [self.read_age(face.tensor(SMALL)) for face in faces])

    @paddle.no_grad()
    def encode_known(self, faces: Sequence[AlignedFace], ages: Sequence[float]) -> list[SeenFace]:
        """See AgeingModel."""
        photos = [face.tensor(self.output_size) for face in faces]
        return [SeenFace(photo, self.matte(photo), age) for photo, age in zip(photos, ages)]

    def for_size(self, pixels: int) -> DirectModel:
        """See AgeingModel."""
        size = SMALL if pixels <= SMALL else SIZE
        return DirectModel(
            self.net_at, self.read_age, self.matte, self.strength, self.nominal, size
        )

    def ages(self, encoded: list[SeenFace]) -> list[float]:
        """See AgeingModel; as the package's readers see the photos."""
        return [face.age for face in encoded]

    @paddle.no_grad()
    def transform(
        self, encoded: list[SeenFace], target_ages: Tensor, resize: bool = False
    ) -> Tensor:
        """See AgeingModel.

        Raises:
            UserError: a target age below YOUNGEST.
        """
        targets = [float(age) for age in target_ages.numpy()]
        self.require_age(min(targets))
        asked = [self.nominal.at(face.age, target) for face, target in zip(encoded, targets)]
        images = paddle.concat([self.draw(*pair) for pair in zip(encoded, asked)])
        return F.avg_pool2d(images, self.output_size // SMALL) if resize else images

    @paddle.no_grad()
    def draw(self, face: SeenFace, nominal: float) -> Tensor:
        """A face at a nominal age in years: the picture [1, 3, S, S]."""
        own = min(max(face.age, YOUNGEST), OLDEST)
        asked, stronger = split_nominal(nominal)
        net = self.net_at(self.output_size)
        change = net(face.photo, paddle.full([1], own), paddle.full([1], asked))
        change = keep_tone(face.photo, self.strength * stronger * change)
        if bool(is_grey(face.photo)):  # a grey photo stays grey
            change = without_colours(change)
        aged = (face.photo + change).clip(-1, 1)
        person = paddle.maximum(face.matte, self.matte(aged))
        return face.photo + person * (aged - face.photo)


def load_direct(
    path: Optional[Path] = None,
    strength: float = 1.0,
    engine: str = "auto",
    precision: str = "fp32",
) -> DirectModel:
    """The direct model with its networks.

    Args:
        path: a file of weights, or the folder of a run of train_reaging.py; None for the package's own.
        engine, precision: as on the command line.

    Raises:
        UserError: there are no weights, or they are not such a network's.
    """
    if path is None and not SHIPPED.exists():
        raise UserError(
            f"--model direct: its weights, {SHIPPED}, are missing; install the package again, or name the folder "
            f"of a run of {command('train_reaging')} with --checkpoint_path"
        )
    shipped = load_reager(path or SHIPPED)
    persons, read_age = load_network("person_matte"), load_person_reader(read_fitted())
    net_at, matte = fast_networks(
        shipped.net, persons, shipped.file, (SIZE, SMALL), engine, precision
    )
    return DirectModel(net_at, read_age, matte, strength, shipped.nominal)

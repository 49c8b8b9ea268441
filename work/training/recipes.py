"""What the training loop asks of a recipe: which networks it trains on which faces, and what one step is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Optional, Protocol

from paddle import Tensor
from PIL import Image

from work.datasets.training import Batch, FaceFolder
from work.training.ranks import Ranks
from work.training.train_state import TrainState

Backward = Callable[[Tensor], None]
Keys = list[tuple[int, bool]]  # index and mirroring of each face of a batch
TRAIN, TEST = 0, 1


@dataclass
class Outcome:
    """Terms (0-d tensors) of a batch, and what its panel shows; nothing here has a graph."""

    terms: dict[str, Tensor]
    faces: Tensor
    output: Tensor
    recovered: Optional[Tensor] = None
    numbers: dict[str, Tensor] = field(default_factory=dict)  # per face: ages, similarities
    target: Optional[Tensor] = None  # what the output should be, where that is not the input


@dataclass(frozen=True)
class Place:
    """Where in a run a batch is; every draw is a function of the seed and this.

    Attributes:
        part: TRAIN or TEST.
        batch: number of the batch: of this rank's in training, of all ranks' in validation.
        key: the step and the part of its accumulated gradients, or the batch of a validation.
        rank, world: who shares the batch; a test batch is not shared.
    """

    part: int
    batch: int
    key: tuple[int, ...]
    rank: int = 0
    world: int = 1


class Recipe(Protocol):
    """What a run trains. Its constructor takes the run's options and ranks and reads what it needs."""

    train_faces: FaceFolder
    test_faces: FaceFolder
    best_by: Optional[
        str
    ]  # the validation term whose lowest value makes the best model; None: there is no such term

    def build_state(self, whole: Any) -> TrainState:
        """The networks and optimizers at the start, or the weights of the checkpoint `whole`; called once."""

    def faces_per_batch(self) -> int:
        """Faces that one rank reads for a batch."""

    def train_keys(self, first_batch: int) -> Iterator[Keys]:
        """The faces of this rank's batches, without end."""

    def validation_keys(self) -> list[Keys]:
        """The faces of all test batches."""

    def train_mode(self) -> None:
        """Put into training mode what is trained; all else stays in evaluation mode."""

    def learning_rate(self, step: int) -> Optional[float]:
        """Of the step after `step` steps; None leaves it as it is."""

    def run_batch(self, batch: Batch, place: Place, backward: Backward) -> Outcome:
        """Losses of a batch; `backward` is given each as soon as it is known."""

    def term_names(self) -> list[str]:
        """Every name that the terms of a batch can have, in one order on all ranks."""

    def panel(self, outcome: Outcome) -> Image.Image:
        """A picture of a batch."""

    def failure(self, step: int, terms: dict[str, float]) -> Optional[str]:
        """Why a run with these terms of a validation is not worth going on with; None if it is."""


RecipeMaker = Callable[[Any, Ranks], Recipe]

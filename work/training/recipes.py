"""What the training loop needs from a recipe: the networks, the faces, and what one step is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Optional, Protocol

from paddle import Tensor
from PIL import Image

from work.datasets.training import Batch, FaceSource
from work.training.ranks import Ranks
from work.training.train_state import TrainState

Backward = Callable[[Tensor], None]
Keys = list[tuple[int, bool]]  # index and mirroring of each face of a batch
TRAIN, TEST = 0, 1


@dataclass
class Outcome:
    """The terms of a batch (0-d tensors) and what its panel shows; all without a graph."""

    terms: dict[str, Tensor]
    faces: Tensor
    output: Tensor
    recovered: Optional[Tensor] = None
    numbers: dict[str, Tensor] = field(default_factory=dict)  # per face: ages, similarities
    target: Optional[Tensor] = None  # what the output should be, where that is not the input


@dataclass(frozen=True)
class Place:
    """Where a batch stands in a run. Every draw is a function of this and the seed.

    Attributes:
        part: TRAIN or TEST.
        batch: its number, counted on this rank in training and over all ranks in validation.
        key: the step and the part of its accumulated gradients; in validation, the number of the batch.
        rank, world: which of how many ranks this is; a test batch is not shared.
    """

    part: int
    batch: int
    key: tuple[int, ...]
    rank: int = 0
    world: int = 1


class Recipe(Protocol):
    """What a run trains, made from the run's options and ranks.

    Attributes:
        best_by: the validation term that is lowest for the best model; None if there is no such term.
    """

    best_by: Optional[str]

    @property
    def train_faces(self) -> FaceSource: ...

    @property
    def test_faces(self) -> FaceSource: ...

    def build_state(self, checkpoint_path: Any) -> TrainState:
        """Make the networks and optimizers, with the weights of a checkpoint if there is one. Called once."""

    def faces_per_batch(self) -> int:
        """How many faces a batch has on one rank."""

    def train_keys(self, first_batch: int) -> Iterator[Keys]:
        """The faces of this rank's batches, without end."""

    def validation_keys(self) -> list[Keys]:
        """The faces of all test batches."""

    def train_mode(self) -> None:
        """Put what is trained into training mode, and all else into evaluation mode."""

    def learning_rate(self, step: int) -> Optional[float]:
        """The learning rate after `step` steps; None keeps the current one."""

    def run_batch(self, batch: Batch, place: Place, backward: Backward) -> Outcome:
        """Compute a batch's losses, and call `backward` with each as soon as it is known."""

    def term_names(self) -> list[str]:
        """Every name that a batch's terms can have, in the same order on all ranks."""

    def panel(self, outcome: Outcome) -> Image.Image:
        """A picture of a batch."""

    def failure(self, step: int, terms: dict[str, float]) -> Optional[str]:
        """Why a run with these validation terms should stop; None if it should not."""


RecipeMaker = Callable[[Any, Ranks], Recipe]

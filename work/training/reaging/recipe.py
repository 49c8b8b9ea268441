"""The recipe of the re-ageing network for the training loop: rendered people, and photos later, two optimizers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Iterator, Optional

from PIL import Image

from work.configs.kinds import REAGING
from work.configs.reaging_options import LAMBDAS, ReagingOptions
from work.datasets.training import NOISE, Batch, batch_positions, random_generator, validation_keys
from work.errors import UserError
from work.loading import load_lpips, load_network
from work.models.checkpoint import load_state, read_checkpoint
from work.models.reaging.reaging import Reaging
from work.training.ema import Average
from work.training.optimizers import make_optimizer
from work.training.precision import Precision
from work.training.ranks import Ranks
from work.training.reaging.faces import (
    CROP,
    PHOTO,
    WHOLE,
    Photos,
    ReagingFaces,
    read_photos,
    split_photos,
)
from work.training.reaging.pairs import Person, read_people, split_people
from work.training.reaging.panel import reaging_panel
from work.training.reaging.passes import TERMS, Lambdas, LossNetworks, ReagingPasses, to_faces
from work.training.recipes import Backward, Keys, Outcome, Place
from work.training.train_state import Player, TrainState

CONSTANT = 0.7  # share of the steps after which the learning rate falls
WARM_UP = 300  # first steps, in which it rises: Adam's first ones, all of full length, throw the network far off
JUDGE_BETAS = (0.5, 0.999)
PER_PERSON = 4  # test samples of each person kept aside


class ReagingRecipe:
    """See Recipe.

    Raises:
        UserError: people, photos or weights are missing.
    """

    def __init__(self, options: ReagingOptions, ranks: Ranks):
        self.options, self.ranks, self.seed = options, ranks, options.seed
        people, aside = self._people()
        photos, photos_aside = self._photos()
        kinds = batch_kinds(options, photos is not None)
        self.best_by: Optional[str] = None if set(kinds) == {PHOTO} else "apart"
        self.train_faces = ReagingFaces(kinds, people, photos, self.seed, options.size, True)
        shown = [PHOTO] if self.best_by is None else [WHOLE, PHOTO] if PHOTO in kinds else [WHOLE]
        self.test_faces = ReagingFaces(shown, aside, photos_aside, self.seed + 1)
        self.test_count = PER_PERSON * len(aside) * len(shown)

    def _people(self) -> tuple[list[Person], list[Person]]:
        root, test = Path(self.options.train_root or ""), self.options.test_root
        people = read_people(root)
        if test:
            return people, read_people(Path(test))
        return split_people(people, self.options.test_every, root)

    def _photos(self) -> tuple[Optional[Photos], Optional[Photos]]:
        root, table = self.options.photos_root, self.options.ages_csv
        if not root:
            return None, None
        photos = read_photos(Path(root), Path(table) if table else None)
        return split_photos(photos, self.options.test_every)

    def build_state(self, checkpoint_path: Any) -> TrainState:
        """See Recipe."""
        options = self.options
        net = self.net = Reaging(options.ndf, self.seed)
        if checkpoint_path:
            checkpoint = read_checkpoint(checkpoint_path)
            if checkpoint.kind != REAGING:
                raise UserError(
                    f"{checkpoint_path}: holds {checkpoint.kind} weights; {REAGING} is trained here"
                )
            load_state(net, checkpoint.state_dict, checkpoint_path)
        lambdas = Lambdas(**{name: getattr(options, f"{name}_lambda") for name in LAMBDAS})
        self.passes = ReagingPasses(net, load_loss_networks(), lambdas, options.looks)
        rate, parts = options.learning_rate, {}
        for name in ("reager", "judge"):
            named = net.named_parameters()
            parts[name] = {n: p for n, p in named if n.startswith(f"{name}.")}
        players = [
            Player(
                make_optimizer("adam", rate, parts["reager"], clip=options.clip),
                parts["reager"],
                name="reager/",
            ),
            Player(
                make_optimizer("adam", rate, parts["judge"], betas=JUDGE_BETAS),
                parts["judge"],
                options.judge_rate,
                "judge/",
            ),
        ]
        precision = Precision(options.amp, options.amp_dtype, self.ranks.gpu)
        average = Average(players[0].trained, options.ema)
        return TrainState(REAGING, net, ("reager.", "judge."), players, precision, average)

    def faces_per_batch(self) -> int:
        """See Recipe."""
        return self.options.batch_size

    def train_keys(self, first_batch: int) -> Iterator[Keys]:
        """See Recipe: the positions of the batches in the stream of samples."""
        size, ranks = self.options.batch_size, self.ranks
        for batch in itertools.count(first_batch):
            positions = batch_positions(batch, size, ranks.rank, ranks.world)
            yield [(position, False) for position in positions]

    def validation_keys(self) -> list[Keys]:
        """See Recipe; the same samples every time."""
        batches = validation_keys(self.test_count, self.options.test_batch_size)
        return batches[: self.options.max_test_batches]

    def train_mode(self) -> None:
        """See Recipe."""
        self.net.train()

    def learning_rate(self, step: int) -> Optional[float]:
        """See Recipe: rising at first, constant for most of the steps, then falling linearly to 0."""
        left = 1 - step / self.options.max_steps
        return self.options.learning_rate * min(1.0, (step + 1) / WARM_UP, left / (1 - CONSTANT))

    def run_batch(self, batch: Batch, place: Place, backward: Backward) -> Outcome:
        """See Recipe."""
        rng = random_generator(self.seed, NOISE, place.part, *place.key, place.rank)
        return self.passes(to_faces(batch.faces, batch.files), backward, rng)

    def term_names(self) -> list[str]:
        """See Recipe."""
        return ["loss", "apart", *TERMS, "judge"]

    def panel(self, outcome: Outcome) -> Image.Image:
        """See Recipe."""
        return reaging_panel(outcome, self.net)

    def failure(self, step: int, terms: dict[str, float]) -> Optional[str]:
        """See Recipe; nothing but terms that are not finite, for which the loop stops anyway."""
        return None


def batch_kinds(options: ReagingOptions, photos: bool) -> list[str]:
    """What the faces of a batch are, in order: crops, whole rendered faces, photos."""
    size = options.batch_size
    real = options.photos if photos else 0
    whole = round(options.whole_share * (size - real))
    return [CROP] * (size - real - whole) + [WHOLE] * whole + [PHOTO] * real


def load_loss_networks() -> LossNetworks:
    """LPIPS with AlexNet, dlib's embedding and the small age network."""
    identity, age = load_network("dlib_face"), load_network("age_v1")
    return LossNetworks(load_lpips("alex"), identity.embed, age.predict_age)

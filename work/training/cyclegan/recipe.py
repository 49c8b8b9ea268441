"""The recipe of Group-GAN and FA-GAN for the training loop: faces of known ages, two optimizers, two pools."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

import numpy as np
import paddle
from PIL import Image

from work.configs.age_groups import parse_groups
from work.configs.cyclegan_options import FA, CycleGANOptions
from work.datasets.ages import read_ages
from work.datasets.training import POOLS, Batch, FaceFolder, batch_positions, random_generator
from work.errors import UserError
from work.models.checkpoint import load_state, read_checkpoint
from work.models.cyclegan.cyclegan import DISCRIMINATORS, GENERATORS, CycleGAN
from work.models.cyclegan.generator import blocks_for
from work.training import networks
from work.training.cyclegan.passes import CyclePasses, Estimator, Lambdas
from work.training.cyclegan.plans import GroupPlanner, Plan, Planner, YearsPlanner
from work.training.cyclegan.pool import ImagePool
from work.training.ema import Average
from work.training.optimizers import make_optimizer
from work.training.panels import panel
from work.training.precision import Precision
from work.training.ranks import Ranks
from work.training.recipes import TEST, TRAIN, Backward, Keys, Outcome, Place
from work.training.train_state import Player, TrainState

BETAS = (0.5, 0.999)
WARMUP_RATE = 5.0  # times the learning rate
EARLY = 2000  # steps before which outputs may be alike: new generators make grey
LEAST_DIVERSITY = 0.2


class CycleRecipe:
    """See Recipe. `options.only` is the name of one run.

    Raises:
        UserError: faces, their ages or weights are missing, or a group has no face.
    """

    best_by: Optional[str] = None  # no loss of a GAN says how good its faces are

    def __init__(self, options: CycleGANOptions, ranks: Ranks):
        self.options, self.ranks, self.seed = options, ranks, options.seed
        self.conditioned = options.only == FA
        self.train_faces, train = self._faces(options.train_root, options.ages_csv)
        self.test_faces, test = self._faces(options.test_root, options.test_ages_csv)
        self.planners = {TRAIN: train, TEST: test}
        self.sizes = {TRAIN: options.batch_size, TEST: options.test_batch_size}

    def _faces(self, root: Optional[str], table: Optional[str]) -> tuple[FaceFolder, Planner]:
        faces = FaceFolder(Path(root or ""), self.options.size)
        ages = read_ages(faces.root, faces.paths, Path(table) if table else None)
        order = np.argsort(
            ages, kind="stable"
        )  # the next face, for one that cannot be read, is about as old
        faces.paths, ages = [faces.paths[i] for i in order], ages[order]
        try:
            return faces, self._planner(ages)
        except UserError as error:
            raise UserError(f"{faces.root}: {error}") from error

    def _planner(self, ages: np.ndarray) -> Planner:
        groups = self.options.age_groups()
        if self.conditioned:
            asked = np.where(ages <= self.options.oldest, ages, np.nan)
            return YearsPlanner(asked, groups, self.seed)
        young, old = (parse_groups(name)[0] for name in str(self.options.only).split("_"))
        return GroupPlanner(ages, young, old, self.seed)

    def build_state(self, checkpoint_path: Any) -> TrainState:
        """See Recipe."""
        options = self.options
        kind = "fa_gan" if self.conditioned else "group_gan"
        blocks = options.blocks or blocks_for(options.size)
        shape = (options.ngf, options.ndf, blocks)
        how = (self.conditioned, options.residual, options.upsample)
        net = CycleGAN(*shape, *how, self.seed)
        if checkpoint_path:
            checkpoint = read_checkpoint(checkpoint_path)
            if checkpoint.kind != kind:
                raise UserError(
                    f"{checkpoint_path}: holds {checkpoint.kind} weights; {kind} is trained here"
                )
            load_state(net, checkpoint.state_dict, checkpoint_path)
        self.net, self.passes = net, self._passes(net)
        players = [
            self._player("generators/", GENERATORS, 1.0),
            self._player("discriminators/", DISCRIMINATORS, options.judge_rate),
        ]
        precision = Precision(options.amp, options.amp_dtype, self.ranks.gpu)
        average = Average(players[0].trained, options.ema)
        prefixes = tuple(f"{name}." for name in (*GENERATORS, *DISCRIMINATORS))
        memory = Pools(self.passes.pools)
        return TrainState(kind, net, prefixes, players, precision, average, memory)

    def _passes(self, net: CycleGAN) -> CyclePasses:
        options = self.options
        names = ("cycle", "identity", "l1", "age", "mismatch")
        lambdas = Lambdas(**{name: getattr(options, f"{name}_lambda") for name in names})
        estimate = self._estimator() if self.conditioned else None
        return CyclePasses(net, lambdas, estimate, options.pool_size, options.age_looks)

    def _estimator(self) -> Estimator:
        net: Any = networks.build_age_net(self.options.age_net)
        if self.options.age_net == "age_v1" and self.options.crop == "utkface":
            return net.predict_chip_age  # the faces are as tight as it wants them
        return net.predict_age

    def _player(self, name: str, parts: tuple[str, ...], rate: float) -> Player:
        prefixes = tuple(f"{part}." for part in parts)
        named = {n: p for n, p in self.net.named_parameters() if n.startswith(prefixes)}
        optimizer = make_optimizer("adam", self.options.learning_rate, named, betas=BETAS)
        return Player(optimizer, named, rate, name)

    def faces_per_batch(self) -> int:
        """See Recipe."""
        return (4 if self.conditioned else 2) * self.options.batch_size

    def plan(self, place: Place) -> Plan:
        """The plan of a batch."""
        positions = batch_positions(place.batch, self.sizes[place.part], place.rank, place.world)
        return self.planners[place.part].plan(positions, (place.part,))

    def train_keys(self, first_batch: int) -> Iterator[Keys]:
        """See Recipe."""
        for batch in itertools.count(first_batch):
            yield self.plan(Place(TRAIN, batch, (), self.ranks.rank, self.ranks.world)).keys

    def validation_keys(self) -> list[Keys]:
        """See Recipe; about as many faces as the smallest group has."""
        count = min(map(len, self.planners[TEST].groups)) // self.options.test_batch_size or 1
        batches = min(count, self.options.max_test_batches or count)
        return [self.plan(Place(TEST, batch, ())).keys for batch in range(batches)]

    def train_mode(self) -> None:
        """See Recipe."""
        self.net.train()

    def learning_rate(self, step: int) -> Optional[float]:
        """See Recipe: constant for half of the steps, then linearly to 0; higher while warming up."""
        rate, share = self.options.learning_rate, step / self.options.max_steps
        if step < self.options.warmup_steps:
            return rate * WARMUP_RATE
        return rate * min(1.0, 2 * (1 - share))

    def run_batch(self, batch: Batch, place: Place, backward: Backward) -> Outcome:
        """See Recipe."""
        faces, plan = paddle.to_tensor(batch.faces), self.plan(place)
        if place.part == TEST:
            return self.passes(faces, plan, backward)
        if place.key[0] < self.options.warmup_steps:
            return self.passes.warm_up(faces, plan, backward)
        rng = random_generator(self.seed, POOLS, *place.key, place.rank)
        interval = self.options.cycle_interval
        cycle = float(interval) if place.key[0] % interval == 0 else 0.0
        return self.passes(faces, plan, backward, rng, cycle)

    def term_names(self) -> list[str]:
        """See Recipe."""
        last = ("age", "mismatch") if self.conditioned else ("identity",)
        terms = ("loss", "gan", "cycle", "l1", *last, "judge", "diversity")
        return ["loss", *(f"{term}_{name}" for name in GENERATORS for term in terms)]

    def panel(self, outcome: Outcome) -> Image.Image:
        """See Recipe."""
        return panel(outcome)

    def failure(self, step: int, terms: dict[str, float]) -> Optional[str]:
        """See Recipe: a generator whose outputs have become alike (mode collapse)."""
        if step < EARLY or self.options.keep_collapsed:
            return None
        for name in GENERATORS:
            spread = terms.get(f"diversity_{name}", 1.0)
            if spread < LEAST_DIVERSITY:
                return (
                    f"collapsed: the faces made {name} differ by {spread:.0%} of what their inputs do "
                    f"(judge_{name} {terms[f'judge_{name}']:.3g}). Start again with another --seed, a lower "
                    "--learning_rate or a higher --l1_lambda; --keep_collapsed trains on"
                )
        return None


class Pools:
    """Both pools as one memory of a run. Of several ranks, the first one's are saved and all resume with these."""

    def __init__(self, pools: dict[str, ImagePool]):
        self.pools = pools

    def state_dict(self) -> dict[str, Any]:
        states = {name: pool.state_dict() for name, pool in self.pools.items()}
        return {f"{name}.{key}": a for name, state in states.items() for key, a in state.items()}

    def set_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, pool in self.pools.items():
            keys = [key for key in ("faces", "ages") if f"{name}.{key}" in state]
            pool.set_state_dict({key: state[f"{name}.{key}"] for key in keys})

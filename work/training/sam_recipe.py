"""The recipes of SAM and pSp: an encoder trained by one optimizer, beside frozen networks."""

from __future__ import annotations

from typing import Any, Iterator, Optional

import paddle
from PIL import Image

from work.configs.train_options import TrainOptions
from work.datasets.training import Batch, FaceFolder, training_keys, validation_keys
from work.training import networks
from work.training.ema import Average
from work.training.optimizers import make_optimizer
from work.training.panels import panel
from work.training.precision import Precision
from work.training.psp_tasks import make_inputs
from work.training.ranks import Ranks
from work.training.recipes import TRAIN, Backward, Keys, Outcome, Place
from work.training.renders import draw_codes
from work.training.sam_passes import Passes, draw
from work.training.start_codes import StartCodes
from work.training.train_state import Player, TrainState


class SAMRecipe:
    """See Recipe.

    Raises:
        UserError: data or weights are missing.
    """

    best_by: Optional[str] = "loss"

    def __init__(self, options: TrainOptions, ranks: Ranks):
        self.options, self.ranks = options, ranks
        self.train_faces = FaceFolder(options.root("train_root"))
        self.test_faces = FaceFolder(options.root("test_root"))

    def build_state(self, checkpoint_path: Any) -> TrainState:
        """See Recipe; `checkpoint_path` as in `networks.build_network`."""
        options = self.options
        objective = networks.build_objective(options)
        net = networks.build_network(options, checkpoint_path)
        net.encoder = self.ranks.synchronize_batch_norm(net.encoder)
        net.decoder.recompute = options.checkpoint_decoder
        self.prefixes = ("encoder.", "decoder.") if options.train_decoder else ("encoder.",)
        trained = networks.trained_parameters(net, self.prefixes)
        precision = Precision(options.amp, options.amp_dtype, self.ranks.gpu)
        optimizer = make_optimizer(
            options.optim_name, options.learning_rate, trained, options.amp == "O2"
        )
        precision.decorate(net.encoder, optimizer)
        self.net, self.passes = net, Passes(net, objective, options)
        self.start_codes = StartCodes(net, options.code_cache)
        kind = "sam" if options.ages else "psp"
        average = Average(trained, options.ema)
        return TrainState(
            kind, net, self.prefixes, [Player(optimizer, trained)], precision, average
        )

    def faces_per_batch(self) -> int:
        """See Recipe."""
        return self.options.batch_size

    def train_keys(self, first_batch: int) -> Iterator[Keys]:
        """See Recipe."""
        options, ranks = self.options, self.ranks
        count = len(self.train_faces)
        read = options.batch_size - options.renders
        shares = (first_batch, read, ranks.rank, ranks.world)
        return training_keys(count, options.seed, *shares)

    def validation_keys(self) -> list[Keys]:
        """See Recipe."""
        keys = validation_keys(len(self.test_faces), self.options.test_batch_size)
        return keys[: self.options.max_test_batches]

    def train_mode(self) -> None:
        """See Recipe; `--freeze_batch_norm` leaves the batch norms in evaluation mode."""
        self.net.train("decoder." in self.prefixes)
        if self.options.freeze_batch_norm:
            for layer in self.net.encoder.sublayers():
                if isinstance(layer, paddle.nn.layer.norm._BatchNormBase):
                    layer.eval()

    def learning_rate(self, step: int) -> Optional[float]:
        """See Recipe; it is constant."""
        return None

    def run_batch(self, batch: Batch, place: Place, backward: Backward) -> Outcome:
        """See Recipe."""
        faces, key = paddle.to_tensor(batch.faces), (place.part, *place.key)
        start = self.start_codes(faces, batch) if self.options.ages else None
        codes = None
        if self.options.renders and place.part == TRAIN:
            codes = draw_codes(self.net, self.options, key, place.rank)
            with paddle.no_grad():
                renders = self.net.decode(codes, resize=True).clip(-1, 1)
                if start is not None:
                    start = paddle.concat([start, self.net.pretrained_codes(renders)])
            faces = paddle.concat([faces, renders])
            codes = codes if self.options.code_lambda > 0 else None
        drawn = draw(self.options, key, len(faces), place.rank, place.world)
        inputs = make_inputs(self.options, batch.faces, key, place.rank, place.world)
        if inputs is not None:
            return self.passes.draw_targets(paddle.to_tensor(inputs), faces, backward)
        return self.passes(faces, drawn, backward, start, codes)

    def term_names(self) -> list[str]:
        """See Recipe."""
        return self.passes.term_names()

    def panel(self, outcome: Outcome) -> Image.Image:
        """See Recipe."""
        return panel(outcome)

    def failure(self, step: int, terms: dict[str, float]) -> Optional[str]:
        """See Recipe; nothing but terms that are not finite, for which the loop stops anyway."""
        return None

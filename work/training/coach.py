"""The training loop of SAM and pSp.

Departures from the reference: frozen parts stay in evaluation mode (see PSP.train); every draw is a function
of the seed and the step, so a resumed run is the same run; validation draws are the same each time, so that
"best" means something, and no face of the last test batch is left out.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor

from work.configs.train_options import TrainOptions
from work.datasets.training import (
    NOISE,
    Batch,
    FaceFolder,
    generator,
    load,
    test_keys,
    training_keys,
)
from work.errors import UserError
from work.files import atomic_write
from work.training import networks
from work.training import ranks as parallel
from work.training.ema import Average
from work.training.logs import Log, Pace, term_line
from work.training.optimizers import make_optimizer
from work.training.panels import panel
from work.training.precision import Precision
from work.training.recipes import Outcome, Recipe, draw
from work.training.run_files import Checkpoints
from work.training.start_codes import StartCodes
from work.training.watch import Watch

TRAIN, TEST = 0, 1  # parts of the keys of draws


class Coach:
    """A run: the network, its optimizer, its data and its place on disk.

    Raises:
        UserError: data or weights are missing, or the run cannot be resumed.
    """

    def __init__(self, options: TrainOptions):
        self.options, folder = options, Path(options.exp_dir)
        self.ranks = parallel.start(options.device, options.seed)
        self.train_faces = FaceFolder(options.root("train_root"))
        self.test_faces = FaceFolder(options.root("test_root"))
        self.store = Checkpoints(folder / "checkpoints", options.keep)
        self.step, self.best = 0, None
        self.prefixes = ("encoder.", "decoder.") if options.train_decoder else ("encoder.",)
        self._build()
        if self.ranks.first:
            self.store.prepare()
            with atomic_write(folder / "opt.json") as path:
                path.write_text(json.dumps(options.plain(), indent=1) + "\n")
        self.log = Log(folder / "logs", self.ranks.first)
        self.watch = Watch(self.ranks)
        self.stop_asked = False
        self.saved_at = self.step

    def _build(self) -> None:
        options = self.options
        objective = networks.build_objective(options)
        whole = self.store.path("last.pdparams") if options.resume else options.checkpoint_path
        self.net = networks.build_network(options, whole)
        self.net.encoder = self.ranks.synchronize_batch_norm(self.net.encoder)
        self.net.decoder.recompute = options.checkpoint_decoder
        self.trained = networks.trained_parameters(self.net, self.prefixes)
        self.precision = Precision(options.amp, options.amp_dtype, self.ranks.gpu)
        self.optimizer = make_optimizer(
            options.optim_name, options.learning_rate, self.trained, options.amp == "O2"
        )
        self.precision.decorate(self.net.encoder, self.optimizer)
        self.average = Average(self.trained, options.ema)
        if options.resume:
            self.store.load(self)
        self.recipe = Recipe(self.net, objective, options)
        self.start_codes = StartCodes(self.net, options.code_cache)

    def run(self) -> int:
        """Train to `max_steps`. Returns the exit code: 0, or 130 after Ctrl-C."""
        options, world = self.options, self.ranks.world
        per_step = options.batch_size * options.grad_accum * world
        self.log.say(
            f"{len(self.train_faces)} training and {len(self.test_faces)} test faces, "
            f"{sum(p.size for p in self.trained.values()) / 1e6:.1f} M trained parameters, "
            f"{per_step} faces a step, step {self.step} of {options.max_steps}"
        )
        pace = Pace(per_step)
        keys = training_keys(
            len(self.train_faces),
            options.seed,
            self.step * options.grad_accum,
            options.batch_size,
            self.ranks.rank,
            world,
        )
        batches = load(self.train_faces, keys, options.workers)
        previous = {s: signal.signal(s, self._ask_to_stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            while self.step < options.max_steps and not self._stop_now():
                outcome = self._train_step(batches)
                pace.step()
                self._after_step(outcome, pace)
            return self._finish()
        finally:
            batches.close()
            self.log.close()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _stop_now(self) -> bool:
        """Whether any rank was asked to stop; several ranks talk about it every tenth step."""
        if self.ranks.world == 1 or self.step % 10 == 0:
            return self.ranks.any(self.stop_asked)
        return False

    def _ask_to_stop(self, number, frame) -> None:
        if self.stop_asked:
            raise KeyboardInterrupt
        self.stop_asked = True
        self.log.say("stopping soon (once more: at once, without saving)")

    def _train_step(self, batches) -> Outcome:
        """One optimizer step over `grad_accum` batches; the outcome of the last of them."""
        options, ranks = self.options, self.ranks
        self._train_mode()
        paddle.seed(self._noise_seed(TRAIN, self.step, ranks.rank))
        for part in range(options.grad_accum):
            batch = next(batches)
            key = (TRAIN, self.step, part)
            drawn = draw(options, key, len(batch.files), ranks.rank, ranks.world)
            with self.precision.autocast():
                faces = paddle.to_tensor(batch.faces)
                outcome = self.recipe(faces, drawn, self._backward, self.start_codes(faces, batch))
            self.watch.add(self.step + 1, outcome.terms, batch.files)
        ranks.average_gradients(self.trained.values())
        self.precision.step(self.optimizer)
        self.optimizer.clear_grad()
        self.average.update()
        self.step += 1
        return outcome

    def _train_mode(self) -> None:
        self.net.train(self.options.train_decoder)
        if self.options.freeze_batch_norm:
            for layer in self.net.encoder.sublayers():
                if isinstance(layer, paddle.nn.layer.norm._BatchNormBase):
                    layer.eval()

    def _backward(self, loss: Tensor) -> None:
        self.precision.backward(loss / self.options.grad_accum)

    def _noise_seed(self, *key: int) -> int:
        return int(generator(self.options.seed, NOISE, *key).integers(2**31))

    def _after_step(self, outcome: Outcome, pace: Pace) -> None:
        """Log, show, validate, save, as the intervals say."""
        options, step = self.options, self.step
        last = step == options.max_steps
        validate = last or step % options.val_interval == 0
        save = last or bool(options.save_interval and step % options.save_interval == 0)
        line = step % options.board_interval == 0 or step == 1
        if line or validate or save or not self.ranks.gpu:
            self.watch.check()
        if line:
            terms = self.watch.means(self.recipe.term_names())
            self.log.scalars("train", step, terms)
            left = pace.line(options.max_steps - step)
            self.log.say(f"step {step}  {term_line(terms)}  [{left}]")
        if step % options.image_interval == 0 or step == 1:
            self.log.picture("train", step, panel(outcome))
        if validate:
            self._validate()
        if save or validate:
            self._save(f"iteration_{step}" if save else None)

    def _validate(self) -> None:
        terms = self.validate()
        bad = [name for name, value in terms.items() if not np.isfinite(value)]
        if bad:
            raise UserError(f"validation at step {self.step}: {', '.join(bad)} not finite; stopped")
        self.log.scalars("test", self.step, terms)
        better = self.best is None or terms["loss"] < self.best
        self.log.say(f"step {self.step}  test  {term_line(terms)}{'  best' if better else ''}")
        if better:
            self.best = terms["loss"]
            if self.ranks.first:
                self.store.save_model("best_model", self)

    @paddle.no_grad()
    def validate(self) -> dict[str, float]:
        """The means of the terms over the test faces, weighted by faces, the same for any number of ranks."""
        options, ranks = self.options, self.ranks
        keys = test_keys(len(self.test_faces), options.test_batch_size)[: options.max_test_batches]
        mine = range(ranks.rank, len(keys), ranks.world)
        seen: dict[str, list[tuple[float, int]]] = {}
        self.net.eval()
        batches = load(self.test_faces, (keys[i] for i in mine), options.test_workers)
        with self.average.in_place():
            for index, batch in zip(mine, batches):
                outcome = self._test_batch(index, batch)
                for name, value in outcome.terms.items():
                    seen.setdefault(name, []).append((float(value), len(batch.files)))
                if index == 0:
                    self.log.picture("test", self.step, panel(outcome))
        return ranks.means(self.recipe.term_names(), seen)

    def _test_batch(self, index: int, batch: Batch) -> Outcome:
        paddle.seed(self._noise_seed(TEST, index))
        drawn = draw(self.options, (TEST, index), len(batch.files))
        with self.precision.autocast():
            faces = paddle.to_tensor(batch.faces)
            return self.recipe(faces, drawn, lambda loss: None, self.start_codes(faces, batch))

    def _save(self, name: str | None) -> None:
        if self.ranks.first and self.saved_at != self.step:
            self.store.save_model("last", self, also=name)
            self.store.save_state(self)
            self.store.drop_old()
        self.saved_at = self.step
        self.ranks.wait()

    def _finish(self) -> int:
        done = self.step >= self.options.max_steps
        if not done:
            self.watch.check()
            self._save(None)
            self.log.say(
                f"stopped at step {self.step}, all is saved; go on with: "
                f"python work/scripts/train.py --resume {self.options.exp_dir}"
            )
        else:
            self.log.say(f"done: {self.step} steps, checkpoints in {self.store.folder}")
        if self.train_faces.bad:
            self.log.say(f"{len(self.train_faces.bad)} training faces could not be read")
        parallel.stop(self.ranks)
        return 0 if done else 130

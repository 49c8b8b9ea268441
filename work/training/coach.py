"""The training loop: runs the steps of a recipe, logs, validates, saves and resumes.

Departures from the reference: frozen parts stay in evaluation mode (see PSP.train); every draw is a function of the
seed and the step, so a resumed run is the same run; validation draws the same every time, so that "best" compares like
with like; and the faces of the last, smaller test batch count too.
"""

from __future__ import annotations

import signal
from typing import Optional

import numpy as np
import paddle
from paddle import Tensor

from work.configs.loop_options import LoopFlags
from work.datasets.training import NOISE, Batch, load, random_generator
from work.errors import UserError
from work.signals import Stopped
from work.training.logs import Log, Pace, term_line
from work.training.ranks import Ranks, join_ranks
from work.training.recipes import TEST, TRAIN, Outcome, Place, RecipeMaker
from work.training.run_files import RunFiles
from work.training.watch import Watch


class Coach:
    """A run: its recipe, its state and its files.

    Args:
        make_recipe: makes the recipe from the options and the ranks; for example SAMRecipe.
        ranks: given if they have joined already, in a process that trains one run after another.

    Raises:
        UserError: data or weights are missing, or the run cannot be resumed.
    """

    def __init__(self, options: LoopFlags, make_recipe: RecipeMaker, ranks: Optional[Ranks] = None):
        self.options, self.joined = options, ranks is None
        self.ranks = ranks or join_ranks(options.device, options.seed)
        self.recipe = make_recipe(options, self.ranks)
        self.files = RunFiles(options)
        if options.resume and self.ranks.first:
            self.files.check()
        checkpoint_path = (
            self.files.path("last.pdparams") if options.resume else options.checkpoint_path
        )
        self.state = self.recipe.build_state(checkpoint_path)
        if options.resume:
            self.files.resume(self.state)
        if self.ranks.first:
            self.files.prepare()
        self.log = Log(self.files.folder / "logs", self.ranks.first)
        self.watch = Watch(self.ranks)
        self.stop_asked, self.stop_signal = False, int(signal.SIGINT)
        self.saved_at = self.state.step

    def run(self) -> int:
        """Train to `max_steps`. Returns the exit code: 0, or 130 after Ctrl-C."""
        options, state, recipe = self.options, self.state, self.recipe
        per_step = recipe.faces_per_batch() * options.grad_accum * self.ranks.world
        self.log.say(
            f"{len(recipe.train_faces)} training and {len(recipe.test_faces)} test faces, "
            f"{sum(p.size for p in state.trained.values()) / 1e6:.1f} M trained parameters, "
            f"{per_step} faces a step, step {state.step} of {options.max_steps}"
        )
        pace = Pace(per_step)
        keys = recipe.train_keys(state.step * options.grad_accum)
        batches = load(recipe.train_faces, keys, options.workers)
        previous = {s: signal.signal(s, self._ask_to_stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            while state.step < options.max_steps and not self._stop_now():
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
        """Whether any rank was asked to stop; several ranks compare notes every tenth step."""
        if self.ranks.world == 1 or self.state.step % 10 == 0:
            return self.ranks.any(self.stop_asked)
        return False

    def _ask_to_stop(self, number, frame) -> None:
        if self.stop_asked:
            raise Stopped(number)
        self.stop_asked, self.stop_signal = True, number
        self.log.say("stopping soon (once more: at once, without saving)")

    def _train_step(self, batches) -> Outcome:
        """Take one step over `grad_accum` batches; returns the outcome of the last one."""
        options, ranks, state = self.options, self.ranks, self.state
        self.recipe.train_mode()
        rate = self.recipe.learning_rate(state.step)
        if rate is not None:
            state.set_learning_rate(rate)
        paddle.seed(self._noise_seed(TRAIN, state.step, ranks.rank))
        for part in range(options.grad_accum):
            batch, number = next(batches), state.step * options.grad_accum + part
            place = Place(TRAIN, number, (state.step, part), ranks.rank, ranks.world)
            with state.precision.autocast():
                outcome = self.recipe.run_batch(batch, place, self._backward)
            self.watch.add(state.step + 1, outcome.terms, batch.files)
        ranks.average_gradients(state.trained.values())
        state.update()
        return outcome

    def _backward(self, loss: Tensor) -> None:
        self.state.precision.backward(loss / self.options.grad_accum)

    def _noise_seed(self, *key: int) -> int:
        return int(random_generator(self.options.seed, NOISE, *key).integers(2**31))

    def _after_step(self, outcome: Outcome, pace: Pace) -> None:
        """Log, save panels, validate and save checkpoints at their intervals."""
        options, step = self.options, self.state.step
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
            self.log.picture("train", step, self.recipe.panel(outcome))
        if validate:
            self._validate()
        if save or validate:
            self._save(f"iteration_{step}" if save else None)

    def _validate(self) -> None:
        terms, state = self.validate(), self.state
        bad = [name for name, value in terms.items() if not np.isfinite(value)]
        if bad:
            raise UserError(
                f"validation at step {state.step}: {', '.join(bad)} not finite; stopped"
            )
        self.log.scalars("test", state.step, terms)
        measure = terms[self.recipe.best_by] if self.recipe.best_by else None
        better = measure is not None and (state.best is None or measure < state.best)
        self.log.say(f"step {state.step}  test  {term_line(terms)}{'  best' if better else ''}")
        if better:
            state.best = measure
            if self.ranks.first:
                self.files.save_network("best_model", state)
        failure = self.recipe.failure(state.step, terms)
        if failure:
            raise UserError(f"step {state.step}: {failure}")

    @paddle.no_grad()
    def validate(self) -> dict[str, float]:
        """The means of the terms over all test faces, whatever the number of ranks."""
        ranks, keys = self.ranks, self.recipe.validation_keys()
        mine = range(ranks.rank, len(keys), ranks.world)
        seen: dict[str, list[tuple[float, int]]] = {}
        self.state.net.eval()
        workers = self.options.test_workers
        batches = load(self.recipe.test_faces, (keys[i] for i in mine), workers)
        with self.state.average.in_place():
            for index, batch in zip(mine, batches):
                outcome = self._test_batch(index, batch)
                for name, value in outcome.terms.items():
                    seen.setdefault(name, []).append((float(value), len(batch.files)))
                if index == 0:
                    self.log.picture("test", self.state.step, self.recipe.panel(outcome))
        return ranks.means(self.recipe.term_names(), seen)

    def _test_batch(self, index: int, batch: Batch) -> Outcome:
        paddle.seed(self._noise_seed(TEST, index))
        with self.state.precision.autocast():
            return self.recipe.run_batch(batch, Place(TEST, index, (index,)), lambda loss: None)

    def _save(self, name: str | None) -> None:
        if self.ranks.first and self.saved_at != self.state.step:
            self.files.save_network("last", self.state, also=name)
            self.files.save_state(self.state)
            self.files.drop_old()
        self.saved_at = self.state.step
        self.ranks.wait()

    def _finish(self) -> int:
        step = self.state.step
        done = step >= self.options.max_steps
        if not done:
            self.watch.check()
            self._save(None)
            self.log.say(
                f"stopped at step {step}, everything is saved; to resume: "
                f"{self.options.resume_command()}"
            )
        else:
            self.log.say(f"done: {step} steps, checkpoints in {self.files.checkpoints}")
        bad = len(self.recipe.train_faces.bad)
        if bad:
            self.log.say(f"{bad} training faces could not be read")
        if self.joined:
            self.ranks.leave()
        return 0 if done else 128 + self.stop_signal

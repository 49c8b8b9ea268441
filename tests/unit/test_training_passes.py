"""What one step asks of the network, by hand; which weights are kept as the best; rates and accumulated batches."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from tests.unit.test_training_loop import arrays
from tests.unit.training_kit import (
    PSP_FLAGS,
    SAM,
    SMALL,
    faces,
    options,
    tiny_objective,
    train,
)
from work.training.coach import Coach
from work.training.sam_passes import Draw, Passes


class Halver:
    """A network that halves what it sees, and notes it."""

    latent_avg = paddle.zeros([4, 512])

    def __init__(self):
        self.seen = []

    def encode(self, x, start=None):
        self.seen.append(x)
        return paddle.zeros([len(x), 4, 512])

    def decode(self, w_plus, resize, randomize_noise):
        return self.seen[-1][:, :3] / 2


@pytest.mark.parametrize("no_aging", [False, True])
def test_sam_is_asked_for_the_target_and_then_for_the_way_back(no_aging):
    chosen = options(f"{' '.join(SAM)} --cycle_lambda=2")
    net, objective, losses = Halver(), tiny_objective(chosen), []
    drawn_pixels = np.random.default_rng(0).uniform(-1, 1, (2, 3, 256, 256))
    photos = paddle.to_tensor(drawn_pixels.astype(np.float32))
    drawn = Draw(no_aging, np.float32([0.2, 0.9]))
    terms = Passes(net, objective, chosen)(photos, drawn, losses.append).terms
    own = objective.aging.ages(photos).numpy()
    there, back = net.seen
    asked = own if no_aging else drawn.ages
    np.testing.assert_allclose(there[:, 3, 0, 0], asked, rtol=1e-5)
    np.testing.assert_allclose(back[:, 3, 0, 0], own, rtol=1e-5)
    assert np.array_equal(back[:, :3], photos / 2)
    parts = [float(terms["loss_real"]), 2 * float(terms["loss_cycle"])]
    assert [float(loss) for loss in losses] == pytest.approx(parts)
    for end, picture, target in (("real", photos / 2, asked), ("cycle", photos / 4, own)):
        error = ((objective.aging.ages(picture).numpy() - target) ** 2).mean()
        assert float(terms[f"loss_aging_{end}"]) == pytest.approx(error, rel=1e-3)


def test_the_best_model_is_that_of_the_lowest_validation_loss(tmp_path, monkeypatch):
    losses = iter([3.0, 1.0, 2.0])
    monkeypatch.setattr(Coach, "validate", lambda self: {"loss": next(losses)})
    flags = [*SMALL, *faces(tmp_path / "data"), *PSP_FLAGS, "--val_interval=1", "--save_interval=1"]
    assert train(*flags, "--max_steps=3", f"--exp_dir={tmp_path / 'run'}") == 0
    folder = tmp_path / "run" / "checkpoints"
    best, second = (arrays(folder / f"{name}.pdparams") for name in ("best_model", "iteration_2"))
    assert all(np.array_equal(best[name], second[name]) for name in best)


def one_step(tmp_path, name, *flags):
    """The trained weights after one step of Adam, less those before it."""
    data = ["--train_root", tmp_path / "data/train", "--test_root", tmp_path / "data/test"]
    words = [*SMALL, *data, *PSP_FLAGS, "--optim_name=adam", "--freeze_batch_norm", "--max_steps=1"]
    found = {}
    for rate in ("0", "1"):
        run = tmp_path / f"{name}{rate}"
        typed = [*words, f"--exp_dir={run}", *flags]
        typed += ["--learning_rate=1e-20"] if rate == "0" else []
        assert train(*typed) == 0
        found[rate] = arrays(run / "checkpoints" / "last.pdparams")
    return {n: found["1"][n] - found["0"][n] for n in found["0"] if n.startswith("encoder.")}


def test_the_learning_rate_is_the_one_that_was_typed(tmp_path):
    faces(tmp_path / "data")
    slow, fast = (one_step(tmp_path, rate, f"--learning_rate={rate}") for rate in ("1e-3", "2e-3"))
    moved = [name for name in slow if np.abs(slow[name]).max() > 1e-4]
    assert moved
    for name in moved:
        assert np.abs(fast[name]).max() == pytest.approx(2 * np.abs(slow[name]).max(), rel=0.02)


def test_accumulated_batches_count_as_one_larger_batch(tmp_path):
    data, found = faces(tmp_path / "data"), {}
    for name, flags in (("one", ["--batch_size=2"]), ("two", ["--batch_size=1", "--grad_accum=2"])):
        words = [*SMALL, *data, *PSP_FLAGS, "--freeze_batch_norm", "--max_steps=1", *flags]
        assert train(*words, "--learning_rate=0.1", f"--exp_dir={tmp_path / name}") == 0
        found[name] = arrays(tmp_path / name / "checkpoints" / "last.pdopt")
    moments = [key for key in found["one"] if key.endswith(".exp_avg")]
    assert moments
    for key in moments:
        np.testing.assert_allclose(found["two"][key], found["one"][key], rtol=1e-3, atol=1e-7)

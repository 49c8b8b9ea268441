"""What the network is asked for so that a photo looks as old as is wanted."""

from __future__ import annotations

import numpy as np
import pytest

from work.configs.kinds import REAGING
from work.models.checkpoint import save_checkpoint
from work.models.reaging.nominal import NominalAges, read_nominal, split_nominal
from work.models.reaging.shipped import add_nominal, load_reager
from work.models.reaging.unet import ReagingNet
from work.training.reaging.fit_nominal import RUNGS, fit_nominal

TABLE = NominalAges(
    np.array([20.0, 60.0]), np.array([20.0, 80.0]), np.array([[20.0, 100.0], [0.0, 80.0]])
)


@pytest.mark.parametrize(
    "own, wanted, asked",
    [
        (20, 20, 20),
        (20, 80, 100),
        (20, 50, 60),
        (60, 50, 40),
        (40, 50, 50),
        (70, 85, 80),
        (5, 10, 20),
    ],
)
def test_nominal_ages_lie_between_the_entries_and_stop_at_the_edges(own, wanted, asked):
    assert TABLE.at(own, wanted) == pytest.approx(asked)


def test_without_a_table_what_is_wanted_is_asked_for():
    plain = read_nominal({})
    assert [plain.at(30, age) for age in (10, 15, 40, 85, 90)] == [15, 15, 40, 85, 85]


def test_beyond_what_the_network_knows_its_difference_grows():
    assert split_nominal(40) == (40, 1)
    assert split_nominal(95) == (85, pytest.approx(1.2))
    assert split_nominal(5) == (15, pytest.approx(1.2))


def test_a_file_keeps_its_network_and_gets_the_table(tmp_path):
    net, path = ReagingNet(), tmp_path / "reaging.pdparams"
    state = {f"reager.{name}": value for name, value in net.state_dict().items()}
    save_checkpoint(path, REAGING, state, None, {}, checksum=True)
    add_nominal(path, TABLE)
    shipped = load_reager(path)
    assert np.array_equal(shipped.nominal.asked, TABLE.asked)
    assert np.allclose(shipped.net.last.bias, net.last.bias, atol=1e-3)
    assert shipped.nominal.at(20, 50) == pytest.approx(60)


def test_timid_readings_are_turned_around():
    """Who looks only half of the way from the own age to what is asked for is asked for twice the way."""
    own = np.linspace(15, 80, 40)
    readings = own[:, None] + (RUNGS[None] - own[:, None]) / 2
    table = fit_nominal(own, readings)
    for age, wanted in ((40, 50), (40, 30), (60, 65)):
        assert table.at(age, wanted) == pytest.approx(age + 2 * (wanted - age), abs=2)
    assert table.at(20, 85) == pytest.approx(RUNGS[-1])  # as far as the ladder goes
    assert np.diff(table.asked, axis=1).min() > 2.4
    assert RUNGS[0] <= table.asked.min() and table.asked.max() <= RUNGS[-1]

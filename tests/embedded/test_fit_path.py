"""The path of ages, fitted on made-up codes whose ages, genders and races are linear."""

from __future__ import annotations

import numpy as np
import pytest

from work.training.embedded.fit_path import NOMINAL, fit_age_path

SIZE = 12


@pytest.fixture(scope="module")
def fitted():
    """Codes whose first axis is age, the second gender, the third a race; the latter two go with age, as in photos."""
    rng = np.random.default_rng(0)
    white = rng.normal(0, 1, (4000, SIZE))
    age = 40 + 18 * white[:, 0]
    gender = 2 * white[:, 1] + 0.5 * white[:, 0] + 0.3 * white[:, 2]
    race = 1.5 * white[:, 2] - 0.4 * white[:, 0]
    return fit_age_path(white, age, gender, [race], np.eye(SIZE)), (gender, race), white


def gradient(white, scores) -> np.ndarray:
    return np.linalg.lstsq(white - white.mean(0), scores - scores.mean(), rcond=None)[0]


def test_people_grow_old_along_the_path(fitted):
    path = fitted[0]
    moved = np.diff(path["path.points"][:, 0])
    assert (moved > 0.02).all()
    assert path["path.points"].shape == (len(NOMINAL), SIZE)
    np.testing.assert_allclose(path["path.points"][np.searchsorted(NOMINAL, 30.0)], 0, atol=1e-9)


def test_neither_gender_nor_race_change_along_it(fitted):
    """A way along the first axis, straight to old age, would change the two by 0.5 and -0.4 per unit."""
    path, scores, white = fitted
    steps = np.diff(path["path.points"], axis=0)
    for score in scores:
        along = steps @ gradient(white, score)
        assert np.abs(along / np.linalg.norm(steps, axis=1)).max() < 0.1


def test_holding_the_gender_leaves_race_alone(fitted):
    path, (gender, race), white = fitted
    held = path["path.gender"]
    assert abs(held @ gradient(white, race)) < 0.02
    step = held @ gradient(white, gender)
    assert step > 1.5
    np.testing.assert_allclose(path["path.gender_step"], step, rtol=0.1)

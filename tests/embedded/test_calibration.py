"""Calibration on a face whose ageing is known, and the composite's promises."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.inference.embedded.age_path import TRUNCATION, AgePath, Aims, truncate
from work.inference.embedded.calibration import Calibration, Rung, make_rising, smooth, space_out
from work.inference.embedded.readings import Readings, combine_cautiously

AXIS, GENDER = np.eye(512)[0], np.eye(512)[1]
AGES = np.arange(-120.0, 241.0, 10.0)
AIMS = Aims(np.array([0.0, 50.0, 100.0]), np.array([3.0, 50.0, 87.5]))


def path():
    return AgePath(AGES, AGES[:, None] * AXIS / 10, GENDER, gender_step=2.0)


def linear_face(shift, drift=0.0, worse=0.0, gender=3.0):
    """Reads 30 as it is and 5 years more per unit of the axis; its gender's score falls with `drift`."""
    along = float(shift @ AXIS)
    reading = float(np.clip(30 + 5 * along, 0, 80))
    score = gender - drift * max(along, 0) + 2 * float(shift @ GENDER)
    return Rung(shift, reading, worse * abs(along), score)


def calibrated(**habits):
    return Calibration(
        path(), AIMS, linear_face(np.zeros(512), **habits), lambda s, _: linear_face(s, **habits)
    )


def test_aims_lie_between_the_number_and_what_is_read_from_people_of_that_age():
    aims = [AIMS.reading(age) for age in range(0, 101, 5)]
    assert all(low < high for low, high in zip(aims, aims[1:]))
    assert AIMS.reading(90) == pytest.approx(93)
    assert AIMS.reading(0) == pytest.approx(1.5)


def test_the_age_of_a_reading_is_the_aims_inverse():
    for age in (0, 7, 15, 33, 61, 84):
        assert AIMS.age(AIMS.reading(age)) == pytest.approx(age, abs=0.2)
    assert AIMS.age(-5) == 0 and AIMS.age(120) == 100


def test_high_ages_of_made_faces_lie_near_the_lower_reading():
    found = combine_cautiously(np.array([[30.0, 40.0], [70.0, 80.0], [90.0, 60.0], [2.0, 8.0]]))
    np.testing.assert_allclose(found, [31.0, 72.5, 67.5, 6.2])


@pytest.mark.parametrize("age", [20, 25, 40, 60, 65])
def test_a_target_is_met(age):
    shift = calibrated().shift(age)
    assert linear_face(shift).reading == pytest.approx(AIMS.reading(age), abs=0.5)


def test_no_target_leaves_what_was_probed():
    """The furthest rungs cap the shift; a collapsing face ends the ladder before it collapses."""
    calibration = calibrated(worse=0.3)
    assert all(rung.likeness <= 0.95 for rung in calibration.rungs)
    assert calibration.shift(100) @ AXIS == pytest.approx(
        max(r.shift @ AXIS for r in calibration.rungs)
    )


def test_targets_beyond_the_end_of_the_ladder_still_differ():
    calibration = calibrated(worse=0.3)
    assert calibration.rungs[-1].reading < 50
    along = [float(calibration.shift(age) @ AXIS) for age in range(0, 101, 10)]
    assert all(low < high for low, high in zip(along, along[1:]))


def test_gender_is_held():
    """Ageing alone would take the score from 3 to below -3; the kept rungs stay on the photo's side."""
    assert linear_face(9 * AXIS, drift=0.7).gender < -3
    rungs = calibrated(drift=0.7).rungs
    assert all(rung.gender > 0.5 for rung in rungs)
    assert all(rung.gender > 1.7 for rung in rungs if rung.shift @ AXIS > 4)


def test_less_is_asked_where_the_gender_is_unsure():
    """A score of 0.3 is half sure: half of the 1.75 that a sure photo is held at."""
    far = [r for r in calibrated(drift=0.7, gender=0.3).rungs if r.shift @ AXIS > 4]
    assert far and all(rung.gender == pytest.approx(1.75 / 2, abs=0.25) for rung in far)


def test_codes_are_drawn_to_the_mean_as_they_move():
    mean, w_plus = paddle.randn([512]), paddle.randn([2, 23, 512])

    def left(step):
        return ((truncate(w_plus, mean, step) - mean) / (w_plus - mean)).numpy()

    assert (truncate(w_plus, mean, 0.0) - w_plus).abs().max().item() < 1e-5
    for step in (100.0, -100.0):
        np.testing.assert_allclose(np.median(left(step)), 1 - 100 * TRUNCATION, rtol=1e-4)
    assert np.median(left(1e6)) == 0


def test_readings_are_smoothed_and_rise():
    places = np.array([-10.0, 0.0, 10.0, 20.0, 40.0])
    found = make_rising(smooth(np.array([10.0, 20.0, 30.0, 22.0, 50.0]), places))
    np.testing.assert_allclose(found, [10, 20, 25.5, 29.333, 50], atol=0.01)
    pooled = make_rising(np.array([1.0, 5.0, 3.0, 4.0, 9.0]))
    np.testing.assert_allclose(pooled, [1, 4, 4, 4, 9], atol=0.01)
    assert (np.diff(pooled) > 0).all()
    np.testing.assert_allclose(make_rising(smooth(np.array([7.0]), places[:1])), [7])


def test_a_straight_ladder_is_not_bent_by_smoothing():
    places = np.array([-33.0, -9.0, 0.0, 10.0, 31.0, 90.0])
    np.testing.assert_allclose(smooth(0.4 * places + 30, places), 0.4 * places + 30)


def test_steps_keep_their_distance_within_the_ladder():
    found = space_out(np.array([0.0, 1.0, 1.5, 9.0, 40.0]), np.full(4, 5.0), -3.0, 40.0)
    assert (np.diff(found) >= 5 - 1e-9).all()
    assert found[0] >= -3 and found[-1] == 40
    np.testing.assert_allclose(
        space_out(np.array([2.0, 7.0, 9.0]), np.full(2, 1.0), 0, 10), [2, 7, 9]
    )
    np.testing.assert_allclose(space_out(np.zeros(3), np.full(2, 9.0), 0, 10), [0, 5, 10])


def test_a_jump_of_the_reader_is_shared_by_the_decades_around_it():
    """Read as 10 before the jump and as 60 after it, all decades between would be one picture."""

    def jumping(shift, _=0.0):
        rung = linear_face(shift)
        rung.reading = 30 + 2 * float(shift @ AXIS) + 40 * float(shift @ AXIS > 3)
        return rung

    calibration = Calibration(path(), AIMS, jumping(np.zeros(512)), jumping)
    along = np.array([calibration.shift(age) @ AXIS for age in range(10, 81, 10)])
    ways = np.diff(along)
    assert ways.min() > 0.45 * ways.mean()


def test_the_ladder_ends_where_an_old_face_stands_still():
    """Readers take noise for wrinkles: from 76 on this face is read as hardly any older."""

    def worn(shift, _=0.0):
        rung = linear_face(shift)
        rung.reading = min(rung.reading, 76 + 0.02 * float(shift @ AXIS))
        return rung

    last = Calibration(path(), AIMS, worn(np.zeros(512)), worn).rungs[-1]
    assert 75 <= last.reading < 77 and last.shift @ AXIS < 12


def test_the_ladder_ends_where_the_face_collapses():
    def collapsing(shift, _=0.0):
        rung = linear_face(shift)
        rung.reading -= 40.0 * (shift @ AXIS > 6)
        return rung

    calibration = Calibration(path(), AIMS, collapsing(np.zeros(512)), collapsing)
    assert calibration.rungs[-1].shift @ AXIS <= 6
    assert calibration.rungs[-1].reading > 50


class Told:
    """A reader that says what it was told: the mean of a picture is its age in centuries."""

    def __call__(self, chips):
        years = 100 * chips.mean(axis=[1, 2, 3])
        return paddle.stack([years, years], axis=1), paddle.sign(years - 20) * 2, years.unsqueeze(1)


def flat(age: float) -> paddle.Tensor:
    return paddle.full([1, 3, 64, 64], age / 100)


def test_what_the_inverted_face_is_misread_by_is_taken_off_and_fades():
    """The photo reads 30 and its inversion 40: nothing has become older by that."""
    readings = Readings(Told(), flat(30), flat(40), composites=True)
    assert readings.start.reading == pytest.approx(30, abs=0.02)
    zero = np.zeros(512)
    pairs = [(40, 0), (25, 0), (5, 0), (5, 12)]
    younger = [readings.read_rung(zero, flat(a), flat(b), older=False).reading for a, b in pairs]
    np.testing.assert_allclose(younger, [30, 20, 5, 12], atol=0.02)
    older = readings.read_rung(zero, flat(44), flat(60), older=True).reading
    assert older == pytest.approx((44 - 10 * (1 - 4 / 30) + 60) / 2, abs=0.02)


def test_the_photos_own_age_is_a_persons_and_grey_does_not_make_it_younger():
    """What is cautious about made faces is not about people: they may be read as 80."""
    colours = paddle.to_tensor([0.1, 0.0, -0.1]).reshape([1, 3, 1, 1])
    for age, lifted in ((80, 83), (55, 57.5), (20, 21), (5, 5.5)):
        assert Readings(Told(), flat(age), flat(50), True).photo_reading == pytest.approx(
            lifted, abs=0.02
        )
        coloured = Readings(Told(), flat(age) + colours, flat(50), True)
        assert coloured.photo_reading == pytest.approx(age, abs=0.02)


def test_a_persons_age_lies_between_the_reading_and_the_median_that_it_is():
    aims = Aims(np.array([0.0, 20, 60, 90]), np.array([0.0, 24, 50, 70]))
    assert aims.person(50) == 55 and aims.person(24) == 22 and aims.person(70) == 80
    ages = [aims.person(reading) for reading in range(100)]
    assert (np.diff(ages) > 0).all() and 0 <= ages[0] and ages[-1] <= 100


def test_the_worse_of_both_genders_counts():
    readings = Readings(Told(), flat(30), flat(30), composites=True)
    assert readings.start.gender == 2
    assert readings.read_rung(np.zeros(512), flat(10), flat(30), older=False).gender == -2

"""Which people are rendered, and how their pictures are given one background."""

from __future__ import annotations

import numpy as np
import pytest

from work.errors import UserError
from work.training.reaging.glasses import GlassesReader, fit
from work.training.reaging.pairs import read_people
from work.training.reaging.people import GROUPS, HEAD_START, Candidate, choose, typology_angle
from work.training.reaging.render_folder import Rendered, read_rows, write_rows
from work.training.reaging.surroundings import fill, grow, head_region, share_surroundings

SIZE = 64


def draw_candidates(count, seed=0):
    """Mostly light-skinned people of about thirty, as the generator's are."""
    rng = np.random.default_rng(seed)
    ages, genders = rng.normal(31, 14, count), rng.choice([-2.0, 2.0], count)
    skins = rng.normal(40, 25, count)
    return [Candidate(i, 0.7, *map(float, row)) for i, row in enumerate(zip(ages, genders, skins))]


def test_groups_are_evenly_present_although_samples_are_not():
    counts = np.zeros(GROUPS, int)
    candidates = draw_candidates(6000)
    chosen = choose(candidates, counts)
    drawn = np.bincount([c.group for c in candidates], minlength=GROUPS)
    assert len(chosen) == counts.sum()
    assert drawn.max() / drawn.min() > 10  # the samples are uneven
    assert counts.max() <= 1.5 * len(chosen) / GROUPS + HEAD_START
    taken = counts / drawn
    assert taken[drawn.argmin()] == 1 and taken[drawn.argmax()] < 0.5


def test_children_are_passed_over():
    child, adult = Candidate(1, 0.7, 9.0, 2.0, 40.0), Candidate(2, 0.7, 19.0, 2.0, 40.0)
    assert choose([child, adult], np.zeros(GROUPS, int)) == [adult]


def test_people_chosen_in_two_parts_are_those_chosen_at_once():
    candidates, whole, parts = draw_candidates(400), np.zeros(GROUPS, int), np.zeros(GROUPS, int)
    at_once = choose(candidates, whole)
    assert choose(candidates[:150], parts) + choose(candidates[150:], parts) == at_once


@pytest.mark.parametrize(
    "colour, angle", [((241, 194, 125), 36), ((141, 85, 36), -13), ((255, 224, 189), 63)]
)
def test_skin_tones_have_the_angle_of_their_colour(colour, angle):
    face = np.full((SIZE, SIZE, 3), 90, np.uint8)
    face[30:50] = colour
    assert typology_angle(face) == pytest.approx(angle, abs=3)


def one_person():
    """Three pictures of noise with a person of growing size: values are the age, the background's 10 times that."""
    ages = np.array([20.0, 40.0, 60.0])
    axis = np.abs((np.arange(SIZE) + 0.5) / SIZE - 0.5)
    radius = np.maximum(axis[:, None], axis[None, :])
    mattes = np.stack([(radius < r).astype(np.float32) for r in (0.2, 0.25, 0.3)])
    pictures = np.where(mattes[..., None] > 0, ages[:, None, None, None], 0) + np.where(
        mattes[..., None] > 0, 0, 10 * ages[:, None, None, None]
    )
    return pictures.astype(np.float32).repeat(3, axis=3), mattes, ages


def test_all_ages_have_one_background_and_the_persons_own_heads():
    pictures, mattes, ages = one_person()
    shared = share_surroundings(pictures, mattes, ages, 41.0)
    outside = mattes.max(axis=0) == 0
    assert np.ptp(shared[:, outside], axis=0).max() < 1e-3
    centre = SIZE // 2
    assert shared[:, centre, centre, 0].tolist() == pytest.approx([20, 40, 60])


def test_a_background_that_a_larger_head_hides_is_taken_from_another_age():
    pictures, mattes, ages = one_person()
    shared = share_surroundings(pictures, mattes, ages, 60.0)
    ring = (mattes[2] > 0) & (grow(mattes[0]) == 0)  # hidden at 60 alone
    top = ring & (np.arange(SIZE)[:, None] < SIZE // 2)  # where a head may change
    assert shared[0][top].min() >= 10 * 20 and shared[2][top].max() <= 60


def test_clothes_stay_those_of_the_persons_own_age():
    pictures, ages = one_person()[0], np.array([20.0, 40.0, 60.0])
    everywhere = np.ones((3, SIZE, SIZE), np.float32)
    shared = share_surroundings(pictures, everywhere, ages, 19.0)
    assert np.array_equal(shared[2][-1, :8], pictures[0][-1, :8])
    assert np.array_equal(shared[2][0], pictures[2][0])  # hair at the upper border


def test_the_head_reaches_the_upper_border_and_not_the_lower_one():
    head = head_region(SIZE)
    assert head[0].min() == 1 and head[-1].max() < 0.3 and (np.diff(head[:, 0]) <= 0).all()


def test_holes_are_filled_from_around():
    image = np.full((SIZE, SIZE, 3), 5, np.float32)
    known = np.ones((SIZE, SIZE, 1), np.float32)
    known[20:50, 10:40] = 0
    image[20:50, 10:40] = 99
    assert np.abs(fill(image, known) - 5).max() < 1e-3
    assert np.isfinite(fill(image, np.zeros_like(known))).all()


def test_tables_are_read_back_and_others_refused(tmp_path):
    rows = [
        Rendered(3, 4, 1.5, 0.0, True, [50, 60], True),
        Rendered(7, 0, 9.0, 2.0, False, [], False),
    ]
    write_rows(tmp_path / "people.json", rows)
    assert read_rows(tmp_path / "people.json", Rendered) == rows
    assert read_rows(tmp_path / "none.json", Rendered) == []
    (tmp_path / "people.json").write_text('[{"name": 1}]')
    with pytest.raises(UserError, match="people.json"):
        read_rows(tmp_path / "people.json", Rendered)


def test_glasses_neither_come_nor_go_within_a_pair(tmp_path):
    for number in (3, 7):
        (tmp_path / f"{number:05d}").mkdir()
        for age in (20, 50, 60):
            (tmp_path / f"{number:05d}" / f"{age}.jpg").touch()
    worn = [
        Rendered(3, 4, 1.5, 0.0, True, [50, 60], True),
        Rendered(7, 4, 1.5, 0.0, True, [], True),
    ]
    write_rows(tmp_path / "people.json", worn)
    wearer, other = read_people(tmp_path)
    assert wearer.partners(50) == [50, 60] and wearer.partners(20) == [20]
    assert other.partners(50) == [20, 50, 60]
    (tmp_path / "people.json").write_text("[{}]")
    with pytest.raises(UserError, match="people.json"):
        read_people(tmp_path)


def test_glasses_are_seen_along_the_direction_that_was_fitted():
    rng = np.random.default_rng(0)
    worn = (np.arange(60) % 4 == 0).astype(float)
    features = rng.standard_normal((60, 40)) + 4 * worn[:, None] * (np.arange(40) < 5)
    weight, bias = fit(features[:40], worn[:40])
    scores = features @ weight + bias
    assert (scores[40:][worn[40:] == 1]).min() > (scores[40:][worn[40:] == 0]).max()
    reader = GlassesReader()
    plain = np.zeros((1, len(reader.weight)), np.float32)
    there = plain + reader.weight / float(reader.weight @ reader.weight) * (1 - reader.bias)
    assert reader(np.concatenate([plain, there])).tolist() == [reader.bias > 0.3, True]

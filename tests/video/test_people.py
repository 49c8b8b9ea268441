"""Who is who in a film: tracks joined to people, their numbers, their ages."""

from __future__ import annotations

import numpy as np

from tests.video.kit import plain
from work.video.people import Person, contact_sheet, find_people, join
from work.video.track import Known


def test_two_who_are_seen_at_once_are_never_one_person():
    tracks = [plain(0, 0, 9), plain(0, 5, 9), plain(1, 20, 5), plain(1, 20, 5)]
    alike = [np.zeros(2), np.zeros(2), np.array([0.1, 0]), np.array([3.0, 0])]
    groups = join(tracks, alike)
    assert sorted(len(group) for group in groups) == [1, 1, 2]
    assert not any(tracks[0] in group and tracks[1] in group for group in groups)


def test_many_tracks_are_joined_at_once():
    rng = np.random.default_rng(0)
    people = rng.integers(0, 5, 400)
    tracks = [plain(n, 10 * n, 9) for n in range(len(people))]
    groups = join(tracks, 3 * np.eye(5)[people] + rng.normal(0, 0.02, (len(people), 5)))
    shots = [sorted(track.shot for track in group) for group in groups]
    assert sorted(shots) == sorted(np.flatnonzero(people == p).tolist() for p in range(5))


def test_people_are_numbered_from_left_to_right_where_most_are_seen():
    lone, left, right = plain(0, 0, 5, 10), plain(1, 5, 9, 40), plain(1, 7, 9, 150)
    for number, one in enumerate((lone, left, right)):
        one.known = Known(np.array([5.0 * number, 0]), [20.0])
    people = find_people([lone, right, left])
    assert [person.tracks[0] for person in people] == [left, right, lone]
    assert contact_sheet(people).width == 3 * 192


def test_one_wrong_estimate_does_not_move_the_age_of_a_shot():
    found = plain(0, 0, 9)
    found.known = Known(np.zeros(2), [31.0, 90.0, 33.0])
    (person,) = find_people([found])
    assert isinstance(person, Person) and person.ages == {0: 33.0} and person.age == 33.0

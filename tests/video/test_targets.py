"""Who in a film is brought to which age, and from which."""

from __future__ import annotations

import pytest

from tests.video.kit import Warmer, plain
from work.configs.target_age import Target
from work.configs.video_options import VideoOptions
from work.errors import UserError
from work.video import film as film_flow
from work.video.people import Person


def test_targets_are_for_everybody_or_by_place_or_by_number():
    everybody = VideoOptions(target_age="+20")
    assert [everybody.target_of(n).text for n in (1, 7)] == ["+20", "+20"]
    listed = VideoOptions(target_age="70,30")
    assert listed.target_of(2).text == "30" and listed.target_of(3) is None
    chosen = VideoOptions(person="2=70, 1=+10")
    assert chosen.target_of(1).text == "+10" and chosen.target_of(3) is None
    assert VideoOptions(person="2=70", target_age="20").target_of(1).text == "20"
    for wrong in ("two=70", "²=70"):
        with pytest.raises(UserError, match="type numbers and ages, e.g. 2=70,1="):
            VideoOptions(person=wrong)
    with pytest.raises(UserError, match="--person abc: type 0 to 100 years"):
        VideoOptions(person="1=abc")


def test_each_person_is_changed_from_the_age_in_each_shot(monkeypatch):
    asked = []
    monkeypatch.setattr(film_flow, "_try", lambda *_: None)
    monkeypatch.setattr(film_flow, "prepare", lambda track, model, *ages: asked.append(ages[:2]))
    shots = [plain(0, 0, 5), plain(1, 5, 5)]
    one = Person(1, shots, {0: 30.0, 1: 34.0})
    two = Person(2, [plain(0, 0, 5, 90.0)], {0: 60.0})
    film_flow._aged_tracks([one, two], {1: Target("+20"), 2: Target("70")}, Warmer(), 32)
    assert asked == [(30.0, 52.0), (34.0, 52.0), (60.0, 70.0)]  # the person is 32 in all

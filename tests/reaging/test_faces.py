"""What each position of a re-ageing run shows: two ages of a person or two photos, drawn by seed and position alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.reaging.kit import AGES, make_people, make_photos
from work.errors import UserError
from work.training.reaging import covers
from work.training.reaging.augment import View, draw_view, show, spoil
from work.training.reaging.faces import CROP, PHOTO, WHOLE, ReagingFaces, read_photos, split_photos
from work.training.reaging.pairs import read_people, split_people

KINDS = [CROP, WHOLE, PHOTO]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return read_people(make_people(tmp_path_factory.mktemp("people")))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return read_photos(make_photos(tmp_path_factory.mktemp("photos")))


@pytest.fixture
def faces(people, photos):
    return ReagingFaces(KINDS, people, photos, seed=1, size=32, augmented=True)


def test_people_are_found_with_their_ages(tmp_path):
    make_people(tmp_path, 3)
    (tmp_path / "notes").mkdir()
    (tmp_path / "00001" / "thumbnail.jpg").write_bytes(b"")
    found = read_people(tmp_path)
    assert [person.number for person in found] == [0, 1, 2]
    assert list(found[1].pictures) == list(AGES)
    assert found[1].pictures[45] == tmp_path / "00001" / "45.jpg"


def test_who_is_not_in_the_table_is_not_trained_on(tmp_path):
    """Several are drawn at a time: the last ones may come after enough have passed, and nothing is known of them."""
    make_people(tmp_path, 4)
    rows = [{"seed": i, "glasses": [AGES[0]], "passed": i < 2} for i in range(3)]
    (tmp_path / "people.json").write_text(json.dumps(rows))
    found = read_people(tmp_path)
    assert [person.number for person in found] == [0, 1]
    assert found[1].glasses == {AGES[0]}


def test_a_folder_without_people_or_ages_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        read_people(tmp_path / "none")
    with pytest.raises(UserError, match="nobody in it"):
        read_people(tmp_path)
    make_people(tmp_path, 2)
    for age in AGES[1:]:
        (tmp_path / "00001" / f"{age}.jpg").unlink()
    with pytest.raises(UserError, match="00001: .*at least two ages.*found: 1"):
        read_people(tmp_path)


def test_who_is_kept_aside_stays_so_when_people_are_added(tmp_path):
    parts = split_people(read_people(make_people(tmp_path, 4)), 3)
    more = split_people(read_people(make_people(tmp_path, 8)), 3)
    numbers = [[[p.number for p in part] for part in split] for split in (parts, more)]
    assert numbers == [[[1, 2], [0, 3]], [[1, 2, 4, 5, 7], [0, 3, 6]]]
    with pytest.raises(UserError, match="--test_every"):
        split_people(read_people(tmp_path)[:1], 3, tmp_path)


def test_photos_of_children_are_left_out(photos):
    assert photos.ages.tolist() == [22, 34, 46, 58, 70]
    left, aside = split_photos(photos, 2)
    assert (left.ages.tolist(), aside.ages.tolist()) == ([34, 58], [22, 46, 70])


def test_a_position_always_shows_the_same(faces, people, photos):
    again = ReagingFaces(KINDS, people, photos, seed=1, size=32, augmented=True)
    for position in (7, 3, 8):
        (first, one), (second, other) = faces.read(position), again.read(position)
        assert one == other and np.array_equal(first, second)
        assert first.shape == (2, 3, 32, 32) and np.abs(first).max() <= 1
    different = ReagingFaces(KINDS, people, photos, seed=2, size=32, augmented=True)
    assert not np.array_equal(different.read(3)[0], faces.read(3)[0])


def test_rendered_people_come_with_both_ages_and_all_take_turns(faces):
    samples = [faces.sample(position) for position in range(60)]
    assert [sample.kind for sample in samples[:6]] == KINDS * 2
    rendered = [sample for sample in samples if sample.kind != PHOTO]
    for sample in rendered:
        assert sample.source.parent == sample.companion.parent
        assert (sample.source.stem, sample.companion.stem) == (
            f"{sample.own:.0f}",
            f"{sample.target:.0f}",
        )
    assert {(sample.own, sample.target) for sample in rendered} == {
        (float(a), float(b)) for a in AGES for b in AGES
    }
    turns = [sample.source.parent.name for sample in rendered]
    assert all(len(set(turns[i : i + 4])) == 4 for i in range(0, 40, 4))


def test_a_photo_comes_with_another_of_its_target_age_or_stays(faces, photos):
    samples = [faces.sample(position) for position in range(2, 400, 3)]
    known = dict(zip(photos.paths, photos.ages.tolist()))
    for sample in samples:
        assert (known[sample.source], known[sample.companion]) == (sample.own, sample.target)
    stay = sum(sample.source == sample.companion for sample in samples) / len(samples)
    assert 0.25 < stay < 0.6  # a quarter, and those whose random target is their own age
    assert {sample.target for sample in samples} == set(photos.ages.tolist())


def test_what_befalls_the_input_befalls_the_wanted_face(faces, tmp_path):
    """With the same picture at both ages, no view leaves a difference: what is learned is age alone."""
    for age in AGES:
        (tmp_path / "1").mkdir(exist_ok=True)
        (tmp_path / "1" / f"{age}.png").write_bytes(
            next(iter(faces.people[0].pictures.values())).read_bytes()
        )
    same = ReagingFaces([CROP, WHOLE], read_people(tmp_path), None, 0, 32, True)
    for position in range(40):
        source, wanted = same.read(position)[0]
        assert np.array_equal(source, wanted)


def test_validation_sees_whole_faces_as_they_are(people):
    plain = ReagingFaces([WHOLE], people, None, seed=1, size=64)
    shown, sample = plain.read(5)
    pixels = np.asarray(Image.open(sample.companion), np.float32).transpose(2, 0, 1) / 127.5 - 1
    assert np.allclose(shown[1], pixels, atol=1e-6)


def test_an_unreadable_picture_is_named_once_and_replaced(tmp_path, capsys):
    people = read_people(make_people(tmp_path, 2))
    broken = people[0].pictures[45]
    broken.write_bytes(b"no picture")
    faces = ReagingFaces([WHOLE], people, None, seed=1, size=32)
    read = [faces.read(position)[1] for position in range(20)]
    assert all(broken not in (sample.source, sample.companion) for sample in read)
    assert list(faces.bad) == [broken]
    assert capsys.readouterr().err.count(str(broken)) == 1
    for path in people[1].pictures.values():
        path.write_bytes(b"")
    for path in people[0].pictures.values():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="in a row cannot be read"):
        faces.read(0)


PLAIN = View((0, 0, 1, 1), False, 1.0, False, np.ones((3, 1, 1)), np.zeros((3, 1, 1)), 0.0, None)


def test_a_view_cuts_mirrors_and_colours():
    ramp = np.tile(np.arange(64, dtype=np.uint8)[None, :, None] * 4, (64, 1, 3))
    ramp[..., 2] = 0
    picture = Image.fromarray(ramp)
    x = show(picture, PLAIN, 64)
    assert np.allclose(x, ramp.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)
    changed = View(
        (0.5, 0, 1, 0.5),
        True,
        1.0,
        False,
        np.full((3, 1, 1), 0.5),
        np.full((3, 1, 1), 0.1),
        0.0,
        None,
    )
    part = show(picture, changed, 32)
    assert np.allclose(part, 0.5 * x[:, :32, 32:][:, :, ::-1] + 0.1, atol=1e-6)
    grey = show(
        picture, View((0, 0, 1, 1), False, 1.0, True, PLAIN.gain, PLAIN.shift, 0.0, None), 64
    )
    assert np.allclose(grey, (0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]), atol=1e-5)


def test_a_crop_shows_the_scale_of_use_and_a_whole_face_all_of_it():
    rng = np.random.default_rng(0)
    for whole, least, most in ((False, 0.85 / 2, 1.2 / 2), (True, 0.9, 1.0)):
        views = [draw_view(rng, 256, whole, True) for _ in range(200)]
        sides = [view.box[2] - view.box[0] for view in views]
        assert least <= min(sides) < max(sides) <= most
        assert all(0 <= min(view.box) and max(view.box) <= 1 for view in views)
        assert {view.mirrored for view in views} == {True, False}
        assert any(view.quality for view in views) and any(view.noise for view in views)
    clean = [draw_view(rng, 256, True, False) for _ in range(50)]
    assert not any(view.noise or view.quality for view in clean)


def test_noise_and_jpeg_change_a_picture_a_little():
    x = show(
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)), PLAIN, 32
    )
    rng = np.random.default_rng(1)
    assert not spoil(x, PLAIN, rng).any()
    noisy = View((0, 0, 1, 1), False, 1.0, False, PLAIN.gain, PLAIN.shift, 0.05, None)
    assert np.std(spoil(x, noisy, rng)) == pytest.approx(0.05, rel=0.05)
    packed = View((0, 0, 1, 1), False, 1.0, False, PLAIN.gain, PLAIN.shift, 0.0, 40)
    assert 0.01 < np.abs(spoil(x, packed, rng)).mean() < 0.5


@pytest.mark.parametrize("kind", covers.KINDS)
def test_the_same_thing_lies_before_both_pictures_of_a_pair(kind, monkeypatch):
    monkeypatch.setattr(covers, "SHARE", 1.0)
    monkeypatch.setattr(covers, "ODDS", [float(kind == other) for other in covers.KINDS])
    black, white = (Image.new("RGB", (128, 128), colour) for colour in ("black", "white"))
    rng = np.random.default_rng(3)
    pictures = [np.asarray(p, float) for p in covers.cover([black, white], lambda: white, rng)]
    seen = (pictures[1] - pictures[0]).mean(axis=2) / 255  # of what lies behind the thing
    assert 0.004 < (1 - seen).mean() < 0.6
    covered = seen < 0.4
    assert covered.any() and (seen > 0.99).any()


def test_most_pairs_have_nothing_before_them():
    plain, rng = Image.new("RGB", (32, 32)), np.random.default_rng(0)
    changed = sum(covers.cover([plain], lambda: plain, rng)[0] is not plain for _ in range(400))
    assert changed / 400 == pytest.approx(covers.SHARE, abs=0.08)

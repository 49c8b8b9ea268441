"""The reader of ages and genders: its fit on made-up people, and what it reads from real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from work.configs.target_age import Target
from work.datasets.images import read_image
from work.datasets.transforms import to_input, to_picture
from work.errors import UserError
from work.faces.align import align
from work.faces.aligned import AlignedFace
from work.faces.detect import FaceDetector
from work.inference.embedded.model import load_embedded
from work.models.age_gender import COUNTS, N_FEATURES
from work.models.face_chip import face_chip
from work.training.embedded.fit_reader import RACES, TRUE_AGES, fit_races, fit_reader, load_people

DATA = Path(__file__).parents[1] / "data"
PORTRAITS = {"03.jpg": (60, False), "07.jpg": (57, True), "15.jpg": (58, True)}  # as people guess


def test_linear_ages_genders_and_races_are_found_again(tmp_path, capsys):
    rng = np.random.default_rng(0)
    age, male = rng.integers(0, 91, 600).astype(float), rng.integers(0, 2, 600) == 1
    x = rng.normal(0, 0.05, (600, N_FEATURES))
    x[:, : COUNTS[0]] += age[:, None] / 50
    x[:, COUNTS[0] : sum(COUNTS[:2])] = np.arange(81) >= age[:, None]  # the small network is right
    x[:, -COUNTS[-1] :] += male[:, None]
    race = rng.integers(-1, 5, 600)
    x[:, : len(RACES)] += 3.0 * (race[:, None] == np.array(RACES))
    soft = x + rng.normal(0, 0.01, x.shape)
    np.savez(tmp_path / "people_000.npz", X=x, XA=soft, age=age, male=male, race=race)
    people = load_people(tmp_path)
    reader = fit_reader(people)
    read = (x - reader["reader.mean"]) @ reader["reader.weight"] + reader["reader.bias"]
    assert np.abs(read[:, 0] - age).mean() < 1.5
    assert (np.sign(read[:, 1]) == np.where(male, 1, -1)).all()
    known = TRUE_AGES[2:-3]
    np.testing.assert_allclose(reader["reader.median"][2:-3], known, atol=3)
    weight, constant = fit_races(people)
    scores = (x - people.mean) @ weight + constant
    assert ((scores > 0) == (race[:, None] == np.array(RACES))).mean() > 0.99
    printed = capsys.readouterr().out
    assert "600 people" in printed and "races right" in printed


def test_without_people_there_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="run read_people first"):
        load_people(tmp_path)


@pytest.fixture(scope="module")
def model(fetched):
    return load_embedded(0)


@pytest.fixture(scope="module")
def portraits(fetched):
    """Aligned faces [1, 3, 256, 256] of PORTRAITS, with what these say."""
    detector, found = FaceDetector(), []
    for name, known in PORTRAITS.items():
        photo = read_image(DATA / name)
        face = to_input(align(photo, detector(photo).landmarks[0]).image)
        found.append((paddle.to_tensor(face[None]), *known))
    return found


def test_the_shipped_reader_reads_people(model, portraits):
    """Three portraits, within twelve years: twice the reader's mean error."""
    for face, age, male in portraits:
        chips = face_chip(face)
        with paddle.no_grad():
            years, gender, embedding = model.reader(chips)
            expected = model.inverter.identity.embed(face)
            alone = model.reader.networks[0].age.predict_age(face)
        assert abs(years[0, 0].item() - age) < 12
        np.testing.assert_allclose(years[:, 1].numpy(), alone.numpy(), atol=1e-3)
        assert (gender.item() > 0) == male
        np.testing.assert_array_equal(embedding.numpy(), expected.numpy())


def test_relative_targets_start_where_the_model_finds_the_face(model, portraits):
    """The small network takes some people for much younger than the calibration does: "+20" then changed nothing."""
    for face, age, _ in portraits[:2]:
        encoded = model.encode([AlignedFace(to_picture(face[0].numpy()))])
        assert abs(model.ages(encoded)[0] - age) < 12
        years = [model.target_years(encoded, Target(text)) for text in ("-15", "+0", "+15")]
        steps = [encoded[0].calibration.step(float(target)) for target in years]
        assert steps[0] < -8 and abs(steps[1]) < 10 and steps[2] > 20
        found = [
            float(model.target_years(encoded, Target(f"{years:+d}"))) for years in range(-25, 26, 5)
        ]
        assert (np.diff(found) > 0).all()
        own = model.ages(encoded)[0]
        assert found[0] == pytest.approx(own - 25, abs=1e-3)
        assert found[-1] == pytest.approx(own + 25, abs=1e-3)
    assert float(model.target_years(encoded, Target("70"))) == 70

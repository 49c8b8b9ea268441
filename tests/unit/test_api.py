"""The Python API, and what a further ageing model needs."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import paddle
import pytest
from PIL import Image, ImageCms

from tests.unit.toy_ager import Brightener, TwoFaces
from work import Ager, save_image
from work.configs.target_age import Target
from work.errors import UserError
from work.faces.align import crop_matrix
from work.faces.aligned import AlignedFace
from work.inference import photos as photo_flow


@pytest.fixture
def ager(monkeypatch):
    monkeypatch.setattr(photo_flow, "load_model", lambda options: Brightener())
    monkeypatch.setattr(photo_flow, "FaceDetector", TwoFaces)
    return Ager()


@pytest.fixture
def photo():
    return Image.new("RGB", (140, 100), (60, 60, 60))


def test_a_photo_is_aged_by_path_picture_or_array(ager, photo, tmp_path):
    photo.save(tmp_path / "me.png")
    aged = np.asarray(ager.photo(photo, 100))
    assert aged.shape == (100, 140, 3) and aged.max() == 255 and (aged == 60).mean() > 0.2
    for same in (str(tmp_path / "me.png"), tmp_path / "me.png", np.asarray(photo)):
        assert (np.asarray(ager.photo(same, 100)) == aged).all()
    assert ager.model.learned == 2  # each face once


def test_a_picture_is_turned_as_its_exif_says(ager):
    sideways = Image.new("RGB", (100, 140), (60, 60, 60))
    exif = sideways.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    data = io.BytesIO()
    sideways.save(data, "JPEG", exif=exif)
    assert ager.photo(Image.open(data), 50).size == (140, 100)


def test_ages_may_be_relative_and_one_for_each_face(ager, photo):
    assert ager.ages(photo) == [40.0, 40.0]
    same = np.asarray(ager.photo(photo, "+10"))
    assert (same == np.asarray(ager.photo(photo, 50))).all()
    left = np.asarray(ager.photo(photo, [100]))  # the face on the right stays
    assert left[:, :55].max() == 255 and (left[:, 90:] == 60).all()
    with pytest.raises(UserError, match="3 target ages for 2 faces"):
        ager.photo(photo, [1, 2, 3])
    assert (np.asarray(ager.photo(photo, "100,+10")) != np.asarray(ager.photo(photo, 100))).any()
    with pytest.raises(UserError, match="--target_age 130"):
        ager.photo(photo, 130)
    with pytest.raises(UserError, match="uint8"):
        ager.photo(np.zeros((8, 8)), 30)


def test_relative_ages_are_the_models_to_count(ager, photo, monkeypatch):
    """The embedded one counts "+0" from what it reads of the face it can draw, so that nothing changes."""
    monkeypatch.setattr(Brightener, "target_years", lambda self, encoded, target: paddle.ones([1]))
    assert (np.asarray(ager.photo(photo, "+30")) == np.asarray(ager.photo(photo, 1))).all()
    assert np.asarray(ager.lifespan(photo, ["+30"])[0]).max() == 3  # 1 / 50 - 1 of [-1, 1]


def test_words_that_no_option_knows():
    for wrong in ({"method": "fgan"}, {"engine": "onnx"}, {"blend": "composit"}, {"model": "sam"}):
        with pytest.raises(UserError, match=f"--{[*wrong][0]} .*: one of "):
            Ager(**wrong)


def test_a_lifespan_and_a_film(ager, photo, tmp_path):
    young, old = ager.lifespan(photo, [0, 100])
    assert young.size == (32, 32) and np.asarray(young).max() == 0 and np.asarray(old).min() == 255
    out = ager.film(photo, tmp_path / "me.gif", ages=(0, 100), seconds=0.8, fps=10, size=16)
    with Image.open(out) as film:
        assert film.n_frames == 8 and film.size == (16, 16)
    for wrong in ({"ages": (50,)}, {"seconds": 0}, {"size": 101}, {"fps": 0}, {"easing": "soft"}):
        with pytest.raises(UserError, match="--"):
            ager.film(photo, out, **wrong)


def test_numbers_of_numpy_are_ages_too(ager, photo):
    same = np.asarray(ager.photo(photo, 70))
    for age in (np.int64(70), np.float32(70), [np.int64(70), 70.0]):
        assert (np.asarray(ager.photo(photo, age)) == same).all()
    assert len(ager.lifespan(photo, np.arange(20, 80, 20))) == 3
    with pytest.raises(UserError, match="is empty"):
        ager.photo(photo, [])


def test_pictures_are_written_with_their_photos_profile(ager, photo, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo.save(tmp_path / "me.png", icc_profile=profile)
    for name, picture in (
        ("whole", ager.photo(tmp_path / "me.png", 70)),
        ("face", ager.lifespan(tmp_path / "me.png", [70])[0]),
    ):
        with Image.open(save_image(picture, tmp_path / f"{name}.jpg")) as written:
            assert written.info["icc_profile"] == profile


def test_only_the_last_photos_are_remembered(ager, photo):
    for level in range(6):
        ager.ages(Image.new("RGB", photo.size, (level, 0, 0)))
    ager.ages(Image.new("RGB", photo.size, (5, 0, 0)))
    assert ager.model.learned == 12
    ager.ages(Image.new("RGB", photo.size, (0, 0, 0)))
    assert ager.model.learned == 14


def test_who_was_not_asked_for_stays_in_a_film(ager, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "work.video.film.age_film", lambda film, path, options, model: asked.append(options)
    )
    ager.video("a.mp4", "b.mp4")
    ager.video("a.mp4", "b.mp4", person="2=60")
    ager.video("a.mp4", "b.mp4", 30, person="2=60")
    found = [[options.target_of(number) for number in (1, 2)] for options in asked]
    assert [[t and t.text for t in two] for two in found] == [
        ["70", "70"],
        [None, "60"],
        ["30", "60"],
    ]


def test_a_film_of_one_age_is_refused(ager, photo, tmp_path):
    with pytest.raises(UserError, match="is one age for this face"):
        ager.film(photo, tmp_path / "film.gif", ["+0", "40"])
    assert not list(tmp_path.iterdir())


def test_options_that_would_do_nothing_are_refused():
    with pytest.raises(TypeError, match="takes no target_age"):
        Ager(target_age=30)


def test_a_model_that_knows_no_ages_is_refused(ager, photo, monkeypatch):
    monkeypatch.setattr(Brightener, "knows_age", False)
    with pytest.raises(UserError, match="is a pSp checkpoint, which knows no ages"):
        ager.photo(photo, 70)


@pytest.mark.parametrize("options, looked_for", [({}, None), ({"smallest": 10}, 10)])
def test_the_detector_looks_for_faces_as_small_as_asked(ager, options, looked_for):
    finder = Ager(**options)._ager
    assert finder.detector.smallest == looked_for
    assert (
        finder.no_face(Image.new("RGB", (9, 9)))
        == f"no face of {looked_for or 32} px or more found"
    )


def test_a_model_without_a_generator_says_so():
    model = Brightener()
    for call in (lambda: model.render(None), lambda: model.invert(None), lambda: model.codes(0, 0)):
        with pytest.raises(UserError, match="no generator"):
            call()
    encoded = model.encode([AlignedFace(Image.new("RGB", (9, 9)))])
    assert float(model.target_years(encoded, Target("+20"))) == 60
    assert model.frames(encoded, [0, 100])(np.array([0.0, 50.0])).shape == [2, 3, 32, 32]


def test_an_aligned_face_knows_its_corners():
    face = AlignedFace(Image.new("RGB", (20, 10)))
    np.testing.assert_allclose(crop_matrix(face.corners(), 10)[:2, :2], [[2, 0], [0, 1]])


def test_importing_the_package_does_not_import_paddle():
    code = "import sys; from work import Ager; Ager(refine=0); print('paddle' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_small_faces_are_left_out_and_the_largest_is_chosen(ager, photo, monkeypatch):
    def small_and_large(self, photo):
        found = TwoFaces.__call__(self, photo)
        middle = found.landmarks[1].mean(axis=0)
        found.landmarks[1] = middle + 0.6 * (found.landmarks[1] - middle)  # the one on the left
        found.boxes[1] = [20, 32, 44, 68]
        return found

    detector = type("SmallAndLarge", (TwoFaces,), {"__call__": small_and_large})
    monkeypatch.setattr(photo_flow, "FaceDetector", detector)
    assert len(Ager().ages(photo)) == 1  # 24 px are below the 32 of --smallest
    assert len(Ager(smallest=20).ages(photo)) == 2
    assert Ager(smallest=20)._largest(photo).face.corners()[0, 0] > 40
    one = np.asarray(Ager(smallest=20, largest=True).photo(photo, 100))
    assert (one[:, :40] == 60).all() and one[:, 80:].max() == 255

"""lifespan_video.py on real files, as a user calls it."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from PIL import Image

from tests.unit.test_film import decoded
from work.datasets.images import save_image
from work.datasets.transforms import to_picture
from work.errors import run
from work.faces.align import ffhq_quad
from work.faces.aligned import AlignedFace, FaceReader
from work.inference import films
from work.inference.model import AgeRefused
from work.scripts import lifespan_video


@pytest.fixture
def model(light_model, monkeypatch):
    monkeypatch.setattr(films, "load_model", lambda options: light_model)
    return light_model


def film(*words) -> int:
    flags = ["--film_size=16", "--fps=10", "--no_crop"]
    return run(lambda: lifespan_video.main(flags + [str(word) for word in words]))


def test_a_film_there_and_back(model, photos, tmp_path):
    out = tmp_path / "c.gif"
    flags = ("--target_age=10,90", "--seconds=1", "--easing=linear", "--batch_size=3")
    assert film(photos / "c.png", out, "--side_by_side", *flags) == 0
    frames = decoded(out).astype(int)
    assert frames.shape == (10, 16, 32, 3)
    for index in range(1, 5):  # a palette per frame, so equal frames are equal
        assert (frames[index] == frames[10 - index]).all()
    assert np.abs(frames[:, :, :16] - frames[:1, :, :16]).mean() < 8  # the input stays
    face = AlignedFace(Image.open(photos / "c.png"))
    encoded = model.encode([face])
    for index, age in ((0, 10.0), (5, 90.0)):
        image = model.transform(encoded, paddle.to_tensor([age]))
        expected = to_picture(image[0].numpy()).resize((16, 16), Image.Resampling.LANCZOS)
        assert np.abs(frames[index, :, 16:] - np.asarray(expected, int)).mean() < 8
    assert np.abs(frames[0] - frames[5]).mean() > 3


def test_a_folder_of_films(model, photos, tmp_path, capsys):
    flags = ("--target_age=10,90", "--seconds=0.5", "--caption", "--no-back", "--format=webp")
    assert film(photos, tmp_path / "films", *flags) == 1  # two of five files are no pictures
    assert "broken.jpg" in capsys.readouterr().err
    names = sorted(path.name for path in (tmp_path / "films").iterdir())
    assert names == ["a.webp", "b.webp", "c.webp"]
    assert len(decoded(tmp_path / "films/b.webp")) == 5


def test_a_face_that_the_model_refuses_is_named_and_the_films_below_are_no_photos(
    model, photos, tmp_path, capsys, monkeypatch
):
    def draw(ages):
        raise AgeRefused("too young")

    real, drawn = model.frames, iter([draw])
    monkeypatch.setattr(model, "frames", lambda *args: next(drawn, None) or real(*args))
    flags = ("--target_age=10,90", "--seconds=0.4", "--format=webp")
    assert film(photos, photos / "films", *flags) == 1
    assert "a.png: too young" in capsys.readouterr().err
    assert film(photos, photos / "films", *flags) == 1
    assert "3 films done" in capsys.readouterr().out
    assert sorted(path.name for path in (photos / "films").rglob("*")) == [
        "a.webp",
        "b.webp",
        "c.webp",
    ]


def test_from_one_face_to_another(model, photos, tmp_path):
    out = tmp_path / "ac.mp4"
    flags = ("--interpolate", "--seconds=0.7", "--no-back", "--easing=linear")
    assert film(*flags, photos / "a.png", photos / "c.png", out) == 0
    frames = decoded(out, (16, 16)).astype(int)
    assert len(frames) == 7
    for index, name in ((0, "a.png"), (6, "c.png")):
        face = AlignedFace(Image.open(photos / name).convert("RGB"))
        image = model.render(model.invert(face.tensor()))
        expected = to_picture(image[0].numpy()).resize((16, 16), Image.Resampling.LANCZOS)
        difference = frames[index] - np.asarray(expected, int)  # 4:2:0 keeps brightness, not colour
        assert np.abs(difference @ [0.2126, 0.7152, 0.0722]).mean() < 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.png",), "IN and OUT are needed; 1 paths"),
        (("nowhere.png", "out.mp4"), "nowhere.png"),
        (("a.png", "out.avi"), ".mp4, .gif, .webp"),
        (("a.png", "out.mp4", "--format=gif"), "--format gif"),
        (("a.png", "out.gif", "--fps=51"), "--fps 51"),
        (("sub", "out.mp4"), "OUT is a folder"),
        (("--interpolate", "a.png", "out.mp4"), "two photos and OUT"),
        (("--interpolate", "a.png", "c.png", "out.mp4", "--caption"), "--caption is for ageing"),
        (("--interpolate", "a.png", "broken.jpg", "out.mp4"), "broken.jpg"),
        (("a.png", "out.mp4", "--target_age=old"), "--target_age old"),
    ],
)
def test_films_name_mistakes_in_one_line(model, words, said, photos, capsys, monkeypatch):
    monkeypatch.chdir(photos)
    save_image(Image.new("RGB", (64, 64)), photos / "sub/d.png")
    assert film(*words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and error.startswith("error: ") and "\n" not in error


def test_no_face_is_said(model, photos, tmp_path, capsys, fetched):
    fetched("mtcnn")
    save_image(Image.new("RGB", (90, 90), "green"), photos / "green.png")
    with pytest.raises(Exception, match="no face found"):
        FaceReader()(photos / "green.png")
    words = [str(photos / "green.png"), str(tmp_path / "green.mp4")]
    assert run(lambda: lifespan_video.main(words)) == 2
    assert "green.png: no face found" in capsys.readouterr().err
    assert not (tmp_path / "green.mp4").exists()


def test_the_crop_knows_where_the_photo_ends(portraits, detector):
    wide = portraits[0].crop((0, 60, *portraits[0].size))  # the face reaches the upper border
    landmarks = detector(wide).landmarks[0]
    face = AlignedFace(wide, ffhq_quad(landmarks))
    valid = face.coverage(64)
    assert set(np.unique(valid)) == {0.0, 1.0}
    assert valid[0].max() == 0 and valid[32, 32] == 1 and 0.4 < valid.mean() < 1
    corner, down, _, across = face.quad
    for x, y in ((5, 3), (32, 20), (60, 14), (2, 40), (31, 13), (31, 16)):
        at = corner + (across - corner) * (x + 0.5) / 64 + (down - corner) * (y + 0.5) / 64
        assert valid[y, x] == ((at >= 0).all() and (at < wide.size).all()), (x, y)


@pytest.mark.parametrize("words", [["me.webp", "me.webp"], [".", ".", "--format=webp"]])
def test_photos_are_not_replaced_by_films(model, tmp_path, capsys, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64)).save("me.webp")
    before = (tmp_path / "me.webp").read_bytes()
    assert film(*words) == 2
    assert film("--interpolate", "me.webp", "me.webp", "me.webp") == 2
    assert capsys.readouterr().err.count("is one of the photos and would be replaced") == 2
    assert (tmp_path / "me.webp").read_bytes() == before

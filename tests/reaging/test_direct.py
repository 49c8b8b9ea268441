"""The direct model: the photo plus a difference within the person, put back with all of the photo's detail."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
import skimage.data
from PIL import Image

from tests.unit.toy_ager import Brightener
from work.configs.options import ModelChoice
from work.configs.photo_options import PhotoOptions
from work.errors import UserError, run
from work.faces.aligned import AlignedFace
from work.faces.paste import NewFace, paste
from work.inference import direct, load
from work.inference.direct import OLDEST, SIZE, SMALL, YOUNGEST, DirectModel
from work.inference.skin_tone import cheek_luma
from work.models.checkpoint import save_checkpoint
from work.models.reaging.nominal import NominalAges
from work.models.reaging.unet import ReagingNet
from work.scripts.age_photo import main

KEEP_TONE = direct.keep_tone


@pytest.fixture(autouse=True)
def tone_may_change(monkeypatch):
    """Toys redden faces; tests/reaging/test_skin_tone.py looks at what is done against that."""
    monkeypatch.setattr(direct, "keep_tone", lambda photos, changes: changes)


class Grow(paddle.nn.Layer):
    """Adds the years, in centuries, to the red channel."""

    def forward(self, faces, own, target):
        change = paddle.zeros_like(faces)
        change[:, 0] = ((target - own) / 100).reshape([-1, 1, 1])
        return change


def left_half(pictures):
    matte = paddle.zeros([len(pictures), 1, *pictures.shape[2:]])
    matte[:, :, :, : pictures.shape[3] // 2] = 1.0
    return matte


def model(**changes) -> DirectModel:
    parts = {
        "net_at": lambda size: Grow(),
        "read_age": lambda photo: 40.0,
        "matte": left_half,
        **changes,
    }
    return DirectModel(**parts)


def face(colours=(60, 90, 120), side=SIZE) -> AlignedFace:
    return AlignedFace(Image.new("RGB", (side, side), colours))


def aged(ager: DirectModel, target: float, *faces: AlignedFace) -> np.ndarray:
    encoded = ager.encode(faces or [face()])
    return ager.transform(encoded, paddle.full([len(encoded)], target)).numpy()


def test_the_difference_is_added_where_there_is_a_person():
    before, after = face().values(SIZE), aged(model(), 70.0)[0]
    change = after - before
    assert np.allclose(change[0, :, : SIZE // 2], 0.3, atol=1e-6)
    assert not change[1:].any() and not change[:, :, SIZE // 2 :].any()


@pytest.mark.parametrize("strength, change", [(0.0, 0.0), (0.5, 0.15), (1.5, 0.45)])
def test_strength_scales_the_difference(strength, change):
    before, after = face().values(SIZE), aged(model(strength=strength), 70.0)[0]
    assert np.allclose((after - before)[0, :, 0], change, atol=1e-6)


def test_grey_photos_stay_grey():
    after = aged(model(), 70.0, face((90, 90, 90)))[0]
    assert np.allclose(after[0], after[1]) and np.allclose(after[0], after[2])
    assert after[0, 0, 0] - after[0, 0, -1] == pytest.approx(0.299 * 0.3, abs=1e-5)


def test_each_face_has_its_own_target_and_age():
    ages = iter([40.0, 60.0])
    ager = model(read_age=lambda photo: next(ages))
    encoded = ager.encode([face(), face()])
    assert ager.ages(encoded) == [40, 60]
    pictures = ager.transform(encoded, paddle.to_tensor([50.0, 50.0]), resize=True)
    assert pictures.shape == [2, 3, 256, 256]
    before = face().values(256)[0, 0, 0]
    assert np.allclose(pictures.numpy()[:, 0, 0, 0] - before, [0.1, -0.1], atol=1e-6)


def test_children_are_refused_and_the_oldest_are_as_old_as_it_gets():
    with pytest.raises(UserError, match="target age 10: .*--model embedded makes children"):
        aged(model(), 10.0)
    assert np.array_equal(aged(model(), OLDEST), aged(model(), 100.0))
    child = model(read_age=lambda photo: 3.0)
    assert np.array_equal(aged(child, YOUNGEST)[0], face().values(SIZE))


def test_an_untrained_network_changes_nothing_in_a_photo():
    photo = Image.fromarray(skimage.data.astronaut()).crop((150, 0, 330, 180)).resize((700, 700))
    quad = np.array([[60.0, 50], [60, 640], [650, 640], [650, 50]])
    at = AlignedFace(photo, quad)
    net = ReagingNet(widths=(4, 4, 8, 8), depth=1)
    ager = model(net_at=lambda size: net)
    picture = Image.fromarray(
        ((aged(ager, 70.0, at)[0].transpose(1, 2, 0) + 1) * 127.5).round().astype(np.uint8)
    )
    assert np.array_equal(paste(photo, [NewFace(picture, quad, additive=True)]), photo)


def test_detail_that_the_network_never_saw_survives_a_strong_change():
    """A replaced face loses it, since it may be a ghost of what is gone."""
    rng = np.random.default_rng(0)
    fine = (120 + 40 * (rng.integers(0, 2, (1000, 1000, 1)) - 0.5)).repeat(3, 2).astype(np.uint8)
    photo = Image.fromarray(fine)
    quad = np.array([[50.0, 50], [50, 950], [950, 950], [950, 50]])
    seen = AlignedFace(photo, quad).picture(SIZE)
    older = seen.point(lambda value: min(255, value + 60))
    middle = np.s_[400:600, 400:600]
    for additive, least, most in ((True, 0.95, 1.05), (False, 0.0, 0.5)):
        pasted = np.asarray(paste(photo, [NewFace(older, quad, additive)]), float)[middle]
        assert pasted.mean() - fine[middle].mean() == pytest.approx(60, abs=1)
        assert least < pasted.std() / fine[middle].std() < most


def test_a_difference_reaches_the_crops_border_softly():
    photo = Image.new("RGB", (600, 600), (100, 100, 100))
    quad = np.array([[100.0, 100], [100, 500], [500, 500], [500, 100]])
    lighter = Image.new("RGB", (SIZE, SIZE), (150, 150, 150))
    change = np.asarray(paste(photo, [NewFace(lighter, quad, additive=True)]), float)[..., 0] - 100
    assert change[300, 160] == 50 and change[160, 160] == 50  # corners too, unlike the head mask
    assert not change[:100].any() and not change[:, 500:].any()
    assert np.abs(np.diff(change, axis=1)).max() <= 2


def options(**flags) -> ModelChoice:
    return ModelChoice(device="cpu", **flags)


def test_the_model_is_chosen_by_name_or_by_its_weights(tmp_path, monkeypatch):
    net = ReagingNet(seed=1)
    (tmp_path / "run").mkdir()
    file = tmp_path / "run" / "reaging.pdparams"
    arrays = {f"reager.{name}": value for name, value in net.state_dict().items()}
    save_checkpoint(file, "reaging", arrays, None, {})
    monkeypatch.setattr(direct, "load_person_reader", lambda fitted: lambda photo: 40.0)
    for flags in ({}, {"model": "direct"}):
        for path in (file, file.parent):
            flags = {"engine": "paddle", **flags}
            loaded = load.load_model(options(checkpoint_path=str(path), strength=0.5, **flags))
            assert isinstance(loaded, DirectModel) and loaded.strength == 0.5
    assert np.array_equal(loaded.net_at(SIZE).told.weight, net.told.weight)


def test_without_weights_one_line_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(direct, "SHIPPED", tmp_path / "none.pdparams")
    photo = tmp_path / "me.png"
    face().photo.save(photo)
    assert run(lambda: main([str(photo), "--model=direct", "--device=cpu"])) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error and "train_reaging" in error and "--checkpoint_path" in error


def test_flags_that_do_not_go_together_are_refused(monkeypatch):
    with pytest.raises(UserError, match="--strength lies between"):
        options(model="direct", strength=2.0)
    with pytest.raises(UserError, match="--model embedded does not go with --checkpoint_path"):
        options(model="embedded", checkpoint_path="sam.pdparams")
    for name in ("direct", "embedded"):
        with pytest.raises(UserError, match=f"--model {name} does not go with --method"):
            options(model=name, method="fa-gan")
    monkeypatch.setattr(load, "_load", lambda options: Brightener())
    with pytest.raises(UserError, match="--strength 0.5 is for the direct model"):
        load.load_model(options(strength=0.5))
    assert isinstance(load.load_model(PhotoOptions(device="cpu")), Brightener)


def test_the_network_is_asked_for_nominal_ages():
    table = NominalAges(np.array([40.0]), np.array([20.0, 80.0]), np.array([[20.0, 110.0]]))
    before, after = face().values(SIZE), aged(model(nominal=table), 80.0)[0]
    assert np.allclose((after - before)[0, :, 0], 1.5 * 0.45, atol=1e-6)  # 85 years, 1.5 times


def test_small_faces_of_films_are_drawn_small():
    ager = model()
    assert [ager.for_size(pixels).output_size for pixels in (40, SMALL, SMALL + 1, 900)] == [
        SMALL,
        SMALL,
        SIZE,
        SIZE,
    ]
    small = ager.for_size(100)
    picture = aged(small, 60.0)
    assert picture.shape == (1, 3, SMALL, SMALL)
    assert np.allclose(picture, aged(ager, 60.0)[:, :, ::2, ::2], atol=1e-6)


def test_skin_keeps_its_tone(monkeypatch):
    class Darker(paddle.nn.Layer):
        def forward(self, faces, own, target):
            return paddle.full_like(faces, -0.3)

    monkeypatch.setattr(direct, "keep_tone", KEEP_TONE)
    everywhere = lambda pictures: paddle.ones([len(pictures), 1, *pictures.shape[2:]])  # noqa: E731
    ager = model(net_at=lambda size: Darker(), matte=everywhere)
    encoded = ager.encode([face((150, 120, 100))])
    after = cheek_luma(ager.transform(encoded, paddle.full([1], 70.0)))
    assert float(after) == pytest.approx(float(cheek_luma(encoded[0].photo)), rel=0.05)


def test_hair_that_only_the_aged_head_has_is_shown():
    mattes = iter([paddle.zeros([1, 1, SIZE, SIZE]), paddle.ones([1, 1, SIZE, SIZE])])
    ager = model(matte=lambda pictures: next(mattes))
    encoded = ager.encode([face()])
    change = ager.transform(encoded, paddle.full([1], 70.0)) - encoded[0].photo
    assert float(change.abs().max()) > 0.1

"""The baselines as ageing models: which network is asked, what is drawn where, and clear refusals."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from PIL import Image

from work.configs.age_groups import parse_groups
from work.configs.kinds import GANS
from work.configs.options import TestOptions
from work.errors import UserError, run
from work.faces.align import UTKFACE_TEMPLATE, align
from work.faces.aligned import AlignedFace
from work.inference.baselines import OUTPUT, Choice, choose, crop_box, load_baseline
from work.inference.load import load_model
from work.models.age_v1 import AgeV1
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.models.cyclegan.cyclegan import CycleGAN

GROUPS = parse_groups("coarse")
PAIRS = ["00-20_20-40", "00-20_40-60", "00-20_60+", "20-40_40-60", "20-40_60+", "40-60_60+"]


@pytest.mark.parametrize(
    "years, expected",
    [
        (0, Choice("fa", "older")),
        (10, Choice("fa", "older")),
        (19, Choice("fa", "older")),
        (20, Choice("20-40_40-60", "older")),
        (30, Choice("20-40_60+", "older")),
        (40, Choice("20-40_60+", "older")),
        (-10, Choice("fa", "younger")),
        (-19, Choice("fa", "younger")),
        (-20, Choice("00-20_20-40", "younger")),
        (-30, Choice("00-20_20-40", "younger")),
    ],
)
def test_f_gan_is_fa_gan_below_20_years_and_group_gan_from_there_on(years, expected):
    assert choose("f-gan", 35, 35 + years, GROUPS, ["fa", *PAIRS]) == expected


def test_f_gan_asks_fa_gan_where_no_pair_was_trained():
    assert choose("f-gan", 62, 88, GROUPS, ["fa", *PAIRS]).run == "fa"  # both are 60+
    assert choose("f-gan", 35, 60, GROUPS, ["fa", "00-20_20-40"]).run == "fa"
    assert choose("f-gan", 25, 75, parse_groups("fine"), ["fa", "30-40_60-70"]).run == "fa"


def test_group_gan_goes_from_group_to_group():
    assert choose("group-gan", 30, 70, GROUPS, PAIRS) == Choice("20-40_60+", "older")
    assert choose("group-gan", 70, 30, GROUPS, PAIRS) == Choice("20-40_60+", "younger")
    assert choose("group-gan", 22, 38, GROUPS, PAIRS).run is None
    with pytest.raises(
        UserError, match="no network leads from 20-40 to 40-60; trained are 20-40_60"
    ):
        choose("group-gan", 30, 50, GROUPS, ["fa", "20-40_60+"])
    with pytest.raises(UserError, match="25 is outside all age groups"):
        choose("group-gan", 25, 65, parse_groups("fine"), ["30-40_60-70"])


def save(path, runs, **changes):
    """Generators as train_cyclegan.py leaves them, random ones; those of the bias alone if `bias` is given."""
    bias = changes.pop("bias", None)
    arrays = {}
    for name in runs:
        net = CycleGAN(2, 2, 1, conditioned=name == "fa", residual=True)
        for direction, sign in (("older", 1), ("younger", -1)):
            state = getattr(net, direction).state_dict()
            arrays.update({f"{name}/{direction}.{k}": v.numpy() for k, v in state.items()})
            if bias is not None:
                last = f"{name}/{direction}.last"
                arrays[f"{last}.weight"] = arrays[f"{last}.weight"] * 0
                arrays[f"{last}.bias"] = np.full(3, sign * bias, np.float32)
    opts = dict(
        size=64, ngf=2, blocks=1, residual=True, crop="utkface", groups="coarse", age_net="age_v1"
    )
    save_checkpoint(
        path, GANS, arrays, None, {**opts, "oldest": 85.0, "runs": list(runs), **changes}
    )
    return path


@pytest.fixture
def face():
    pixels = np.random.default_rng(0).integers(60, 190, (8, 8, 3), np.uint8)
    return AlignedFace(Image.fromarray(pixels).resize((300, 300), 3))


def test_the_crop_is_utkfaces():
    """A UTKFace crop that is aligned as FFHQ is, and cropped again, is where it was."""
    left, top, right, bottom = crop_box("utkface")
    pixels = np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)
    picture = Image.fromarray(pixels).resize((200, 200), 3)
    aligned = align(picture, UTKFACE_TEMPLATE * 200, 304).image
    box = (left * 304, top * 304, right * 304, bottom * 304)
    again = aligned.resize((200, 200), Image.Resampling.BILINEAR, box=box)
    inner = np.s_[10:-10, 10:-10]
    assert np.abs(np.asarray(again, float)[inner] - np.asarray(picture, float)[inner]).mean() < 2


def test_only_the_crop_changes_and_all_of_the_photos_detail_stays(tmp_path, face):
    model = load_baseline(save(tmp_path / "g.pdparams", ["fa"], bias=0.2))
    encoded = model.encode([face])
    target = paddle.to_tensor([encoded.ages[0] + 10])
    older = model.transform(encoded, target)
    assert older.shape == [1, 3, OUTPUT, OUTPUT]
    change = (older - encoded.photos).numpy()[0]
    left, top, right, bottom = (round(edge * OUTPUT) for edge in crop_box("utkface"))
    assert (
        np.abs(change[:, top + 45 : bottom - 45, left + 45 : right - 45] - np.tanh(0.2) / 4).max()
        < 1e-3
    )
    change[:, top:bottom, left:right] = 0
    assert not change.any()
    younger = model.transform(encoded, target - 30)
    assert float((younger - encoded.photos).mean()) < 0
    assert model.transform(encoded, target, resize=True).shape == [1, 3, 256, 256]


def test_a_grey_photo_stays_grey(tmp_path):
    pixels = np.random.default_rng(0).integers(60, 190, (8, 8), np.uint8)
    grey = AlignedFace(Image.fromarray(pixels).convert("RGB").resize((300, 300), 3))
    model = load_baseline(save(tmp_path / "g.pdparams", ["fa"], bias=np.array([0.3, -0.1, 0.2])))
    encoded = model.encode([grey])
    aged = model.transform(encoded, paddle.to_tensor([encoded.ages[0] + 40]))
    assert float((aged - encoded.photos).abs().max()) > 0.05
    assert float((aged.max(axis=1) - aged.min(axis=1)).max()) < 1e-5


def test_the_generators_own_picture_has_no_more_detail_than_the_network(tmp_path, face):
    model = load_baseline(save(tmp_path / "g.pdparams", ["fa"], bias=0.0), blend="generator")
    encoded = model.encode([face])
    shown = model.transform(encoded, paddle.to_tensor(encoded.ages))
    left, top, right, bottom = (round(edge * OUTPUT) for edge in crop_box("utkface"))
    size = [bottom - top, right - left]
    crop = paddle.nn.functional.interpolate(encoded.crops, size=size, mode="bicubic")
    inner = np.s_[..., 45:-45, 45:-45]
    part = shown[:, :, top:bottom, left:right].numpy()
    assert np.abs(part[inner] - crop.clip(-1, 1).numpy()[inner]).max() < 1e-4


def test_a_face_whose_group_is_the_targets_stays(tmp_path, face):
    model = load_baseline(save(tmp_path / "g.pdparams", PAIRS))
    encoded = model.encode([face])
    encoded.ages = [25.0]
    assert np.array_equal(model.transform(encoded, paddle.to_tensor([35.0])), encoded.photos)


@pytest.mark.parametrize(
    "runs, method", [(["fa"], "fa-gan"), (PAIRS, "group-gan"), (["fa", *PAIRS], "f-gan")]
)
def test_a_file_knows_what_it_can_do(runs, method, tmp_path):
    path = save(tmp_path / "g.pdparams", runs)
    model = load_model(TestOptions(checkpoint_path=str(path), device="cpu"))
    assert model.method == method


def test_a_folder_of_runs_is_a_checkpoint_too(tmp_path):
    save(tmp_path / "generators.pdparams", ["fa"])
    model = load_model(TestOptions(checkpoint_path=str(tmp_path), method="fa-gan", device="cpu"))
    assert model.runs == ["fa"]
    with pytest.raises(UserError, match="this model has no generator"):
        model.random_codes(1)


@pytest.mark.parametrize(
    "runs, method, problem",
    [
        (["fa"], "group-gan", "holds fa; train_cyclegan.py --method group-gan"),
        (PAIRS, "fa-gan", "--method fa-gan: "),
        (["fa"], "f-gan", "--method f-gan: "),
    ],
)
def test_a_checkpoint_of_another_method_is_refused(runs, method, problem, tmp_path):
    with pytest.raises(UserError, match=problem):
        load_baseline(save(tmp_path / "g.pdparams", runs), method)


def test_weights_of_something_else_are_refused(tmp_path):
    path = tmp_path / "sam.pdparams"
    save_checkpoint(
        path, "sam", {"encoder.weight": np.zeros(3, np.float32)}, np.zeros((2, 512)), {}
    )
    with pytest.raises(UserError, match="holds sam weights; the generators.pdparams"):
        load_baseline(path, "fa-gan")


def test_a_file_that_says_too_little_of_itself_is_refused(tmp_path):
    path = tmp_path / "g.pdparams"
    checkpoint = read_checkpoint(save(path, ["fa"]))
    opts = {name: value for name, value in checkpoint.opts.items() if name not in ("crop", "ngf")}
    save_checkpoint(path, checkpoint.kind, dict(checkpoint.state_dict), None, opts)
    with pytest.raises(UserError, match="its options lack ngf, crop"):
        load_baseline(path, "fa-gan")


def test_the_script_adds_years(tmp_path, face, capsys):
    from work.scripts.inference_cyclegan import main

    (tmp_path / "faces").mkdir()
    face.photo.save(tmp_path / "faces" / "a.png")
    save(tmp_path / "g.pdparams", ["fa"], bias=0.1)
    flags = f"--data_path={tmp_path / 'faces'} --exp_dir={tmp_path / 'out'} --checkpoint_path={tmp_path / 'g.pdparams'}"
    assert run(lambda: main([*flags.split(), "--method=fa-gan", "--years=20"])) == 0
    assert (tmp_path / "out" / "inference_results" / "+20" / "a.png").exists()
    assert run(lambda: main([*flags.split(), "--years=20", "--target_age=70"])) == 2
    assert "type one of them" in capsys.readouterr().err
    assert run(lambda: main([*flags.split(), "--method=group-gan", "--years=20"])) == 2
    assert run(lambda: main([*flags.split(), "--strength=0.5", "--years=20"])) == 2
    assert "--strength 0.5 is for the direct model" in capsys.readouterr().err


def test_faces_that_a_method_refuses_are_left_out_and_named(tmp_path, face, capsys, monkeypatch):
    from work.scripts.inference_cyclegan import main

    (tmp_path / "faces").mkdir()
    for name in "abc":
        face.photo.save(tmp_path / "faces" / f"{name}.png")
    ages = iter([30.0, 10.0, 50.0, 30.0, 50.0])  # those that stay are encoded again
    monkeypatch.setattr(
        AgeV1,
        "predict_chip_age",
        lambda self, faces: paddle.to_tensor([next(ages) for _ in faces]),
    )
    save(tmp_path / "g.pdparams", ["20-40_40-60"], bias=0.1)
    flags = f"--data_path={tmp_path / 'faces'} --exp_dir={tmp_path / 'out'} --checkpoint_path={tmp_path / 'g.pdparams'}"
    flags += " --method=group-gan --target_age=45 --test_batch_size=3"
    assert run(lambda: main(flags.split())) == 1
    said = capsys.readouterr()
    assert "b.png: " in said.err and "2 images done" in said.out
    written = sorted(
        path.name for path in (tmp_path / "out" / "inference_results" / "45").iterdir()
    )
    assert written == ["a.png", "c.png"]

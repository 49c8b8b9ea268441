"""The package's own small networks, and files of generators from runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from work.errors import UserError
from work.faces.aligned import FaceReader
from work.inference.baselines import load_baseline
from work.models.checkpoint import save_checkpoint
from work.models.cyclegan.cyclegan import GENERATORS
from work.models.cyclegan.generators import SHAPE, collect, read_generators


def test_the_packages_own_networks_make_a_face_older_and_younger():
    """By age_v1, which was not asked in training; the numbers for 200 people are in docs/baselines.md."""
    from work.inference.baselines import SHIPPED
    from work.loading import load_network

    photo = Path(__file__).parents[1] / "data" / "03.jpg"
    encoded_face = FaceReader()(photo)
    model, age_net = load_baseline(None, "group-gan"), load_network("age_v1")
    assert SHIPPED.stat().st_size < 12e6
    encoded = model.encode([encoded_face])
    found = {}
    for start, target in ((30.0, 70.0), (70.0, 30.0)):
        encoded.ages = [start]
        picture = model.transform(encoded, paddle.to_tensor([target]))
        found[target] = float(age_net.predict_age(picture))
    own = float(age_net.predict_age(encoded.photos))
    assert found[30.0] < own - 5 < own < found[70.0]


def save_run(folder, name, **changes):
    """What a run's folder holds once it has saved: one weight of each generator, and its options."""
    arrays = {f"{part}.first.weight": np.ones((1, 1), np.float32) for part in GENERATORS}
    opts = dict.fromkeys(SHAPE, 1)
    opts.update({"groups": "coarse", **changes})
    (folder / name / "checkpoints").mkdir(parents=True)
    path = folder / name / "checkpoints" / "last.pdparams"
    save_checkpoint(path, "group_gan", {**arrays, "judge_older.x": np.ones(1)}, None, opts)


def test_the_packages_own_fa_gan_adds_years_and_takes_them_off():
    """By the embedded model's reader; the numbers for 200 people are in docs/baselines.md."""
    from work.inference.embedded.person_reader import load_person_reader, read_fitted

    read = load_person_reader(read_fitted())
    encoded_face = FaceReader()(Path(__file__).parents[1] / "data" / "03.jpg")
    model = load_baseline(None, "fa-gan")
    encoded = model.encode([encoded_face])
    found = {}
    for years in (-20.0, 0.0, 20.0):
        target = paddle.to_tensor([encoded.ages[0] + years])
        found[years] = read(model.transform(encoded, target, resize=True))
    assert found[-20.0] < found[0.0] - 1 < found[20.0] - 2
    assert load_baseline(None).method == "f-gan"


def test_generators_of_all_runs_are_collected_and_the_pairs_say_what_the_groups_are(tmp_path):
    save_run(tmp_path, "20-40_60+")
    save_run(tmp_path, "fa", groups="20-40,60+")
    checkpoint = read_generators(collect(tmp_path))
    assert checkpoint.opts["runs"] == ["20-40_60+", "fa"]
    assert checkpoint.opts["groups"] == "coarse"
    assert sorted(checkpoint.state_dict) == sorted(
        f"{run}/{part}.first.weight" for run in ("20-40_60+", "fa") for part in GENERATORS
    )
    save_run(tmp_path, "20-40_40-60", groups="fine")
    with pytest.raises(UserError, match="differ in their options"):
        collect(tmp_path)

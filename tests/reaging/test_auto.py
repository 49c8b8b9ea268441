"""The direct model for adults and the embedded one for children, as one model."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from tests.reaging.test_direct import face, model
from tests.reaging.test_direct import tone_may_change as tone_may_change
from work.configs.options import ModelChoice
from work.configs.target_age import Target
from work.inference import direct, load
from work.inference.auto import AutoModel
from work.inference.direct import SIZE, DirectModel
from work.inference.model import AgeingModel


class Children(AgeingModel):
    """A slow model: every picture is grey."""

    output_size = AutoModel.output_size
    seamless = True

    def __init__(self):
        self.learned = 0

    def encode(self, faces, w_plus=None, steps=None, on_share=None):
        self.learned += len(faces)
        on_share(1.0)
        return [f"{steps} steps" for _ in faces]

    def ages(self, encoded):
        return [40.0 for _ in encoded]

    def transform(self, encoded, target_ages, resize=False):
        return paddle.zeros([len(encoded), 3, self.output_size, self.output_size])

    def codes(self, encoded, target_ages):
        return paddle.to_tensor([float(known.split()[0]) for known in encoded])


@pytest.fixture
def children():
    return Children()


def auto_model(children, age: float = 40.0) -> AutoModel:
    return AutoModel(model(read_age=lambda photo: age), lambda: children)


def test_adults_are_the_direct_models_and_nothing_slow_happens(children):
    ager = auto_model(children)
    encoded = ager.encode([face()])
    assert ager.ages(encoded) == [40.0]
    chosen, known = ager.drawn_by(encoded, [15.0, 70.0])
    assert chosen is ager.direct and ager.per_frame is ager.direct
    small = chosen.transform(known, paddle.full([1], 70.0)).numpy()
    large = ager.transform(encoded, paddle.full([1], 70.0)).numpy()
    assert large.shape == (1, 3, 2 * SIZE, 2 * SIZE)
    assert np.allclose(large[:, :, ::2, : SIZE // 4 : 2], small[:, :, :, : SIZE // 8], atol=1e-5)
    assert ager.transform(encoded, paddle.full([1], 70.0), resize=True).shape == [1, 3, 256, 256]
    assert children.learned == 0


@pytest.mark.parametrize("own, target", [(40.0, 14.0), (9.0, 60.0)])
def test_children_are_the_embedded_models_which_learns_a_face_once(children, own, target):
    heard: list[float] = []
    ager = auto_model(children, own)
    encoded = ager.encode([face()], steps=7)
    for _ in range(2):
        chosen, known = ager.drawn_by(encoded, [target], heard.append)
        assert chosen is children and known == ["7 steps"]
    assert children.learned == 1 and heard == [1.0]
    assert not ager.transform(encoded, paddle.full([1], target)).numpy().any()


def test_ages_of_one_face_each_by_their_model(children):
    ager = auto_model(children)
    encoded = ager.encode([face(), face()], steps=3)
    pictures = ager.transform(encoded, paddle.to_tensor([5.0, 50.0])).numpy()
    assert not pictures[0].any() and pictures[1].any()
    assert ager.codes(encoded, paddle.to_tensor([5.0, 50.0])).shape == [2]
    assert children.learned == 2


def test_relative_ages_are_counted_by_the_model_that_draws(children, monkeypatch):
    monkeypatch.setattr(Children, "target_years", lambda self, known, target: paddle.full([1], 3.0))
    ager = auto_model(children)
    encoded = ager.encode([face(), face()], steps=3)
    years = [ager.target_years(encoded, Target(text)).tolist() for text in ("+20", "-30", "8")]
    assert years == [[60.0, 60.0], [3.0, 3.0], [8.0, 8.0]]


def test_it_is_the_default_where_there_are_weights(tmp_path, monkeypatch):
    weights = tmp_path / "reaging.pdparams"
    loaded: list[Any] = []
    monkeypatch.setattr(direct, "SHIPPED", weights)
    monkeypatch.setattr(direct, "load_direct", lambda *args: loaded.append(args) or model())
    monkeypatch.setattr("work.inference.embedded.model.load_embedded", lambda *args: Children())

    def kind(**flags):
        return type(load.load_model(ModelChoice(device="cpu", **flags)))

    assert kind() is Children and kind(model="embedded") is Children
    weights.touch()
    assert kind() is AutoModel and kind(strength=0.5) is AutoModel
    assert loaded[-1][:2] == (None, 0.5)
    assert kind(model="embedded") is Children and kind(blend="generator") is Children
    assert kind(model="direct") is DirectModel

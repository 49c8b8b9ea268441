"""How far a piece of work is, told to whoever listens."""

from __future__ import annotations

import pytest

from work.inference.shares import LEARNING, LearnThenDraw, within


def test_a_part_of_the_whole():
    told: list[float] = []
    second_of_four = within(told.append, 0.25, 0.5)
    second_of_four(0)
    second_of_four(1)
    assert told == [0.25, 0.5]


def test_learning_then_drawing_ends_at_one():
    told: list[float] = []
    work = LearnThenDraw(told.append, draws=2)
    work.learn(0.5)
    work.learn(1.0)
    work.draw()
    work.draw()
    assert told == pytest.approx([LEARNING / 2, LEARNING, (1 + LEARNING) / 2, 1.0])


def test_a_model_that_learns_in_no_time_only_draws():
    told: list[float] = []
    work = LearnThenDraw(told.append, draws=4)
    for _ in range(4):
        work.draw()
    assert told == [0.25, 0.5, 0.75, 1.0]

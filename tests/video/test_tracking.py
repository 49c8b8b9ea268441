"""Faces followed through a film: calm, without lag, across occlusions, never across a cut; effects move along."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.video.kit import PORTRAIT_LANDMARKS as LANDMARKS
from tests.video.kit import Warmer, plain
from work.faces.detect import FoundFaces
from work.faces.paste import NewFace
from work.inference.model import ONE_PASS
from work.video.effect import REACH, Effect, add_change, prepare
from work.video.motion import CutFinder, moved
from work.video.people import find_people
from work.video.track import FADE, Known, frontal
from work.video.tracker import EVERY, Tracker

PORTRAIT = data.astronaut()[:300, 60:400]  # NASA, public domain
SIZE = (240, 180)


def path_of(number: int) -> np.ndarray:
    """From the portrait's pixels to those of a frame [3, 3]: a zoom, a pan and a roll."""
    scale, angle = 0.75 * (1 + 0.008 * number), 0.006 * number
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.array([105.0 + 1.3 * number, 85 + 0.6 * number]) - turn @ LANDMARKS[2]
    return np.vstack([np.column_stack([turn, shift]), [0, 0, 1]])


def warp(picture: np.ndarray, matrix: np.ndarray, size=SIZE) -> np.ndarray:
    """A picture through a transform [3, 3], whose pixels have their centres at 0.5."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = (np.linalg.inv(half) @ matrix @ half)[:2]
    way = cv2.INTER_AREA if picture.dtype == np.uint8 else cv2.INTER_LANCZOS4
    return cv2.warpAffine(picture, matrix, size, flags=way, borderMode=cv2.BORDER_REFLECT)


class Seen:
    """A detector that knows the faces of the frame that a tracker looks at, and errs by half a pixel."""

    def __init__(self, faces_at, jitter: float = 0.5):
        self.faces_at, self.jitter = faces_at, jitter
        self.rng, self.asked = np.random.default_rng(1), []

    def __call__(self, picture) -> FoundFaces:
        number = self.tracker.count
        self.asked.append(number)
        points = [p + self.rng.normal(0, self.jitter, p.shape) for p in self.faces_at(number)]
        n = len(points)
        return FoundFaces(np.zeros((n, 4)), np.array(points).reshape(n, 5, 2), np.ones(n))


def track(frames, faces_at, **more) -> tuple[Tracker, Seen]:
    seen = Seen(faces_at, **more)
    seen.tracker = Tracker(seen, 10, lambda samples: Known(np.ones(2), [30.0] * len(samples)))
    for frame in frames:
        seen.tracker.show(frame)
    return seen.tracker, seen


@pytest.fixture(scope="module")
def moving():
    """Forty frames of the portrait on its path, and its one track."""
    frames = [warp(PORTRAIT, path_of(number)) for number in range(40)]
    tracker, seen = track(frames, lambda number: [moved(path_of(number), LANDMARKS)])
    (found,) = tracker.finish()
    assert seen.asked == list(range(0, 40, EVERY))  # the motion was certain all the time
    return frames, found


def test_landmarks_glide_where_detections_jitter(moving):
    frames, found = moving
    truth = np.stack([moved(path_of(number), LANDMARKS) for number in range(len(frames))])
    away = found.landmarks() - truth
    assert (found.first, found.last) == (0, 39) and found.begins and found.ends
    assert np.abs(away).mean() < 0.3  # no lag: the face moves 1.4 px a frame
    step = np.diff(away, axis=0)
    assert np.abs(step).mean() < 0.1  # single detections jump by 0.56 on average


def test_the_effect_moves_with_a_still_photo(moving):
    frames, found = moving
    effect = Effect([prepare(found, Warmer(), 40.0, 100.0, 10)])
    drawn = []
    for number in range(len(frames) + REACH):
        if number < len(frames):
            effect.see(number, frames[number])
        if number >= REACH:
            drawn.append(effect.draw(number - REACH, frames[number - REACH]))
    added = [after.astype(np.float32) - before for after, before in zip(drawn, frames)]
    still = np.stack([unmoved(change, number) for number, change in enumerate(added)])
    assert still[0].mean() > 10  # there is an effect
    apart = np.abs(still[:, None, ::4, ::4] - still[None, :, ::4, ::4]).mean()
    assert apart < 1.0, apart
    quads = prepare(found, Warmer(), 40.0, 100.0, 10)
    fixed = ideal(frames, quads.quads[0], effect)
    change = [np.abs(np.diff(np.stack(each), axis=0)).mean() for each in (added, fixed)]
    assert change[0] < 1.2 * change[1], change


def unmoved(change: np.ndarray, number: int) -> np.ndarray:
    """What was added to a frame, inside the face, in the first frame's pixels."""
    back = path_of(0) @ np.linalg.inv(path_of(number))
    low, high = moved(path_of(0), LANDMARKS)[[0, 4]].astype(int)
    return warp(change, back)[low[1] - 12 : high[1] + 12, low[0] - 10 : high[0] + 10, 0]


def ideal(frames, quad, effect) -> list[np.ndarray]:
    """The first frame's difference moved along the true path."""
    aged = effect.tracks[0]
    aged.changes.clear()
    effect.see(0, frames[0])
    changes = []
    for number, frame in enumerate(frames):
        way = path_of(number) @ np.linalg.inv(path_of(0))
        face = NewFace(Image.new("RGB", (1, 1)), moved(way, quad), additive=True)
        result = np.array(frame)
        add_change(result, frame, face, [], aged.changes[0])
        changes.append(result.astype(np.float32) - frame)
    return changes


def test_pixels_outside_the_faces_stay(moving):
    frames, found = moving
    aged = prepare(found, Warmer(), 40.0, 100.0, 10)
    effect = Effect([aged])
    effect.see(0, frames[0])
    after = effect.draw(0, frames[0])
    low, high = aged.quad(0).min(axis=0), aged.quad(0).max(axis=0)
    outside = np.ones(SIZE[::-1], bool)
    top, left = max(0, int(low[1])), max(0, int(low[0]))
    outside[top : int(high[1]) + 1, left : int(high[0]) + 1] = False
    assert outside.any() and (after[outside] == frames[0][outside]).all()
    assert effect.draw(30, frames[30]) is frames[30]  # nothing is known of it


def test_a_cut_is_found_and_a_flash_and_a_pan_are_none():
    finder = CutFinder()
    dark = (PORTRAIT * 0.3).astype(np.uint8)
    other = np.ascontiguousarray((data.coffee()[:300, :340] * 0.4).astype(np.uint8))
    shown = [
        dark,
        np.roll(dark, 8, axis=1),
        np.minimum(dark + 60, 255).astype(np.uint8),
        dark,
        other,
    ]
    assert [finder(frame) for frame in shown] == [False, False, False, False, True]
    black = np.zeros_like(dark)
    assert not finder(other) and finder(black) and not finder(black)


def test_nothing_is_smoothed_across_a_cut():
    first = [warp(PORTRAIT, path_of(0))] * 8
    flipped = np.ascontiguousarray(255 - first[0][:, ::-1])
    at = moved(path_of(0), LANDMARKS)
    tracker, _ = track(
        first + [flipped] * 8, lambda number: [at + [0, 9 * (number >= 8)]], jitter=0
    )
    before, after = tracker.finish()
    assert tracker.cuts == [8]
    assert (before.first, before.last, before.shot) == (0, 7, 0)
    assert (after.first, after.last, after.shot) == (8, 15, 1)
    assert np.allclose(before.landmarks(), at, atol=0.05)
    assert np.allclose(after.landmarks(), at + [0, 9], atol=0.05)
    assert (before.strengths(before.landmarks(), 10) == 1).all()  # nothing fades at a cut


def test_a_face_that_leaves_and_returns_is_one_person_with_two_tracks():
    picture = warp(PORTRAIT, path_of(0))
    hidden = np.array(picture)
    hidden[40:170, 50:170] = np.random.default_rng(0).integers(0, 255, (130, 120, 3))
    frames = [picture] * 20 + [hidden] * 10 + [picture] * 20
    at = moved(path_of(0), LANDMARKS)
    tracker, _ = track(frames, lambda n: [] if 20 <= n < 30 else [at], jitter=0.2)
    tracks = tracker.finish()
    assert [(t.first < 20, t.last >= 30) for t in tracks] == [(True, False), (False, True)]
    assert [len(t.samples) for t in tracks] == [0, 0] and tracks[0].picture().size == (256, 256)
    assert tracks[0].last < 20 and tracks[1].first >= 30
    strengths = tracks[0].strengths(tracks[0].landmarks(), 10)
    assert strengths[0] == 1 and strengths[-1] < 0.1  # gone before the hand comes
    assert np.abs(np.diff(strengths)).max() <= 1 / (2 * FADE + 1) + 1e-9
    people = find_people(tracks)
    assert [person.number for person in people] == [1] and len(people[0].tracks) == 2


def test_faces_that_are_small_or_turned_away_fade_out():
    small = plain(0, 0, 30)
    width = 2.0 * 44  # half the quad's side
    assert small.strengths(small.landmarks(), width / 2).min() == 1
    assert small.strengths(small.landmarks(), width * 1.1).max() == 0
    turned = np.repeat(LANDMARKS[None], 30, axis=0)
    turned[15:, 2, 0] = LANDMARKS[1, 0] + 10  # the nose beyond the right eye
    assert frontal(turned)[0] == pytest.approx(0.477, abs=0.01) and frontal(turned)[-1] < -0.2
    strengths = small.strengths(turned, 10)
    assert strengths[4] == 1 and (strengths[15:] == 0).all()
    assert (np.diff(strengths) <= 1e-9).all() and np.diff(strengths).min() > -0.1


def test_models_without_a_difference_say_what_films_need():
    from tests.unit.toy_ager import Brightener
    from work.errors import UserError

    with pytest.raises(UserError) as error:
        Brightener().encode_known([], [])
    assert str(error.value) == ONE_PASS

"""Measure how stable an aged film is: make two test films of known content, and compare films before and after.

    python benchmarks/film_stability.py still PORTRAIT still.mp4
    python benchmarks/film_stability.py talking talking.mp4
    python work/scripts/age_video.py still.mp4 still_75.mp4 --target_age 75 --crf 0
    python benchmarks/film_stability.py compare still.mp4 still_75.mp4 --path
    python benchmarks/film_stability.py compare talking.mp4 talking_75.mp4

`still` moves a photo along a known path (zoom, pan, roll). `talking` moves a generated face through poses and
expressions in the latent space of the embedded generator; the latent directions come from the landmarks of random
faces. `compare` undoes the motion in both films, by the known path (`--path`) or by where the package itself finds the
face, and compares the face alone.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from work.configs.options import ModelChoice
from work.datasets.images import read_image
from work.errors import UserError, run
from work.faces.align import crop_matrix, ffhq_quad
from work.faces.detect import FaceDetector
from work.inference.load import load_model
from work.progress import progress
from work.video.probe import probe
from work.video.reader import FilmReader
from work.video.tracker import Tracker
from work.video.writer import FilmWriter

FPS, TICKS = 25, 12800
WIDTH, HEIGHT = 640, 360  # px of the film of a still photo
MOVED = 75  # frames of it
SIDE = 512  # px of the talking film
TALK = 250  # frames of it
ABOUT = 0.44, 0.25  # of the photo: where scikit-image's astronaut has her face
RANDOM = 300  # faces on which directions are measured
FACE = 192  # px of the un-moved face
INNER = slice(FACE // 5, FACE - FACE // 5)  # of it: eyes, nose and mouth, and no border


def path_at(frame: int, size: tuple[int, int]) -> np.ndarray:
    """From a photo's pixels to those of a frame, [3, 3]; ABOUT is near the middle of all frames."""
    t = frame / (MOVED - 1)
    scale = HEIGHT / size[1] * (1.9 + 0.3 * np.sin(2.2 * t))
    angle = np.deg2rad(4 * np.sin(5 * t))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([WIDTH / 2 + 60 * np.sin(3 * t), HEIGHT / 2 + 12 * np.sin(4 * t)])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = centre - turn @ (np.array(size) * ABOUT)
    return matrix


def warp(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture moved by a matrix that leads from its pixels to the result's."""
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # centres of pixels lie at halves
    inside = np.linalg.inv(shift) @ matrix @ shift
    how = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT}
    return cv2.warpAffine(picture, inside[:2], size, **how)


def write(out: Path, size: tuple[int, int], frames) -> None:
    """A lossless film."""
    from work.video.probe import FilmInfo

    info = FilmInfo(*size, "1/1", FPS, 0.0, TICKS)
    with FilmWriter(out, info, 0, crf=0) as writer:
        for number, frame in enumerate(frames):
            writer.add(number * TICKS // FPS, np.ascontiguousarray(frame))


def still(photo: Path, out: Path) -> None:
    picture = np.asarray(read_image(photo))
    size = picture.shape[1::-1]
    write(
        out,
        (WIDTH, HEIGHT),
        (warp(picture, path_at(n, size), (WIDTH, HEIGHT)) for n in range(MOVED)),
    )


def directions(model, detector) -> dict[str, np.ndarray]:
    """Latent directions of yaw, pitch and smile: the covariance of w with each standardised landmark measure."""
    codes, seen = [], []
    for _ in progress(range(RANDOM), label="measuring directions", unit="face"):
        w = model.random_codes(1)
        faces = detector(to_image(model.render(w, resize=True)))
        if len(faces.landmarks) == 1:
            eyes, nose, mouth = np.split(faces.landmarks[0], [2, 3])
            apart = np.linalg.norm(eyes[1] - eyes[0])
            middle = eyes.mean(axis=0)
            down = (mouth.mean(axis=0) - middle)[1]
            codes.append(w.numpy()[0, 0])
            yaw, pitch = (nose[0, 0] - middle[0]) / apart, (nose[0, 1] - middle[1]) / down
            seen.append([yaw, pitch, np.linalg.norm(mouth[1] - mouth[0]) / apart])
    w, f = np.stack(codes), np.array(seen)
    w, f = w - w.mean(axis=0), (f - f.mean(axis=0)) / f.std(axis=0)
    found = w.T @ f / len(w)
    return dict(zip(("yaw", "pitch", "smile"), found.T))


def to_image(picture) -> Image.Image:
    values = (picture[0].numpy().transpose(1, 2, 0) + 1) * 127.5
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def talking(out: Path) -> None:
    import paddle

    from work.runtime import setup

    setup("cpu", 3)
    model = load_model(ModelChoice(model="embedded", device="cpu"))
    found = directions(model, FaceDetector(smallest=40, turn=False))
    mean = np.mean([model.random_codes(1).numpy() for _ in range(200)], axis=0)
    person = mean + 0.6 * (model.random_codes(1).numpy() - mean)
    layers = model.n_styles

    def frame(number: int) -> np.ndarray:
        t = number / FPS
        code = person.copy()
        pose = 1.6 * np.sin(1.1 * t) * found["yaw"] + 1.0 * np.sin(0.7 * t + 1) * found["pitch"]
        speech = 1.2 * np.sin(7 * t) * np.sin(1.9 * t) + 0.6 * np.sin(0.9 * t)
        code[:, : layers // 3] += pose.astype(np.float32)
        code[:, layers // 6 : layers // 2] += (speech * found["smile"]).astype(np.float32)
        picture = to_image(model.render(paddle.to_tensor(code.astype(np.float32))))
        return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS))

    write(out, (SIDE, SIDE), map(frame, progress(range(TALK), label="talking", unit="frame")))


def read(path: Path) -> list[np.ndarray]:
    with FilmReader(path, probe(path)) as reader:
        return [frame for _, frame in reader]


def face_quads(frames: list[np.ndarray]) -> np.ndarray:
    """Where the face is in each frame, calm: [n, 4, 2]."""
    tracker = Tracker(FaceDetector(smallest=32, turn=False), 32)
    for frame in frames:
        tracker.show(frame)
    tracks = [track for track in tracker.finish() if len(track.motion) == len(frames)]
    if not tracks:
        raise UserError("no face is seen in every frame")
    return np.stack([ffhq_quad(points) for points in tracks[0].landmarks()])


def flatten(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The inner part of a frame's face, un-moved."""
    return warp(frame, matrix, (FACE, FACE)).astype(np.float32)[INNER, INNER]


def compare(before: Path, after: Path, known: bool) -> None:
    old, new = read(before), read(after)
    if len(old) != len(new):
        raise UserError(f"{len(old)} and {len(new)} frames")
    quads = face_quads(old)
    matrices = [np.linalg.inv(crop_matrix(quad, FACE)) for quad in quads]
    if known:  # the first frame's face, carried along the path
        size = (WIDTH, HEIGHT)
        first = path_at(0, size)
        matrices = [matrices[0] @ first @ np.linalg.inv(path_at(n, size)) for n in range(len(old))]
    flat = [[flatten(f, m) for f, m in zip(part, matrices)] for part in (old, new)]
    effect = [b - a for a, b in zip(*flat)]
    rows = {"change of the face by the effect": np.mean([np.abs(e).mean() for e in effect])}
    if known:
        middle = len(old) // 2
        fixed = new[middle].astype(np.float32) - old[middle]
        ideal = []
        for n in range(len(old)):
            way = path_at(n, size) @ np.linalg.inv(path_at(middle, size))
            ideal.append(warp(fixed, way, size))
        best = [flatten((a + b).clip(0, 255), m) for a, b, m in zip(old, ideal, matrices)]
        pairs = list(combinations(range(0, len(old), 5), 2))
        named = {"input": flat[0], "result": flat[1], "result with a fixed effect": best}
        for name, part in {**named, "effect alone": effect}.items():
            apart = [np.abs(part[a] - part[b]).mean() for a, b in pairs]
            rows[f"un-moved frames differ by, {name}"] = np.mean(apart)
        seen = [b.astype(np.float32) - a for a, b in zip(old, new)]
        steps = [
            np.mean([np.abs(y - x).mean() for x, y in zip(part, part[1:])])
            for part in (seen, ideal)
        ]
        rows["the effect's step from frame to frame, times a fixed one's"] = steps[0] / steps[1]
    else:
        step = [
            np.mean([np.abs(y - x).mean() for x, y in zip(part, part[1:])])
            for part in (*flat, effect)
        ]
        rows["input's step from frame to frame, in the face"] = step[0]
        rows["result's step"] = step[1]
        rows["effect's step"] = step[2]
        own = np.array([np.abs(y - x).mean() for x, y in zip(effect, effect[1:])])
        rows["largest step of the effect, times the median"] = own.max() / np.median(own)
    for name, value in rows.items():
        print(f"{name:60} {value:.3f}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="what", required=True)
    one = kinds.add_parser("still")
    one.add_argument("photo", type=Path)
    one.add_argument("out", type=Path)
    kinds.add_parser("talking").add_argument("out", type=Path)
    two = kinds.add_parser("compare")
    two.add_argument("before", type=Path)
    two.add_argument("after", type=Path)
    two.add_argument("--path", action="store_true", help="they are of `still`")
    args = parser.parse_args(argv)
    if args.what == "still":
        still(args.photo, args.out)
    elif args.what == "talking":
        talking(args.out)
    else:
        compare(args.before, args.after, args.path)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))

"""What the tests of films share: a toy model that adds a difference, small films, and what ffmpeg says of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import paddle
from PIL import Image

from work.datasets.video import find_ffmpeg, write_film
from work.faces.detect import FoundFaces
from work.inference.model import AgeingModel
from work.video import parts
from work.video.join import try_container
from work.video.parts import FilmParts
from work.video.probe import Source, probe
from work.video.reader import FilmReader
from work.video.track import Track

FACE = np.array([[28, 34], [48, 34], [38, 46], [30, 56], [46, 56]], float)  # landmarks
PORTRAIT_LANDMARKS = np.array([[143.0, 111], [187, 111], [166, 135], [147, 152], [186, 152]])


class Warmer(AgeingModel):
    """An additive model: the older, the redder, in waves, and a little by what the face looks like."""

    output_size = 64
    composites = additive = True

    def __init__(self):
        self.own: list[float] = []

    def encode(self, faces, w_plus=None, steps=None, on_share=None):
        return self.encode_known(faces, [40.0] * len(faces))

    def encode_known(self, faces, ages):
        self.own += ages
        return [face.tensor(self.output_size) for face in faces]

    def ages(self, encoded):
        return [40.0 for _ in encoded]

    def transform(self, encoded, target_ages, resize=False):
        at = paddle.linspace(0, 12, self.output_size)
        waves = 0.5 + 0.5 * paddle.sin(at)[None, :] * paddle.cos(at)[:, None]
        red = paddle.to_tensor([1.0, 0.3, 0.1]).reshape([1, 3, 1, 1])
        photos = paddle.concat(encoded)
        return photos + red * waves * (0.2 + 0.1 * photos) * (
            target_ages.reshape([-1, 1, 1, 1]) / 100
        )


class OneFace:
    """A detector that finds the face of `film` where its bright square is, and none in a dark frame."""

    def __init__(self, **_: object):
        pass

    def smallest_in(self, picture: Image.Image) -> float:
        return 20.0

    def __call__(self, picture: Image.Image) -> FoundFaces:
        rows, columns = np.nonzero(np.asarray(picture)[..., 1] > 120)
        if not len(rows):
            return FoundFaces(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0))
        shift = np.array([columns.mean() - 37.5, rows.mean() - 44.5])
        box = np.array([[18.0, 20, 58, 70]]) + np.tile(shift, 2)
        return FoundFaces(box, FACE[None] + shift, np.ones(1))


def frames(count: int = 20, faces: bool = True, size=(160, 120)) -> list[Image.Image]:
    """A textured square that glides over a dark ground."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 60, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
    ground = np.asarray(Image.fromarray(ground).resize(size, Image.Resampling.BICUBIC))
    square = rng.integers(130, 200, (25, 20, 3), dtype=np.uint8)
    square = np.asarray(Image.fromarray(square).resize((40, 50), Image.Resampling.BICUBIC))
    pictures = []
    for number in range(count):
        frame = np.array(ground)
        if faces:
            frame[20:70, 18 + number : 58 + number] = square
        pictures.append(Image.fromarray(frame))
    return pictures


def ffmpeg(*words: object) -> str:
    """Run ffmpeg; what it says."""
    command = [find_ffmpeg(), "-hide_banner", "-y", "-nostdin", *map(str, words)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stderr + run.stdout


def film(path: Path, sound: bool = True, pictures=None) -> Path:
    """A film of a second or less at 25 frames per second, with a tone."""
    silent = path.with_name(f"silent{path.suffix}")
    write_film(pictures or frames(), silent, 25)
    if not sound:
        return silent.rename(path)
    words = ["-i", silent, "-f", "lavfi", "-i", "sine=440:duration=0.8", "-c:v", "copy"]
    ffmpeg(*words, "-c:a", "aac", "-movflags", "+faststart", path)
    silent.unlink()
    return path


def sound_of(path: Path) -> str:
    """The checksum of the sound as it lies in the file."""
    return ffmpeg("-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "md5", "-")


def times_of(path: Path) -> list[str]:
    """When each frame is shown, in seconds."""
    words = "-map 0:v -vf showinfo=checksum=0 -fps_mode passthrough -f null -".split()
    said = ffmpeg("-i", path, *words)
    return [part.split()[0] for part in said.split("pts_time:")[1:]]


def decoded(path: Path, size=(160, 120)) -> np.ndarray:
    """The frames of a film [n, h, w, 3] uint8."""
    words = ["-v", "error", "-i", str(path), "-fps_mode", "passthrough"]
    command = [find_ffmpeg(), *words, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, size[1], size[0], 3)


def plain(shot: int, first: int, count: int, x: float = 50.0) -> Track:
    """A track of a face that stands still."""
    found = Track(shot, first, True, [np.eye(3)] * count, ends=True)
    found.seen[first] = PORTRAIT_LANDMARKS - PORTRAIT_LANDMARKS[2] + [x, 60]
    found.samples = [Image.new("RGB", (256, 256))]
    found.end()
    return found


def through(old, new, start: float = 0.0, seconds: float = 0.0) -> list[np.ndarray]:
    """Read a film and write what was read, in parts; the frames."""
    source, seen = Source(old, probe(old, start), start, seconds), []
    folder = parts.folder_of(new)
    folder.mkdir()
    try_container(new, source)
    with (
        FilmReader(old, source.info, start, seconds) as reader,
        FilmParts(folder, source, {}) as film_parts,
    ):
        for time, frame in reader:
            film_parts.add(time, frame, False)
            seen.append(frame)
        film_parts.join(new)
    folder.rmdir()
    return seen

"""Who is who in a film: tracks are joined into people, who are numbered, and whose ages are estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

import numpy as np
from PIL import Image, ImageDraw

from work.video.track import Track

# Embeddings of one person are less than 0.6 apart (dlib's own limit, for photos); means of several
# frames scatter less than that, and two people joined are worse than one person with two numbers.
ONE_PERSON = 0.5
TILE, CAPTION = 192, 40  # px, of the contact sheet


@dataclass
class Person:
    """One person of a film.

    Attributes:
        number: as the contact sheet shows it, from 1.
        ages: the estimated age in years in each shot.
    """

    number: int
    tracks: list[Track]
    ages: dict[int, float] = field(default_factory=dict)

    @property
    def age(self) -> float:
        """The estimated age in years over all of the film."""
        return float(np.median([self.ages[track.shot] for track in self.tracks]))

    @property
    def frames(self) -> int:
        """In how many frames the person is followed."""
        return sum(len(track.motion) for track in self.tracks)

    def picture(self) -> Image.Image:
        """A picture of the face: of the longest track."""
        longest = max(self.tracks, key=lambda track: len(track.motion))
        return longest.picture()


def find_people(tracks: Sequence[Track]) -> list[Person]:
    """Join the tracks that show one person, number the people and estimate one age per person and shot.

    The number does not change at a cut or behind an obstacle, since faces are compared by their embeddings.
    Numbers go from left to right in the first frame in which the most people are seen; who is not seen there follows
    in the order of appearance.
    """
    known = [track.known for track in tracks if track.known]  # of all, once they have ended
    groups = join(tracks, [who.embedding for who in known])
    people = [Person(i + 1, group) for i, group in enumerate(in_order(groups))]
    for person in people:
        shots: dict[int, list[float]] = {}
        for track in person.tracks:
            shots.setdefault(track.shot, []).extend(track.known.ages if track.known else [])
        person.ages = {shot: float(np.median(ages)) for shot, ages in shots.items()}
    return people


def join(tracks: Sequence[Track], embeddings: Sequence[np.ndarray]) -> list[list[Track]]:
    """Groups of tracks of one person each: the most alike are joined first, but never two that are seen at once."""
    groups = [[track] for track in tracks]
    if not groups:
        return []
    sums, counts = np.array(embeddings, float), np.ones(len(groups))
    first, last = (np.array([getattr(track, end) for track in tracks]) for end in ("first", "last"))
    apart = (first[:, None] <= last) & (first <= last[:, None])  # seen at once, or the same
    squares = (sums**2).sum(axis=1)
    distance = np.sqrt((squares[:, None] + squares - 2 * sums @ sums.T).clip(min=0))
    while True:
        distance[apart] = np.inf
        i, k = sorted(divmod(int(distance.argmin()), len(groups)))
        if not distance[i, k] <= ONE_PERSON:
            return [group for group in groups if group]
        groups[i] += groups[k]
        groups[k] = []
        sums[i] += sums[k]
        counts[i] += counts[k]
        apart[i] |= apart[k]
        apart[:, i] |= apart[:, k]
        apart[k], apart[:, k] = True, True
        centres = sums / counts[:, None]
        distance[i] = distance[:, i] = np.linalg.norm(centres - centres[i], axis=-1)


def in_order(groups: Sequence[list[Track]]) -> list[list[Track]]:
    """The groups as people count them; see `find_people`."""
    starts = sorted({track.first for group in groups for track in group})

    def at(group: list[Track], frame: int) -> Optional[Track]:
        return next((track for track in group if track.first <= frame <= track.last), None)

    def place(group: list[Track], frame: int) -> tuple[int, float]:
        """A key to sort by: first those seen at the frame, from left to right, then others by first appearance."""
        track = at(group, frame)
        if track:
            return (-1, float(track.landmarks()[frame - track.first, :, 0].mean()))
        return (min(track.first for track in group), 0.0)

    def seen(frame: int) -> int:
        return sum(at(group, frame) is not None for group in groups)

    best = max(starts, key=lambda frame: (seen(frame), -frame), default=0)
    return sorted(groups, key=lambda group: place(group, best))


def contact_sheet(people: Sequence[Person]) -> Image.Image:
    """A picture with each person's face, number, estimated age and number of frames."""
    columns = min(6, len(people))
    rows = -(-len(people) // columns)
    sheet = Image.new("RGB", (columns * TILE, rows * (TILE + CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, person in enumerate(people):
        left, top = i % columns * TILE, i // columns * (TILE + CAPTION)
        sheet.paste(person.picture().resize((TILE, TILE)), (left, top))
        text = f"{person.number}: about {person.age:.0f} years\n{person.frames} frames"
        draw.text((left + 6, top + TILE + 4), text, "black")
    return sheet

"""From a film to the same film with its people older or younger.

The film is read twice: first to find out who is where in every frame, then to change the faces. So everything is
known ahead, and what is smoothed in time has no lag.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import paddle

from work.configs.target_age import Target
from work.configs.video_options import VideoOptions
from work.datasets.images import save_image, writable_name
from work.errors import UserError
from work.faces.aligned import AlignedFace
from work.files import atomic_write, check_folder, size_of
from work.inference.load import load_model
from work.inference.model import ONE_PASS, AgeingModel, AgeRefused
from work.progress import progress, say
from work.video.effect import AgedTrack, prepare
from work.video.join import CONTAINERS
from work.video.passes import Follow, Passes
from work.video.people import Person, contact_sheet, find_people
from work.video.probe import Source, probe


def age_film(
    path: Path,
    out: Path,
    options: VideoOptions,
    model: Optional[AgeingModel] = None,
    follow: Follow = progress,
) -> dict[str, Any]:
    """Age the people of a film, or write a contact sheet of them (`options.people`).

    Args:
        model: one that is loaded already; by default what the options say.
        follow: makes the bars.

    Returns:
        What `--report` writes: the people, with frames and ages, and the seconds of each part.

    Raises:
        UserError: no such film, a damaged one, a model that is not additive, a person who is not there.
    """
    _check_names(path, out, options)
    source = Source(path, probe(path, options.start), options.start, options.seconds)
    check_folder(out.parent, 0 if options.people else 2 * size_of([path]))  # parts, and the film
    if options.report:
        check_folder(Path(options.report).parent)
    model = (model or load_model(options)).per_frame
    if not model.additive:
        raise UserError(ONE_PASS)
    model.require_targets(() if options.people else options.all_targets)
    passes = Passes(source, options, model, follow)
    tracker = passes.watch()
    people = find_people(tracker.finish())
    for person in people:
        say(f"person {person.number}: about {person.age:.0f} years, in {person.frames} frames")
    report: dict[str, Any] = {"frames": tracker.count, "cuts": tracker.cuts}
    report["people"] = [_described(person) for person in people]
    if options.people:
        if not people:
            raise UserError(f"{path}: no face of {options.smallest:g} px or more found")
        save_image(contact_sheet(people), out)
    else:
        tracks = _aged_tracks(people, choose(people, options), model, options.smallest)
        report["changed"] = _write(passes, out, tracks)
    say(str(out))
    report["seconds"] = {part: round(spent, 2) for part, spent in passes.seconds.items()}
    if options.report:
        with atomic_write(options.report) as temporary:
            temporary.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def _check_names(path: Path, out: Path, options: VideoOptions) -> None:
    sheet = options.people
    if sheet and writable_name(out) != out:
        raise UserError(f"{out}: the contact sheet of --people is a picture, e.g. people.png")
    if not sheet and out.suffix.lower() not in CONTAINERS:
        raise UserError(f"{out}: films are written as {', '.join(CONTAINERS)}")
    if path.resolve() == out.resolve():
        raise UserError(f"{out}: is the film itself; choose another name")
    if options.report and Path(options.report).resolve() in (path.resolve(), out.resolve()):
        raise UserError(f"--report {options.report}: is the film itself; choose another name")


def choose(people: Sequence[Person], options: VideoOptions) -> dict[int, Target]:
    """Each person's target by number; who is not in it stays. A film without people needs none.

    Raises:
        UserError: a number that no person has, or more ages than people.
    """
    if not people:
        return {}
    wrong = [number for number in options.by_number if not 1 <= number <= len(people)]
    if wrong:
        raise UserError(
            f"--person {wrong[0]}: people have the numbers 1 to {len(people)}; --people shows them"
        )
    if len(options.targets) > max(1, len(people)):
        count = f"{len(people)} people" if len(people) > 1 else "1 person"
        raise UserError(f"{len(options.targets)} target ages for {count}")
    found = {person.number: options.target_of(person.number) for person in people}
    return {number: target for number, target in found.items() if target is not None}


def _aged_tracks(
    people: Sequence[Person], chosen: dict[int, Target], model: AgeingModel, smallest: float
) -> list[AgedTrack]:
    """The tracks of the people to change. People whose ages the model refuses stay as they are, with a message."""
    found: list[AgedTrack] = []
    refused: Optional[AgeRefused] = None
    for person in people:
        if person.number in chosen:
            target = chosen[person.number].years(person.age)
            try:
                _try(person, target, model)
                found += [
                    prepare(track, model, person.ages[track.shot], target, smallest)
                    for track in person.tracks
                ]
            except AgeRefused as error:
                say(f"person {person.number} stays: {error}")
                refused = error
    if refused and not found:
        raise refused
    return found


def _try(person: Person, target: float, model: AgeingModel) -> None:
    """Raises AgeRefused if the model refuses these ages, before the film is read again."""
    face, quick = AlignedFace(person.picture()), model.for_size(1)
    for own in sorted({int(age) for age in person.ages.values()}):  # groups of ages have whole ends
        quick.transform(quick.encode_known([face], [float(own)]), paddle.full([1], target))


def _write(passes: Passes, out: Path, tracks: Sequence[AgedTrack]) -> int:
    """Write the film; how many frames changed. One without faces is copied, which is said."""
    source = passes.source
    if not any(aged.strengths.any() for aged in tracks):
        whole = not source.start and not source.seconds
        copied = whole and out.suffix.lower() == source.path.suffix.lower()
        no_face = f"{source.path}: no face of {passes.options.smallest:g} px or more to change"
        say(f"{no_face}; the film is {'copied' if copied else 'written without change'}")
        if copied:
            with atomic_write(out) as temporary:
                shutil.copyfile(source.path, temporary)
            return 0
    return passes.write(out, tracks)


def _described(person: Person) -> dict[str, Any]:
    return {
        "number": person.number,
        "age": round(person.age, 1),
        "age_in_shot": {str(shot): round(age, 1) for shot, age in person.ages.items()},
        "frames": person.frames,
        "from_to": [[track.first, track.last] for track in person.tracks],
    }

"""Films of people: frames per second by part, and the peak of memory, for a film and for the same one made longer.

    python benchmarks/video.py film.mp4 [--repeat 1 4] [--seconds 2] [--target_age 75] [--method group-gan]

Each run is a process of its own, so that the peaks do not mix. CPU time is printed beside wall-clock time, which says
little on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from work.datasets.video import find_ffmpeg


def longer(film: Path, repeat: int, seconds: float, folder: Path) -> Path:
    """The first seconds of a film, several times in a row."""
    part, out = folder / "part.mp4", folder / f"{repeat}.mp4"
    quiet = [find_ffmpeg(), "-v", "error", "-y"]
    first = ["-i", str(film), "-t", str(seconds), "-an", "-crf", "10", str(part)]
    subprocess.run([*quiet, *first], check=True)
    again = ["-stream_loop", str(repeat - 1), "-i", str(part), "-c", "copy", str(out)]
    subprocess.run([*quiet, *again], check=True)
    return out


def measure(film: Path, words: list[str], folder: Path) -> dict[str, float]:
    """One run of age_video.py: seconds by part, frames, megabytes at the peak, seconds of the processor."""
    report = folder / "report.json"
    script = ["work/scripts/age_video.py", str(film), str(folder / "out.mp4"), *words]
    code = (  # what a child of a child used can be asked for once it has ended
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)"
    )
    command = [sys.executable, "-c", code, sys.executable, *script, "--report", str(report)]
    said = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    peak, processor = map(float, said.splitlines()[-1].split())
    found = json.loads(report.read_text())
    numbers = {"frames": found["frames"], "MB at the peak": peak, "s of the processor": processor}
    return {**numbers, **{f"s: {part}": spent for part, spent in found["seconds"].items()}}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("--repeat", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--target_age", default="75")
    parser.add_argument("--method", help="a baseline instead of the direct network")
    args = parser.parse_args()
    words = [f"--target_age={args.target_age}"]
    words += [f"--method={args.method}"] if args.method else []
    for repeat in args.repeat:
        with tempfile.TemporaryDirectory() as folder:
            film = longer(args.film, repeat, args.seconds, Path(folder))
            numbers = measure(film, words, Path(folder))
        print(f"{repeat} x {args.seconds:g} s")
        for name, number in numbers.items():
            rate = (
                f"{numbers['frames'] / number:8.1f} frames/s" if name[:2] == "s:" and number else ""
            )
            print(f"  {name:26}{number:8.1f}{rate}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

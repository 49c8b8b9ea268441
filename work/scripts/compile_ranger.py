"""Build the compiled Ranger ahead of the first training run, for the Paddle that is installed."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import time

from work.configs.command_line import make_parser
from work.errors import UserError, run


def main(argv: list[str] | None = None) -> int:
    """Compile, try the operator on this device, print where it lies. Exit code 2 if that fails."""
    parser = make_parser(__doc__, "%(prog)s")
    parser.add_argument(
        "--force", action="store_true", help="compile again even if the cache has it"
    )
    args = parser.parse_args(argv)

    import paddle

    from work.training.ranger_op.build import BuildError, build
    from work.training.ranger_op.step import load_compiled

    started = time.perf_counter()
    try:
        path = build(force=args.force)
        place = paddle.zeros([1]).place
        load_compiled(place)
    except BuildError as error:
        raise UserError(f"{error}; training will use plain Paddle") from error
    print(f"compiled Ranger for {place}: {path} ({time.perf_counter() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))

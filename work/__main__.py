"""The command `paddle-sam`: one sub-command for each script. `python -m work` does the same."""

from __future__ import annotations

import ast
import difflib
import importlib
import shutil
import sys
import textwrap
from importlib import metadata
from pathlib import Path

from work.errors import UserError, run
from work.installation import CONVERTERS, ROOT

# The scripts by what they are for, in the order of --help.
GROUPS = {
    "Age faces": ("age_photo", "age_video", "lifespan_video", "web", "demo"),
    "Age aligned faces, with the flags of the official code": (
        "align_all_parallel",
        "inference",
        "inference_side_by_side",
        "reference_guided_inference",
        "style_mixing",
        "inference_cyclegan",
        "project",
    ),
    "Measure results": (
        "calc_losses_on_images",
        "calc_id_loss_parallel",
        "calc_age_error",
        "calc_all",
        "compare_methods",
    ),
    "Train": (
        "prepare_data",
        "train",
        "train_cyclegan",
        "compile_ranger",
        "render_people",
        "train_reaging",
    ),
    "Weights": ("get_weights", *CONVERTERS, "export"),
    "Installation": ("install_paddle", "check_install"),
}
USAGE = (
    "usage: paddle-sam COMMAND ...\n       paddle-sam COMMAND --help     its flags, with examples"
)
NAME_WIDTH = 30


def main(argv: list[str] | None = None) -> int:
    """Run a sub-command. Returns its exit code; 2 for one that does not exist."""
    return run(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"paddle-sam {metadata.version('paddle-sam')}")
        return 0
    name = words[0].replace("-", "_")
    names = [name for group in GROUPS.values() for name in group]
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {close[0]}?" if close else "paddle-sam --help lists them"
        raise UserError(f"there is no command {words[0]!r}; {hint}")
    sys.argv = [f"paddle-sam {name}", *words[1:]]  # what usage lines and messages call it
    folder = "convert_weights" if name in CONVERTERS else "work.scripts"
    return importlib.import_module(f"{folder}.{name}").main(words[1:])


def overview() -> str:
    """The text of --help: every command with the first paragraph of its script's docstring."""
    width = min(shutil.get_terminal_size().columns, 120)
    indent = " " * NAME_WIDTH
    lines = [USAGE]
    for title, names in GROUPS.items():
        lines += ["", f"{title}:"]
        for name in names:
            start = f"  {name}".ljust(NAME_WIDTH)
            lines += textwrap.wrap(
                summary(name), width, initial_indent=start, subsequent_indent=indent
            )
    return "\n".join(lines)


def summary(name: str) -> str:
    """The first paragraph of a script's docstring, read without importing the script."""
    folder = ROOT / ("convert_weights" if name in CONVERTERS else "work/scripts")
    source = Path(folder, f"{name}.py").read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    return " ".join(text.split("\n\n")[0].split())


if __name__ == "__main__":
    sys.exit(main())

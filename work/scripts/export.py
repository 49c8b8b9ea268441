"""Export SAM or pSp for serving: to Paddle Inference, ONNX and OpenVINO, each compared with Paddle."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.options import ModelOptions, option, require
from work.configs.saved_options import with_saved
from work.errors import run
from work.progress import loading

EXAMPLES = r"""%(prog)s --out served \
    --checkpoint_path work/pretrained_models/sam_ffhq_aging.pdparams"""
ALL = ("paddle", "onnx", "openvino")


@dataclass
class ExportOptions(ModelOptions):
    """The flags of this script."""

    checkpoint_path: str = option("", "weights of SAM or pSp: .pdparams, or an official .pt")
    out: str = option("", "folder for the graphs; at 1024 px a format takes 2.2 GB")
    format: Optional[str] = option(
        None, f"some of {','.join(ALL)}", shown="all whose package is installed"
    )

    def __post_init__(self) -> None:
        for flag in ("checkpoint_path", "out"):
            require(bool(getattr(self, flag)), f"--{flag} is needed")
        unknown = set(self.formats) - set(ALL)
        require(
            not unknown and bool(self.formats), f"--format {self.format}: some of {','.join(ALL)}"
        )

    @property
    def formats(self) -> list[str]:
        """The formats that were typed, or all."""
        if self.format is None:
            return list(ALL)
        return [word.strip() for word in self.format.split(",") if word.strip()]


def main(argv: list[str] | None = None) -> int:
    options = parse(ExportOptions, argv, __doc__, EXAMPLES)
    with loading():
        from work import runtime
        from work.inference.export import export
        from work.loading import load_psp
        from work.models.checkpoint import read_checkpoint

    runtime.setup("cpu", seed=0)
    checkpoint = read_checkpoint(options.checkpoint_path)
    merged = with_saved(options, checkpoint.opts or {}, ModelOptions)
    net = load_psp(checkpoint, merged, options.checkpoint_path)
    out, optional = Path(options.out), options.format is None
    code = export(net, checkpoint.state_dict, out, options.formats, optional)
    print(f"graphs and export.json in {out}")
    return code


if __name__ == "__main__":
    sys.exit(run(main))

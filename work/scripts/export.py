"""Export SAM, pSp or the direct network to Paddle Inference, ONNX and OpenVINO, each compared with Paddle.

`--format half` writes the weights of SAM or pSp to one file of half the size instead, which every script takes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.flags import option, require
from work.configs.kinds import REAGING
from work.configs.options import ModelOptions
from work.configs.saved_options import with_saved
from work.errors import run
from work.progress import loading

EXAMPLES = r"""%(prog)s --out served \
    --checkpoint_path work/pretrained_models/sam_ffhq_aging.pdparams"""
ALL = ("paddle", "onnx", "openvino")
HALF = "half"


@dataclass
class ExportOptions(ModelOptions):
    """The flags of this script."""

    checkpoint_path: str = option(
        "", "weights of SAM, pSp or the direct network: .pdparams, or an official .pt"
    )
    out: str = option("", "folder for the graphs; at 1024 px a format takes 2.2 GB")
    format: Optional[str] = option(
        None, f"some of {','.join(ALL)}, or {HALF}", shown="all whose package is installed"
    )

    def __post_init__(self) -> None:
        for flag in ("checkpoint_path", "out"):
            require(bool(getattr(self, flag)), f"--{flag} is needed")
        unknown = set(self.formats) - set(ALL)
        fits = self.formats == [HALF] or (bool(self.formats) and not unknown)
        require(fits, f"--format {self.format}: some of {','.join(ALL)}, or {HALF}")

    @property
    def formats(self) -> list[str]:
        """The formats that were typed, or all."""
        if self.format is None:
            return list(ALL)
        return [word.strip() for word in self.format.split(",") if word.strip()]


def _parts(source: Path, options: ExportOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """The graphs of the model in a file, and what is to be known of it."""
    from work.inference import direct
    from work.inference.export_parts import reaging_parts, sam_parts
    from work.loading import load_psp, open_model
    from work.models.reaging.shipped import load_reager

    checkpoint = open_model(source)
    if checkpoint.kind == REAGING:
        shipped = load_reager(source)
        table = {name: value.tolist() for name, value in shipped.nominal.arrays().items()}
        return reaging_parts(shipped.net, direct.SIZE), {"output_size": direct.SIZE, **table}
    merged = with_saved(options, checkpoint.opts or {}, ModelOptions)
    net = load_psp(checkpoint, merged, options.checkpoint_path)
    about = {"output_size": net.output_size, "n_styles": net.n_styles}
    return sam_parts(net, checkpoint.state_dict), about


def main(argv: list[str] | None = None) -> int:
    options = parse(ExportOptions, argv, __doc__, EXAMPLES)
    with loading():
        from work import runtime
        from work.inference.export import export, write_half

    runtime.setup("cpu", seed=0)
    if options.formats == [HALF]:
        print(write_half(Path(options.checkpoint_path), Path(options.out)))
        return 0
    parts, about = _parts(Path(options.checkpoint_path), options)
    out, optional = Path(options.out), options.format is None
    code = export(parts, about, out, options.formats, optional)
    print(f"graphs and export.json in {out}")
    return code


if __name__ == "__main__":
    sys.exit(run(main))

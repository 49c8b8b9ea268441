"""Hashes of what the scripts write, to show that a redesign changes no picture and no number.

    python benchmarks/output_hashes.py --out before     # prints a hash per file, and writes before/hashes.txt
    python benchmarks/output_hashes.py --out after && diff before/hashes.txt after/hashes.txt

A fixed set of commands on the CPU with fixed seeds: grids, photos, films, mixing, metrics, two training steps,
conversion, the projector. About six minutes on two cores; the same machine and packages give the same hashes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "golden")]

DATA = ROOT / "tests" / "data"
# Files that hold seconds, dates or paths.
LEFT_OUT = ("stats.txt", "hashes.txt", "opt.json", "timestamp.txt", ".log", ".jsonl")
EMBEDDED = "--device=cpu --seed=0 --model=embedded --refine=4"
TINY = "--device=cpu --seed=0 --engine=paddle --checkpoint_path=tiny_sam.pdparams"
MIXED = f"{TINY} --data_path=crops --target_age=50 --latent_mask=2,3 --n_outputs_to_generate=2"

# Run one after another in the output folder.
COMMANDS = f"""
align_all_parallel.py --root_path photos --out_path crops --device cpu
inference_side_by_side.py --exp_dir=grids --data_path=crops --target_age=20,70 --resize_outputs {EMBEDDED}
inference.py --exp_dir=aged --data_path=crops --target_age=20,60 --couple_outputs --resize_outputs {EMBEDDED}
inference.py --exp_dir=relative --data_path=crops --target_age=+20 --blend=generator --n_images=1 {EMBEDDED}
inference_side_by_side.py --exp_dir=sam --data_path=crops --target_age=0,+30,100 {TINY}
inference.py --exp_dir=sam --data_path=crops --target_age=0,100 --blend=composite --couple_outputs {TINY}
style_mixing.py --exp_dir=sam {MIXED}
reference_guided_inference.py --exp_dir=sam --ref_images_paths_file=refs.txt --mix_alpha=0.4 {MIXED}
age_photo.py photos/07.jpg photo_70.png --target_age 70 {EMBEDDED}
age_photo.py photos photos_aged --target_age=-10,+20 {EMBEDDED}
age_photo.py photos/07.jpg photo_sam.png --target_age 70 {TINY}
lifespan_video.py photos/07.jpg film.mp4 --seconds=1 --fps=8 --film_size=128 --caption {EMBEDDED}
lifespan_video.py photos/07.jpg film.gif --seconds=1 --fps=8 --film_size=128 --side_by_side --blend=composite {TINY}
lifespan_video.py --interpolate photos/07.jpg photos/15.jpg between.webp --seconds=1 --fps=8 --film_size=128 {EMBEDDED}
project.py photos/07.jpg --output=projected --step=3 --target_age=60 --save_mp4 --lpips_net=alex --device=cpu
calc_losses_on_images.py --data_path=aged/inference_results --gt_path=crops --out_path=scores --device=cpu
calc_losses_on_images.py --mode=l2 --data_path=aged/inference_results --gt_path=crops --out_path=scores --device=cpu
calc_id_loss_parallel.py --data_path=aged/inference_results --gt_path=crops --out_path=scores --network=dlib
calc_age_error.py --data_path=aged/inference_results --out_path=scores --network=age_v1 --device=cpu
"""


def prepare(out: Path) -> None:
    """Photos, a list of references, a tiny SAM, and a PyTorch file to convert."""
    import numpy as np
    import weights

    from convert_weights.torch_writer import State, write_torch
    from tests.golden_weights import save_tiny_sam

    (out / "photos").mkdir(parents=True)
    for path in DATA.glob("*.jpg"):
        (out / "photos" / path.name).write_bytes(path.read_bytes())
    (out / "refs.txt").write_text("photos/03.jpg\nphotos/15.jpg\n")
    save_tiny_sam(out / "tiny_sam.pdparams")
    filled = weights.fill(weights.load_manifest("lpips_lin_alex"), 1)
    heads = {name: np.asarray(array) for name, array in filled.items()}
    write_torch(out / "heads.pt", State(heads))


def run(out: Path) -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "golden")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}

    def call(*words: object) -> None:
        print("$", *words[1:], flush=True)
        subprocess.run([str(word) for word in words], cwd=out, env=environment, check=True)

    for line in COMMANDS.strip().splitlines():
        script, *flags = line.split()
        call(sys.executable, ROOT / "work" / "scripts" / script, *flags)
    converter = ROOT / "convert_weights"
    call(sys.executable, converter / "convert.py", "heads.pt", "heads.pdparams")
    call(sys.executable, converter / "export_torch.py", "heads.pdparams", "heads_again.pt")
    kit = "from pathlib import Path; from tests.unit import training_kit as kit; kit.faces(Path('faces'))"
    call(sys.executable, "-c", kit)
    from tests.unit import training_kit

    small = [
        *training_kit.SMALL,
        "--train_root=faces/train",
        "--test_root=faces/test",
        "--max_steps=2",
    ]
    for name, flags in (("sam", training_kit.SAM), ("psp", training_kit.PSP_FLAGS)):
        call(
            sys.executable,
            "-m",
            "tests.unit.training_kit",
            f"--exp_dir=train_{name}",
            *flags,
            *small,
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    out = parser.parse_args().out.resolve()
    prepare(out)
    run(out)
    files = sorted(p for p in out.rglob("*") if p.is_file() and not p.name.endswith(LEFT_OUT))
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()[:16]}  {p.relative_to(out)}" for p in files
    ]
    (out / "hashes.txt").write_text("\n".join(lines) + "\n")
    print(*lines, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

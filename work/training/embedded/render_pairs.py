"""Draws codes and renders them at 256 px: pairs of code and picture for fitting the encoder and the age path.

Half of the codes are samples of w. The other half lie in W+, as the codes of photos do: two samples crossed at a
random layer, or one with whitened noise on every layer. With `--age_axis` codes also move along the age axis, because
old people and small children are rare among samples.

    python -m work.training.embedded.render_pairs --out pairs --count 5000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from convert_weights.openvino_ir import mapped_samples
from work.configs.flags import require
from work.errors import run
from work.models.mobile_stylegan import N_STYLES
from work.training.arrays import save_arrays
from work.training.whitening import whitening

CHUNK = 100


def draw_codes(
    mapped: np.ndarray, mean: np.ndarray, scatter: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    """W+ codes [N // 2, N_STYLES, 512] from N mapped samples [N, 512]; `scatter` [512, 512]: see `whitening`."""
    first, second = mapped[0::2], mapped[1::2]
    codes = np.repeat(first[:, None], N_STYLES, axis=1)
    for index in range(len(first)):
        choice = rng.rand()
        if choice < 0.25:
            codes[index, rng.randint(2, 16) :] = second[index]
        elif choice < 0.5:
            noise = rng.uniform(0.1, 0.4) * rng.standard_normal((N_STYLES, 512))
            codes[index] += noise @ scatter
        truncation = rng.uniform(0.6, 1.0)  # most photos lie nearer to the mean than samples do
        codes[index] = mean + truncation * (codes[index] - mean)
    return codes.astype(np.float32)


def render_chunk(generator, number: int, seed: int, base, age_axis: np.ndarray | None):
    """Codes [CHUNK, N_STYLES, 512] and 256 px uint8 images [CHUNK, 256, 256, 3] of chunk `number`."""
    import paddle
    import paddle.nn.functional as F

    mean, scatter = base
    rng = np.random.RandomState(seed + number)
    with paddle.no_grad():
        z = rng.standard_normal((2 * CHUNK, 512)).astype(np.float32)
        codes = draw_codes(generator.map(paddle.to_tensor(z)).numpy(), mean, scatter, rng)
        if age_axis is not None:
            codes += (rng.uniform(-1, 1, (CHUNK, 1, 1)) * age_axis).astype(np.float32)
        images = []
        for code in codes:
            image = F.avg_pool2d(generator(paddle.to_tensor(code[None]), half=True), 2)
            pixels = (image[0].numpy().transpose(1, 2, 0) * 127.5 + 127.5).round().clip(0, 255)
            images.append(pixels.astype(np.uint8))
    return codes, images


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for chunk_NNNN.npz and .jpg strips"
    )
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first chunk")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument(
        "--age_axis", type=Path, help=".npy [512]: codes move up to this far both ways"
    )
    args = parser.parse_args(argv)

    from work import runtime
    from work.inference.engines.mobile import fast_generator
    from work.loading import load_network
    from work.models.checkpoint import read_checkpoint
    from work.models.pretrained import weights_path

    require(args.count % CHUNK == 0 and args.count > 0, f"--count is a multiple of {CHUNK}")
    runtime.setup("auto", args.seed)
    checkpoint = read_checkpoint(weights_path("mobile_stylegan"))
    net = load_network("mobile_stylegan").freeze()
    generator = fast_generator(net, "auto", "fp32")
    samples = mapped_samples(checkpoint.state_dict, count=10000, seed=args.seed)
    base = (checkpoint.latent_avg, whitening(samples))
    axis = np.load(args.age_axis) if args.age_axis else None
    args.out.mkdir(parents=True, exist_ok=True)
    for number in range(args.first, args.first + args.count // CHUNK):
        path = args.out / f"chunk_{number:04d}.npz"
        if path.exists():
            continue
        codes, images = render_chunk(generator, number, args.seed, base, axis)
        strip = Image.fromarray(np.concatenate(images))
        strip.save(path.with_suffix(".jpg"), quality=95)
        save_arrays(path, codes=codes.astype(np.float16))
        print(f"{path.name}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))

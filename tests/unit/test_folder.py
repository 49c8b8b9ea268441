from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from work.datasets.folders import ImageFolder, Writer, result_names, without_results
from work.datasets.images import read_image
from work.datasets.transforms import to_input, to_picture
from work.errors import UserError
from work.report import Report


def make(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", (40, 50), (i, 2 * i, 255 - i)).save(folder / f"{i:02}.png")


@pytest.mark.parametrize("workers", [0, 3])
def test_batches_keep_the_order_and_the_last_incomplete_one(tmp_path, workers):
    make(tmp_path, 7)
    (tmp_path / "03.png").write_bytes(b"not a picture")
    (tmp_path / "05.png").write_bytes(b"")
    report = Report()
    found = list(ImageFolder(tmp_path, read_image, report, 2, workers).batches())
    assert [[name.name for name in names] for names, _ in found] == [
        ["00.png", "01.png"],
        ["02.png", "04.png"],
        ["06.png"],
    ]
    assert [image.size for image in found[0][1]] == [(40, 50)] * 2
    assert [error.path.name for error in report.failed] == ["03.png", "05.png"]


def test_the_bar_moves_within_a_batch(tmp_path, capsys):
    make(tmp_path, 3)
    folder = ImageFolder(tmp_path, read_image, Report(), 2)
    done = []
    for _ in folder.batches():
        folder.move(0.5)
        done.append(folder._bar.done)
    assert done == [1.0, 2.5] and capsys.readouterr().err.startswith("3/3 img in")


def test_n_images_and_a_single_file(tmp_path):
    make(tmp_path, 3)
    assert len(ImageFolder(tmp_path, read_image, Report(), n_images=2).paths) == 2
    assert ImageFolder(tmp_path / "01.png", read_image, Report()).names == [Path("01.png")]


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no image"):
        ImageFolder(tmp_path, read_image, Report())
    with pytest.raises(UserError, match="nowhere"):
        ImageFolder(tmp_path / "nowhere", read_image, Report())


PATHS = [Path("r") / name for name in ("a.jpg", "a.png", "b.heic", "B.png", "sub/a.jpg")]


def test_results_never_overwrite_each_other():
    names = result_names(PATHS, Path("r"))  # "r" is no folder here: its parent counts
    assert [str(name) for name in names] == [
        "r/a.jpg", "r/a.png", "r/b_heic.png", "r/B_png.png", "r/sub/a.jpg",
    ]  # fmt: skip


def test_results_of_another_kind_never_overwrite_each_other():
    names = [str(name) for name in result_names(PATHS, Path("r"), ".mp4")]
    assert names[:2] == ["r/a_jpg.mp4", "r/a_png.mp4"] and names[4] == "r/sub/a.mp4"
    assert len({name.lower() for name in names}) == len(PATHS)


def test_results_within_a_folder_are_not_its_images(tmp_path):
    photos, results = tmp_path / "photos", tmp_path / "photos" / "crops"
    paths = [photos / "a.jpg", results / "a.jpg", photos / "crops_of_mine" / "b.jpg"]
    assert without_results(paths, photos, results) == [paths[0], paths[2]]
    assert without_results(paths, photos, tmp_path / "crops") == paths
    with pytest.raises(UserError, match="no image in .* but those in"):
        without_results(paths[1:2], photos, results)


def test_exit_codes_and_summary(tmp_path, capsys):
    assert Report(done=3).finish(tmp_path) == 0
    error = pytest.raises(UserError, ImageFolder, tmp_path, read_image, Report()).value
    assert Report(done=3, failed=[error]).finish(tmp_path) == 1
    assert "1 of 4 images failed" in capsys.readouterr().err
    assert Report(failed=[error]).finish(tmp_path) == 2


def test_writer_raises_what_went_wrong(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder is needed")
    with pytest.raises((UserError, OSError)):
        with Writer() as writer:
            writer.save(Image.new("RGB", (8, 8)), blocked / "x.png")


def test_transforms_are_torchvisions():
    """Bilinear with anti-aliasing, (x - 0.5) / 0.5; back: clipped and truncated."""
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    )
    values = to_input(picture, 32)
    expected = np.asarray(picture.resize((32, 32), Image.BILINEAR), np.float32) / 255
    np.testing.assert_allclose(values, (expected.transpose(2, 0, 1) - 0.5) / 0.5, atol=1e-6)
    back = np.asarray(to_picture(np.full((3, 2, 2), 0.4999, np.float32)))
    assert back[0, 0, 0] == int((0.4999 + 1) / 2 * 255)
    assert np.asarray(to_picture(np.full((3, 2, 2), 7.0, np.float32))).max() == 255


def test_a_longer_name_does_not_hit_a_third_file():
    paths = [Path("r/a.heic"), Path("r/a.png"), Path("r/a_png.png")]
    assert result_names(paths, Path("r/x")) == [
        Path(n) for n in ("a_heic.png", "a_png_2.png", "a_png.png")
    ]
    paths = [Path("r/a.jpg"), Path("r/a.png"), Path("r/a_jpg.jpg")]
    names = result_names(paths, Path("r/x"), ".mp4")
    assert len({str(name).lower() for name in names}) == 3

"""align_all_parallel, age_photo and the metrics, as a user calls them."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from work.configs.photo_options import PhotoOptions
from work.configs.target_age import Target
from work.datasets.images import read_image, save_image
from work.errors import UserError
from work.faces.align import align
from work.faces.detect import FaceDetector
from work.metrics import id_similarity
from work.scripts import align_all_parallel, calc_age_error, calc_all, calc_losses_on_images

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path, portraits, fetched):
    """Two portraits, a photo of both, one without a face, and files that are no photos."""
    fetched("mtcnn")
    fetched("age_v1")
    root = tmp_path / "photos"
    save_image(portraits[1], root / "a.png")
    save_image(portraits[2], root / "sub" / "b.jpg")
    both = Image.new("RGB", (500, 275), (70, 80, 100))
    both.paste(portraits[1], (0, 0))
    both.paste(portraits[2], (260, 0))
    save_image(both, root / "both.png")
    save_image(Image.new("RGB", (80, 80), "green"), root / "green.png")
    (root / "empty.jpg").touch()
    (root / "text.jpg").write_text("not an image")
    (root / "cut.jpg").write_bytes((root / "sub" / "b.jpg").read_bytes()[:2000])
    return root


def crops(out):
    return sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.suffix in (".png", ".jpg"))


def test_align_in_two_processes_and_again(folder, capsys):
    out = folder.with_name("photos_crops")
    command = [sys.executable, "work/scripts/align_all_parallel.py", "--root_path", str(folder)]
    result = subprocess.run(
        [*command, "--num_threads", "2"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1, result.stderr
    for name in ("empty.jpg", "text.jpg", "cut.jpg"):
        assert f"failed: {folder / name}" in result.stdout
    assert crops(out) == ["a.png", "both.png", "sub/b.jpg"]
    assert (out / "no_face.txt").read_text() == f"{folder / 'green.png'}\n"
    assert read_image(out / "a.png").size == (256, 256)
    before = (out / "a.png").stat().st_mtime_ns
    assert align_all_parallel.main(["--root_path", str(folder)]) == 1
    assert "3 of 7 are aligned already" in capsys.readouterr().out
    assert (out / "a.png").stat().st_mtime_ns == before


def test_align_all_faces(folder, tmp_path):
    out = tmp_path / "out"
    arguments = ["--root_path", str(folder / "both.png"), "--out_path", str(out)]
    assert align_all_parallel.main([*arguments, "--all_faces", "--output_size", "64"]) == 0
    assert crops(out) == ["both_0.png", "both_1.png"]
    photo = read_image(folder / "both.png")
    found = FaceDetector()(photo)
    for number, points in enumerate(found.landmarks[:2]):
        crop = np.asarray(align(photo, points, 64).image)
        assert np.array_equal(np.asarray(read_image(out / f"both_{number}.png")), crop)


def test_losses_and_ages_of_result_folders(folder, tmp_path, capsys):
    results = tmp_path / "results"
    for age in ("20", "60"):
        save_image(read_image(folder / "a.png"), results / age / "a.png")
    save_image(read_image(folder / "green.png"), results / "60" / "green.png")
    save_image(read_image(folder / "a.png"), results / "60" / "alone.png")
    arguments = ["--data_path", str(results), "--gt_path", str(folder), "--mode", "l2"]
    assert calc_losses_on_images.main(arguments) == 1
    assert "no picture of the name alone.png" in capsys.readouterr().out
    stat = (tmp_path / "inference_metrics" / "stat_l2.txt").read_text()
    assert stat.startswith("Average loss is 0.00+-0.00\n")
    arguments = ["--data_path", str(results), "--num_threads", "1", "--network", "age_v1"]
    assert calc_age_error.main(arguments) == 1
    out = capsys.readouterr().out
    assert "green.png: no face found" in out and "rising steps: 0.0000" in out


def test_all_metrics_in_one_table(folder, tmp_path, fetched, capsys):
    for name in ("alexnet", "lpips_alex", "dlib_face"):
        fetched(name)
    for age in ("20", "60"):
        save_image(read_image(folder / "a.png"), tmp_path / "inference_results" / age / "a.png")
    arguments = [f"--data_path={tmp_path / 'inference_results'}", f"--gt_path={folder}"]
    networks = ["--id_network=dlib", "--age_network=age_v1", "--num_threads=1"]
    assert calc_all.main([*arguments, *networks]) == 0
    with open(tmp_path / "inference_metrics" / "table.csv", newline="") as file:
        rows = {row["age"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["20", "60", "all"] and rows["all"]["n"] == "2"
    assert float(rows["20"]["LPIPS"]) == float(rows["20"]["identity distance"]) == 0
    errors = [float(rows[age]["age error"]) for age in ("20", "60")]
    assert sum(errors) == pytest.approx(40, abs=1e-3)  # the same face, between 20 and 60
    assert float(rows["all"]["age error"]) == pytest.approx(20, abs=1e-3)
    flat = [f"--data_path={tmp_path / 'inference_results' / '20'}", f"--gt_path={folder}"]
    assert calc_all.main([*flat, *networks]) == 0
    assert "no age error" in capsys.readouterr().out


def test_identity_scores_tell_people_apart(fetched, portraits, tmp_path):
    for name in ("mtcnn", "dlib_face"):
        fetched(name)
    for number in (1, 2):
        save_image(portraits[number], tmp_path / "gt" / f"{number}.png")
        save_image(portraits[1], tmp_path / "results" / "20" / f"{number}.png")
    folders = tmp_path / "results", tmp_path / "gt"
    found = id_similarity.measure(*folders, 1, "dlib", "cpu").values["20"]
    assert found["1.png"] == 0 and 0.6 < found["2.png"] < 1.5
    embedder = id_similarity.FaceEmbedder.__new__(id_similarity.FaceEmbedder)
    embedder.network = "curricularface"
    cosine = embedder.compare(np.float32([0.6, 0.8]), np.float32([0.8, 0.6]))
    assert cosine == pytest.approx(0.96)


def test_target_ages():
    assert Target("70").years(30) == 70
    assert (Target("+20").years(90), Target("-15").years(40), Target("-50").years(40)) == (
        100,
        25,
        0,
    )
    for text in ("101", "x", "-101", "nan"):
        with pytest.raises(UserError, match="target_age"):
            PhotoOptions(target_age=f"20,{text}")


@pytest.fixture
def age_photo(light_sam, monkeypatch, capsys):
    """Calls the script with a light SAM."""
    from work.scripts import age_photo as script

    def call(*arguments):
        model = ["--checkpoint_path", str(light_sam), "--device=cpu", "--engine=paddle"]
        return script.main([*map(str, arguments), *model])

    return call


def test_age_photo_changes_heads_only(age_photo, folder, tmp_path):
    from work.faces.align import ffhq_quad
    from work.faces.detect import FaceDetector
    from work.faces.head_mask import head_mask
    from work.faces.paste import NewFace

    out = tmp_path / "aged.png"
    assert (
        age_photo(
            folder / "both.png",
            out,
            "--target_age",
            "-10,+30",
            "--per_face",
            "--blend",
            "generator",
        )
        == 0
    )
    before, after = np.asarray(read_image(folder / "both.png")), np.asarray(read_image(out))
    x, y = np.meshgrid(np.arange(before.shape[1]) + 0.5, np.arange(before.shape[0]) + 0.5)
    heads = np.zeros(before.shape[:2], bool)
    landmarks = FaceDetector()(Image.fromarray(before)).landmarks
    assert len(landmarks) == 2
    for points in landmarks:
        head = head_mask(*NewFace(None, ffhq_quad(points)).to_crop(x, y)) > 0
        assert (before[head] != after[head]).any(axis=1).mean() > 0.5
        heads |= head
    assert np.array_equal(before[~heads], after[~heads]) and heads.mean() < 0.7


def test_age_photo_on_a_folder(age_photo, folder, tmp_path, capsys):
    (folder / "both.png").unlink()
    assert age_photo(folder, tmp_path / "out", "--largest", "--target_age", "20,60") == 1
    assert crops(tmp_path / "out") == ["a_20.png", "a_60.png", "sub/b_20.jpg", "sub/b_60.jpg"]
    captured = capsys.readouterr()
    assert "green.png: no face" in captured.err and "4 of 6 images failed" in captured.err
    assert "estimated at" in captured.out


def test_age_photo_with_more_ages_than_faces(age_photo, folder, tmp_path, capsys):
    assert (
        age_photo(folder / "a.png", tmp_path / "x.png", "--per_face", "--target_age", "20,60") == 2
    )
    assert "2 target ages for 1 face" in capsys.readouterr().err

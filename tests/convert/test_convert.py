"""The command line: convert, verify, export and back, whole files only."""

from __future__ import annotations

import pickle
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convert_weights import convert, export_torch, plan, verify
from convert_weights.reader import read
from convert_weights.torch_writer import State, write_torch
from convert_weights.writer import write_pdparams
from tests.convert.helpers import FILES, lpips_alex, manifest, run, write_lpips

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lpips(tmp_path):
    return write_lpips(tmp_path / "alex.pt")


def test_convert_prints_the_table_and_verifies(lpips, tmp_path, capsys):
    out = tmp_path / "folder" / "lpips_alex.pdparams"
    assert run(convert.main, lpips, out) == 0
    printed = capsys.readouterr().out
    assert "lpips_alex, PyTorch zip" in printed
    assert "lin#.model.1.weight" in printed and "lin.#.weight" in printed and "5 tensors" in printed
    assert run(verify.main, lpips, out) == 0
    assert "5 tensors of kind lpips_alex" in capsys.readouterr().out
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_numpy_and_paddle_read_the_result(lpips, tmp_path):
    import paddle

    out = tmp_path / "x.pdparams"
    run(convert.main, lpips, out)
    first = lpips_alex()["lin0.model.1.weight"]
    assert np.array_equal(pickle.loads(out.read_bytes())["state_dict"]["lin.0.weight"], first)
    loaded = paddle.load(str(out))
    assert loaded["kind"] == "lpips_alex" and np.array_equal(
        loaded["state_dict"]["lin.0.weight"].numpy(), first
    )
    assert b"numpy._core" not in out.read_bytes()  # numpy 1 has no module of that name


@pytest.mark.parametrize("kind", ["half", "bfloat", "double"])
def test_floating_numbers_become_float32(tmp_path, kind, capsys):
    source = read(FILES / "zip.pt").data["state_dict"][kind]
    write_pdparams(tmp_path / "x.pdparams", "demo", {"x": plan.Converted(source)})
    found = read(tmp_path / "x.pdparams").data["state_dict"]["x"].numpy()
    assert found.dtype == np.float32 and np.array_equal(found, source.numpy().astype(np.float32))


def test_half_precision_checkpoint(tmp_path, capsys):
    halves = {name: value.astype(np.float16) for name, value in lpips_alex().items()}
    write_torch(tmp_path / "half.pt", State(halves))
    assert run(convert.main, tmp_path / "half.pt", tmp_path / "x.pdparams") == 0
    assert "float16 -> float32" in capsys.readouterr().out
    assert run(verify.main, tmp_path / "half.pt", tmp_path / "x.pdparams") == 0


def test_options_survive_as_plain_data(tmp_path):
    options = {"a": [1, 2.5, None, True], "path": "/x", "nested": {"b": "c"}, "big": 2**80}
    write_pdparams(tmp_path / "x.pdparams", "demo", {}, None, options)
    assert pickle.loads((tmp_path / "x.pdparams").read_bytes())["opts"] == options
    assert read(tmp_path / "x.pdparams").data["opts"] == options


def nothing_written(folder, before):
    return sorted(p.name for p in folder.iterdir()) == before


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(
    "content, message",
    [
        (None, "No such file"),
        (b"", "is empty"),
        ("half", "zip"),
        (b"\x80\x02cposix\nsystem\nX\x0b\x00\x00\x00touch /tmp/x\x85R.", "refuses posix.system"),
        (pickle.dumps({"a": np.zeros(3)}), "no known kind"),
    ],
)
def test_bad_files_leave_nothing_behind(tmp_path, capsys, content, message, existing, lpips):
    source, out = tmp_path / "in.pt", tmp_path / "out.pdparams"
    if content is not None:
        source.write_bytes(lpips.read_bytes()[:3000] if content == "half" else content)
    if existing:
        out.write_bytes(b"older")
    before = sorted(p.name for p in tmp_path.iterdir())
    assert run(convert.main, source, out) == 2
    error = capsys.readouterr().err
    assert (
        error.startswith("error: ")
        and error.count("\n") == 1
        and str(source) in error
        and message in error
    )
    assert nothing_written(tmp_path, before)
    assert not existing or out.read_bytes() == b"older"


def test_a_tensor_that_turns_out_damaged_while_writing(tmp_path, lpips, capsys):
    content = bytearray(lpips.read_bytes())
    place = content.index(lpips_alex()["lin4.model.1.weight"].tobytes())
    content[place] ^= 1
    (tmp_path / "bad.pt").write_bytes(bytes(content))
    before = sorted(p.name for p in tmp_path.iterdir())
    assert run(convert.main, tmp_path / "bad.pt", tmp_path / "out.pdparams") == 2
    assert "checksum" in capsys.readouterr().err and nothing_written(tmp_path, before)


def test_ctrl_c_leaves_nothing_behind(tmp_path, lpips, monkeypatch):
    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(plan.Converted, "numpy", stop)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert run(convert.main, lpips, tmp_path / "out.pdparams") == 130
    assert nothing_written(tmp_path, before)


def test_names_of_outputs(tmp_path, lpips, capsys):
    same = tmp_path / "same.pdparams"
    same.write_bytes(lpips.read_bytes())
    assert run(convert.main, same, same) == 2 and "overwrite" in capsys.readouterr().err
    assert (
        run(convert.main, lpips, tmp_path / "x.pt") == 2
        and "must end in .pdparams" in capsys.readouterr().err
    )
    assert run(convert.main, lpips, tmp_path / "alex.pt" / "x.pdparams") == 2
    assert "cannot be written" in capsys.readouterr().err
    assert run(convert.main, lpips, tmp_path / "y.pdparams", "--kind", "vgg16") == 2
    assert "those of a lpips_alex checkpoint" in capsys.readouterr().err
    assert (
        run(export_torch.main, lpips, tmp_path / "z.pt") == 2
        and "already" in capsys.readouterr().err
    )
    assert run(export_torch.main, same, tmp_path / "z.bin") == 2


def test_a_whole_folder(tmp_path, capsys):
    downloads, out = tmp_path / "in", tmp_path / "out"
    downloads.mkdir()
    write_lpips(downloads / "aaa.pth")
    write_lpips(downloads / "alex.pth")
    (downloads / "readme.txt").write_text("not a checkpoint")
    vgg = State(
        {
            n: np.zeros(s["shape"], np.float32)
            for s in manifest("lpips_lin_vgg")
            for n in [s["name"]]
        }
    )
    write_torch(downloads / "vgg.pth", vgg)
    assert run(convert.main, "--all", downloads, "--out", out) == 1  # two files of one kind
    assert sorted(p.name for p in out.iterdir()) == ["lpips_alex.pdparams", "lpips_vgg.pdparams"]
    captured = capsys.readouterr()
    assert (
        "2 converted" in captured.out
        and "1 failed" in captured.out
        and "lpips_alex like" in captured.err
    )
    (downloads / "aaa.pth").unlink()
    assert run(convert.main, "--all", downloads, "--out", out) == 0
    for name in ("alex.pth", "vgg.pth"):
        (downloads / name).write_bytes(b"")
    assert run(convert.main, "--all", downloads, "--out", out) == 2
    assert run(convert.main, "--all", tmp_path / "none") == 2
    assert run(convert.main, "--all", out, "--out", out) == 2  # holds no file to convert


def seconds_of_children():
    """CPU time, which does not grow with what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("script", ["convert.py", "verify.py", "export_torch.py"])
def test_help_is_quick_and_has_an_example(script, tmp_path):
    best = 9.0
    for _ in range(3):
        start = seconds_of_children()
        command = [sys.executable, str(ROOT / "convert_weights" / script), "--help"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        best = min(best, seconds_of_children() - start)
    assert f"  python {command[1]}" in done.stdout  # in the examples
    assert best < 0.5, best


def test_no_torch_and_no_paddle_are_imported(lpips, tmp_path):
    code = (
        "import sys; from convert_weights import convert, verify, export_torch\n"
        f"convert.main([{str(lpips)!r}, {str(tmp_path / 'o.pdparams')!r}])\n"
        f"export_torch.main([{str(tmp_path / 'o.pdparams')!r}, {str(tmp_path / 'o.pt')!r}])\n"
        "print({'torch', 'paddle'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("set()")

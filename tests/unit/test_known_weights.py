"""The table of known weights, the script over it, and the ONNX reader."""

from __future__ import annotations

import importlib
import struct
import subprocess
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from convert_weights.onnx import read_initializers
from tests.convert.other_formats import field, varint
from work import installation
from work.configs.weights import DEFAULT_WEIGHTS, KNOWN_WEIGHTS
from work.errors import UserError, run
from work.models import pretrained
from work.models.checkpoint import read_checkpoint
from work.scripts import get_weights

ROOT = installation.ROOT


@pytest.mark.parametrize("entry", KNOWN_WEIGHTS.values(), ids=list(KNOWN_WEIGHTS))
def test_every_entry_says_how_to_get_it(entry):
    assert entry.file.endswith(".pdparams") and entry.purpose and entry.licence and entry.source
    if entry.package:
        assert "==" in entry.package and len(entry.sha256) == 64 and entry.members
        module, _, function = entry.converter.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
    else:
        assert entry.page.startswith("https://") and entry.fetched
    assert not entry.url or entry.url.startswith("https://paddlegan.bj.bcebos.com/models/")


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pretrained, "PACKAGE_FOLDER", tmp_path / "package")
    return tmp_path


def test_list_shows_all(empty, capsys):
    assert get_weights.main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name}  (not here)" in out for name in KNOWN_WEIGHTS)


def test_commands_in_messages_work_from_where_the_user_stands(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["scripts/inference.py"])
    for place in (ROOT, ROOT / "work", ROOT / "work" / "scripts", tmp_path):
        monkeypatch.chdir(place)
        for name in ("convert", "get_weights"):
            python, script = installation.command(name).split()
            assert python == "python" and (place / script).is_file()
    monkeypatch.chdir(ROOT)
    assert installation.command("convert") == "python convert_weights/convert.py"


def test_what_a_person_has_to_fetch_comes_with_page_and_command(empty, capsys):
    assert get_weights.main(["sam"]) == 2
    error = capsys.readouterr().err
    assert "sam_ffhq_aging.pt from https://" in error and "convert.py sam_ffhq_aging.pt" in error


def test_what_is_there_is_not_fetched(empty, capsys):
    path = empty / "package" / KNOWN_WEIGHTS["sam"].file
    path.parent.mkdir()
    path.touch()
    assert get_weights.main(["sam", "psp"]) == 1
    assert str(path) in capsys.readouterr().out
    assert pretrained.weights_path("sam") == path


def test_unknown_names_are_an_error_that_lists_the_known(empty, capsys):
    assert run(lambda: get_weights.main(["nothing"])) == 2
    assert "mtcnn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("lin_alex.pdparams", "lpips_alex"),
        ("psp_ffhq_inverse.pdparams", "psp"),
        ("pSp-ffhq-inversion.pdparams", "psp"),
        ("CurricularFace_Backbone.paparams", "curricularface"),
        ("stylegan2-ffhq-config-f.pdparams", "stylegan2"),
    ],
)
def test_files_are_found_under_the_names_of_the_port_and_of_paddlegan(empty, file, name):
    path = empty / "package" / file
    path.parent.mkdir()
    path.touch()
    assert pretrained.weights_path(name) == path
    assert pretrained.known(file.rpartition(".")[0]).name == name


def test_our_own_name_comes_first(empty):
    for file in ("lin_alex.pdparams", "lpips_alex.pdparams"):
        path = empty / "cache" / file
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert pretrained.installed("lpips_alex").name == "lpips_alex.pdparams"


def test_gigabytes_are_not_fetched_unasked(empty):
    with pytest.raises(UserError) as error:
        pretrained.weights_path("psp")
    text = str(error.value)
    assert "get_weights.py psp " in text and "pSp-ffhq-inversion.pdparams" in text
    assert "psp_ffhq_encode.pt from https://" in text


@pytest.fixture(scope="module")
def cdn(tmp_path_factory):
    """A server with a small StyleGAN2 as PaddleGAN stores it."""
    import paddle

    from convert_weights.plan import make_plan
    from convert_weights.reader import read
    from convert_weights.torch_writer import write_torch
    from tests.convert.helpers import stylegan2_8

    folder = tmp_path_factory.mktemp("cdn")
    write_torch(folder / "official.pt", {"g_ema": stylegan2_8()})
    state = {n: t.numpy() for n, t in make_plan(read(folder / "official.pt")).state().items()}
    path = folder / "stylegan2-ffhq-config-f.pdparams"
    paddle.save({name: paddle.to_tensor(value) for name, value in state.items()}, str(path))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder, state
    server.shutdown()
    server.server_close()


def test_a_checkpoint_from_paddlegans_server(empty, cdn, capsys, monkeypatch):
    address, folder, state = cdn
    entry = replace(KNOWN_WEIGHTS["stylegan2"], url=f"{address}/stylegan2-ffhq-config-f.pdparams")
    monkeypatch.setitem(KNOWN_WEIGHTS, "stylegan2", entry)
    assert get_weights.main(["stylegan2-ffhq-config-f"]) == 0
    out = capsys.readouterr().out
    size = (folder / entry.file).stat().st_size
    assert f"{size} bytes (published nowhere)" in out
    found = read_checkpoint(empty / "cache" / entry.file)
    assert found.kind == "stylegan2" and set(found.state_dict) == set(state)
    assert all(np.array_equal(found.state_dict[name], state[name]) for name in state)
    downloads = sorted(path.name for path in (empty / "cache" / "downloads").iterdir())
    assert downloads == [f"{entry.file}.sha256"]

    (folder / entry.file).write_bytes(b"another file")
    assert get_weights.main(["stylegan2", "--force"]) == 2
    error = capsys.readouterr().err
    assert "another hash is noted" in error and "stylegan2-ffhq-config-f.pt from https" in error
    assert set(read_checkpoint(empty / "cache" / entry.file).state_dict) == set(state)


def test_default_is_what_the_embedded_model_needs(empty, capsys):
    (empty / "cache").mkdir()
    for name in DEFAULT_WEIGHTS:
        (empty / "cache" / KNOWN_WEIGHTS[name].file).touch()
    assert get_weights.main(["--default"]) == 0
    assert capsys.readouterr().out.count("already at") == len(DEFAULT_WEIGHTS)


def test_a_bundle_fills_another_cache(empty, capsys, tmp_path):
    (empty / "cache").mkdir()
    for name in ("mtcnn", "age_v1"):
        (empty / "cache" / KNOWN_WEIGHTS[name].file).write_text(name)
    target = tmp_path / "weights.tar"
    assert get_weights.main(["--bundle", str(target)]) == 0
    assert "mtcnn, age_v1" in capsys.readouterr().out
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["tar", "xf", str(target), "-C", str(other)], check=True)
    assert (other / "mtcnn.pdparams").read_text() == "mtcnn"
    assert len(list(other.iterdir())) == 2


def test_an_empty_bundle_is_an_error(empty, capsys, tmp_path):
    assert run(lambda: get_weights.main(["--bundle", str(tmp_path / "x.tar")])) == 2
    assert not (tmp_path / "x.tar").exists()


def tensor(name, array, dtype, packed):
    dims = [varint(n) for n in array.shape]
    shape = field(1, b"".join(dims)) if packed else b"".join(field(1, n) for n in array.shape)
    return shape + field(2, dtype) + field(8, name.encode()) + field(9, array.tobytes())


def onnx_file(path, *tensors):
    graph = field(2, b"graph") + b"".join(field(5, t) for t in tensors)
    path.write_bytes(field(1, 8) + b"\x15" + struct.pack("<f", 1.0) + field(7, graph))
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_onnx_tensors(tmp_path, packed):
    weight = np.arange(600, dtype=np.float32).reshape(2, 300)
    count = np.array([7, -1], np.int64)
    path = onnx_file(
        tmp_path / "a.onnx", tensor("w", weight, 1, packed), tensor("n", count, 7, packed)
    )
    tensors = read_initializers(path)
    assert list(tensors) == ["w", "n"]
    assert np.array_equal(tensors["w"], weight) and np.array_equal(tensors["n"], count)


def test_onnx_files_that_are_none(tmp_path):
    good = onnx_file(
        tmp_path / "good.onnx", tensor("w", np.ones((4, 4), np.float32), 1, False)
    ).read_bytes()
    wrong_size = field(1, 5) + field(2, 1) + field(8, b"w") + field(9, b"1234")
    elsewhere = field(1, 1) + field(2, 1) + field(8, b"w") + field(14, 1)
    for content in (b"", b"text", good[:-9], good[:30]):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(UserError, match="bad.onnx"):
            read_initializers(tmp_path / "bad.onnx")
    for part, reason in ((wrong_size, "no raw data"), (elsewhere, "another file")):
        with pytest.raises(UserError, match=reason):
            read_initializers(onnx_file(tmp_path / "bad.onnx", part))

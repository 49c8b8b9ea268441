"""There and back: convert, verify, export_torch."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
import weights

from convert_weights import convert, export_torch, verify
from convert_weights.reader import read
from convert_weights.torch_writer import State, write_torch
from convert_weights.writer import write_pdparams
from tests.convert.helpers import lpips_alex, manifest, run, stylegan2_8, write_lpips


@pytest.fixture
def lpips(tmp_path):
    return write_lpips(tmp_path / "alex.pt")


def test_round_trip_of_an_identity_network(tmp_path):
    """Batch norm, PReLU, a transposed linear layer, a dropped counter; then back to the same bytes."""
    state = State(weights.fill(manifest("model_ir_se50"), 1))
    write_torch(tmp_path / "a.pt", state)
    assert run(convert.main, tmp_path / "a.pt", tmp_path / "a.pdparams") == 0
    stored = read(tmp_path / "a.pdparams").data["state_dict"]
    assert np.array_equal(stored["output_layer.3.weight"].numpy(), state["output_layer.3.weight"].T)
    assert np.array_equal(
        stored["body.0.res_layer.2._weight"].numpy(), state["body.0.res_layer.2.weight"]
    )
    assert np.array_equal(
        stored["output_layer.4._variance"].numpy(), state["output_layer.4.running_var"]
    )
    assert run(verify.main, tmp_path / "a.pt", tmp_path / "a.pdparams") == 0
    assert run(export_torch.main, tmp_path / "a.pdparams", tmp_path / "b.pt") == 0
    assert (tmp_path / "b.pt").read_bytes() == (tmp_path / "a.pt").read_bytes()


def test_round_trip_of_a_generator_with_latent_avg_and_training_state(tmp_path, capsys):
    state = stylegan2_8()
    latent = np.arange(512, dtype=np.float32)
    write_torch(
        tmp_path / "a.pt",
        {"g_ema": state, "d": State(x=latent), "args": {"size": 8}, "latent_avg": latent},
    )
    assert run(convert.main, tmp_path / "a.pt", tmp_path / "a.pdparams") == 0
    printed = capsys.readouterr().out
    assert "stylegan2 (8 px)" in printed and "drop, equals [1,3,3,1]" in printed
    assert [line.split()[0] for line in printed.splitlines() if line.endswith("  drop")] == [
        "d",
        "args",
    ]
    stored = read(tmp_path / "a.pdparams").data
    assert np.array_equal(stored["latent_avg"].numpy(), latent)
    assert np.array_equal(
        stored["state_dict"]["style.1.weight"].numpy(), state["style.1.weight"].T
    )  # square
    assert not any(name.endswith("kernel") for name in stored["state_dict"])
    assert run(export_torch.main, tmp_path / "a.pdparams", tmp_path / "b.pt") == 0
    back = read(tmp_path / "b.pt").data
    assert list(back) == ["g_ema", "latent_avg"] and list(back["g_ema"]) == list(state)
    for name, value in state.items():
        assert np.array_equal(back["g_ema"][name].numpy(), value), name


def test_exported_file_is_laid_out_like_pytorchs_own(lpips, tmp_path):
    """Stored entries, numbers aligned to 64 bytes, the entries that torch.load asks for."""
    with zipfile.ZipFile(lpips) as archive, open(lpips, "rb") as file:
        names = [entry.filename for entry in archive.infolist()]
        assert names[0] == "archive/data.pkl" and {"archive/version", "archive/byteorder"} <= set(
            names
        )
        assert archive.read("archive/byteorder") == b"little" and archive.testzip() is None
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            if "/data/" in entry.filename:
                file.seek(entry.header_offset + 26)
                header = int.from_bytes(file.read(2), "little") + int.from_bytes(
                    file.read(2), "little"
                )
                assert (entry.header_offset + 30 + header) % 64 == 0, entry.filename


def test_exported_pickle_names_what_pytorch_defines(lpips):
    """The standard unpickler, with stand-ins for PyTorch's names, rebuilds the same arrays."""
    with zipfile.ZipFile(lpips) as archive:

        class Stock(pickle.Unpickler):
            def find_class(self, module, name):
                if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                    return lambda flat, offset, size, stride, grad, hooks: flat.reshape(size)
                return (
                    "<f4"
                    if (module, name) == ("torch", "FloatStorage")
                    else super().find_class(module, name)
                )

            def persistent_load(self, pid):
                kind, dtype, key, where, numel = pid
                assert (kind, where) == ("storage", "cpu")
                return np.frombuffer(archive.read(f"archive/data/{key}"), dtype, numel)

        state = Stock(io.BytesIO(archive.read("archive/data.pkl"))).load()
    assert list(state) == list(lpips_alex())
    assert all(np.array_equal(state[name], value) for name, value in lpips_alex().items())


@pytest.mark.parametrize(
    "first, second, equal",
    [
        ({"a": [1.0, None]}, {"a": [1.0, None]}, True),
        (float("nan"), float("nan"), True),
        (1, True, False),
        (1, 1.0, False),
        ([1], [1, 2], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),  # order is kept too
        ({"a": 1}, {"b": 1}, False),
    ],
)
def test_equality_of_options(first, second, equal):
    assert verify.same(first, second) == equal


def test_verify_says_what_differs(lpips, tmp_path, capsys):
    out = tmp_path / "x.pdparams"
    run(convert.main, lpips, out)
    stored = {name: tensor.numpy() for name, tensor in read(out).data["state_dict"].items()}
    stored["lin.1.weight"] = stored["lin.1.weight"].copy()
    stored["lin.1.weight"][0, 5] += 0.5
    stored["lin.2.weight"] = stored["lin.2.weight"].reshape(1, 192, 2, 1)
    stored["lin.9.weight"] = stored.pop("lin.3.weight")
    stored["lin.4.weight"] = stored["lin.4.weight"].astype(np.float64)
    write_pdparams(out, "lpips_alex", stored, np.zeros(3, np.float32), {"a": 1})
    capsys.readouterr()
    assert run(verify.main, lpips, out) == 1
    printed = capsys.readouterr().out
    assert "lin.1.weight: 1 of 192 numbers differ, by up to 0.5" in printed
    for part in (
        "lin.2.weight: stored shape [1, 192, 2, 1]",
        "lin.3.weight: missing",
        "lin.4.weight: stored as float64 instead of float32",
        "lin.9.weight: is not in alex.pt",
        "latent_avg: is in one of the files only",
        "opts: the options differ",
        "7 differences",
    ):
        assert part in printed, part
    assert run(verify.main, lpips, lpips) == 2

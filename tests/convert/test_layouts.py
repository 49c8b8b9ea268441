"""Files that have Paddle's names already: flat ones, and those of the earlier public port."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convert_weights import rules
from convert_weights.plan import make_plan
from convert_weights.reader import PADDLE, SAFETENSORS
from convert_weights.unwrap import OFFICIAL, PADDLE_NAMES
from tests.convert.helpers import MANIFESTS, fake_source, fake_state, fake_tensor, official

PORT = Path(__file__).parents[1] / "golden" / "manifests" / "paddle_sam"


def port_file(name: str) -> dict:
    """The earlier port's files by their manifests, wrapped as the port wraps them."""
    entries = json.loads((PORT / f"{name}.json").read_text())
    if isinstance(entries, dict):
        return {
            "state_dict": {part: fake_state(inner) for part, inner in entries.items()},
            "opts": {"input_nc": 4},
        }
    return fake_state(entries)


@pytest.mark.parametrize("name, kind", [
    ("sam_1024", "sam"), ("model_ir_se50", "ir_se50"), ("alexnet", "alexnet"), ("lpips_lin_alex", "lpips_alex"),
    ("dex_age_classifier", "dex_vgg"),
])  # fmt: skip
def test_the_earlier_ports_files_give_the_same_names_and_shapes(name, kind):
    plan = make_plan(fake_source(port_file(name), PADDLE, "port.pdparams"))
    wanted = make_plan(fake_source(official(name)))
    assert plan.kind == kind
    assert {n: t.shape for n, t in plan.state().items()} == {
        n: t.shape for n, t in wanted.state().items()
    }
    assert not any(
        item.rule.op == rules.TRANSPOSE for item in plan.items
    )  # square ones lie right too
    assert plan.opts == ({"input_nc": 4} if kind == "sam" else None)
    assert sum(item.old.endswith(".kernel") for item in plan.items) == (16 if kind == "sam" else 0)


def test_the_ports_renumbered_layers():
    items = {i.old: i.new for i in make_plan(fake_source(port_file("model_ir_se50"), PADDLE)).items}
    assert items["output_layer.2.weight"] == "output_layer.3.weight"
    assert items["output_layer.3._mean"] == "output_layer.4._mean"


def test_the_ports_curricularface_is_numbered_like_its_ir_se50():
    state = converted("curricularface_backbone")
    moved = {"output_layer.3.": "output_layer.2.", "output_layer.4.": "output_layer.3."}
    ports = {moved.get(n[:15], n[:15]) + n[15:]: tensor for n, tensor in state.items()}
    plan = make_plan(fake_source(ports, PADDLE, "CurricularFace_Backbone.paparams"))
    assert plan.kind == "curricularface"
    assert {n: t.shape for n, t in plan.state().items()} == {n: t.shape for n, t in state.items()}


def converted(name: str) -> dict:
    return {
        n: fake_tensor(t.shape) for n, t in make_plan(fake_source(official(name))).state().items()
    }


@pytest.mark.parametrize("container", [PADDLE, SAFETENSORS])
@pytest.mark.parametrize("name", sorted(set(MANIFESTS) - {"stylegan2_64"}))
def test_flat_converted_keys(name, container):
    """What convert.py would write, without its wrapper, in any container that has no PyTorch in it."""
    wanted = converted(name)
    plan = make_plan(fake_source(dict(wanted), container))
    assert plan.kind == MANIFESTS[name]
    if name not in ("alexnet", "vgg16"):  # whose convolutions are the same in both layouts
        assert plan.layout == PADDLE_NAMES
    assert {n: t.shape for n, t in plan.state().items()} == {n: t.shape for n, t in wanted.items()}
    assert not any(item.rule.op == rules.TRANSPOSE for item in plan.items)


@pytest.mark.parametrize("container, layout", [(PADDLE, PADDLE_NAMES), (SAFETENSORS, OFFICIAL)])
def test_the_file_format_decides_where_names_and_shapes_do_not(container, layout):
    """A 64 px generator has only square matrices and no name that differs."""
    plan = make_plan(fake_source(converted("stylegan2_64"), container))
    assert plan.layout == layout
    assert any(item.rule.op == rules.TRANSPOSE for item in plan.items) == (layout == OFFICIAL)

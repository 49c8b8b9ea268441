"""Names, shapes and kinds: every manifest is mapped whole, and what does not fit is listed."""

from __future__ import annotations

import numpy as np
import pytest

from convert_weights import architectures as arch
from convert_weights import rules
from convert_weights.plan import make_plan
from convert_weights.reader import PADDLE, SAFETENSORS
from convert_weights.tensors import BadFile
from tests.convert.helpers import (
    MANIFESTS,
    fake_source,
    fake_state,
    fake_tensor,
    manifest,
    official,
)


@pytest.mark.parametrize("name", MANIFESTS)
def test_architecture_is_the_manifest(name):
    """Same names, same shapes, same order as the official file."""
    entries = [(e["name"].replace("g_ema.", ""), tuple(e["shape"])) for e in manifest(name)]
    wanted = [entry for entry in entries if entry[0] != "latent_avg"]
    generated, _ = rules.expected(MANIFESTS[name], dict(entries))
    assert generated == wanted


@pytest.mark.parametrize("name", MANIFESTS)
def test_official_file_is_recognised_and_mapped(name):
    plan = make_plan(fake_source(official(name)))
    assert plan.kind == MANIFESTS[name]
    kept = [item for item in plan.items if item.new]
    assert len({item.new for item in kept}) == len(kept)
    for item in plan.items:
        leaf = item.old.rpartition(".")[2]
        dropped = leaf in ("num_batches_tracked", "kernel") or item.old.startswith("classifier.")
        assert (item.new == "") == dropped, item.old
        square = len(item.tensor.shape) == 2 and leaf == "weight" and not dropped
        assert (item.rule.op == rules.TRANSPOSE) == square, item.old


def test_names_by_hand():
    """Names as the networks have them, written down here one by one."""
    expected = {
        ("sam", "encoder.input_layer.1.running_mean"): "encoder.input_layer.1._mean",
        (
            "sam",
            "encoder.body.3.shortcut_layer.1.running_var",
        ): "encoder.body.3.shortcut_layer.1._variance",
        ("sam", "encoder.input_layer.1.weight"): "encoder.input_layer.1.weight",
        ("sam", "encoder.input_layer.2.weight"): "encoder.input_layer.2._weight",
        (
            "sam",
            "pretrained_encoder.body.23.res_layer.2.weight",
        ): "pretrained_encoder.body.23.res_layer.2._weight",
        (
            "sam",
            "pretrained_encoder.body.23.res_layer.1.weight",
        ): "pretrained_encoder.body.23.res_layer.1.weight",
        ("sam", "encoder.styles.17.linear.weight"): "encoder.styles.17.linear.weight",
        ("sam", "decoder.convs.0.conv.blur.kernel"): "",
        ("sam", "decoder.to_rgbs.7.upsample.kernel"): "",
        ("sam", "decoder.noises.noise_16"): "decoder.noises.noise_16",
        ("ir_se50", "body.0.res_layer.4.num_batches_tracked"): "",
        ("ir_se50", "output_layer.4.running_var"): "output_layer.4._variance",
        ("dex_vgg", "fc8-101.weight"): "fc8_101.weight",
        ("dex_vgg", "fc8-101.bias"): "fc8_101.bias",
        ("lpips_alex", "lin3.model.1.weight"): "lin.3.weight",
        ("vgg16", "features.28.bias"): "features.28.bias",
        ("vgg16", "classifier.0.weight"): "",
    }
    for (kind, name), new in expected.items():
        assert rules.transform(rules.TABLE[kind], name)[1] == new, name
    assert rules.transform(rules.TABLE["sam"], "decoder.bogus.weight") is None


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128, 256, 512, 1024])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_every_generator_size(size, multiplier):
    entries = [{"name": n, "shape": list(s)} for n, s in arch.generator(size, multiplier)]
    plan = make_plan(
        fake_source({"g_ema": fake_state(entries), "g": {}, "d_optim": {}, "args": None})
    )
    assert plan.kind == "stylegan2" and plan.about.startswith(f"{size} px")
    assert set(plan.dropped) == {"g", "d_optim", "args"}
    assert ("multiplier 1" in plan.about) == (multiplier == 1 and size >= 64)
    assert f"noises.noise_{2 * int(np.log2(size)) - 4}" in plan.state()


def small_psp(size=8, input_nc=3, encoder=None):
    n_styles = rules.n_styles_of(size)
    entries = arch.under("encoder.", encoder or arch.style_encoder(input_nc, n_styles))
    entries += arch.under("decoder.", arch.generator(size, 2))
    return fake_state([{"name": n, "shape": list(s)} for n, s in entries])


@pytest.mark.parametrize("latent", [(4, 512), (1, 512), (512,), None])
@pytest.mark.parametrize("inside", [False, True])
def test_psp_variants(latent, inside):
    """Any input channels; latent_avg beside the weights or among them, per style or learned in W."""
    state = small_psp(input_nc=6)
    entry = {} if latent is None else {"latent_avg": fake_tensor(latent)}
    data = {"state_dict": {**state, **entry}} if inside else {"state_dict": state, **entry}
    plan = make_plan(fake_source(data))
    assert plan.kind == "psp" and "6 input channels" in plan.about and plan.opts is None
    assert (plan.latent_avg and plan.latent_avg.shape) == latent


def test_psp_in_w():
    state = small_psp(encoder=arch.w_encoder(3))
    plan = make_plan(fake_source({"state_dict": state, "latent_avg": fake_tensor((1, 512))}))
    assert plan.kind == "psp" and plan.about == "8 px, in W"
    assert (
        dict((item.old, item.rule.op) for item in plan.items)["encoder.linear.weight"]
        == rules.TRANSPOSE
    )


@pytest.mark.parametrize("latent", [(4, 512), (512,)])
def test_psp_off_the_last_features(latent):
    """The encoder BackboneEncoderUsingLastLayerIntoWPlus."""
    state = small_psp(encoder=arch.w_plus_encoder(3, 4))
    plan = make_plan(fake_source({"state_dict": state, "latent_avg": fake_tensor(latent)}))
    assert plan.kind == "psp" and plan.about == "8 px, 4 styles off the last features"
    shapes = {name: tensor.shape for name, tensor in plan.state().items()}
    assert shapes["encoder.output_layer_2.3.weight"] == (512 * 7 * 7, 512)
    assert shapes["encoder.linear.weight"] == (512, 4 * 512)
    assert shapes["encoder.output_layer_2.0._mean"] == (512,)
    again = make_plan(fake_source({n: fake_tensor(s) for n, s in shapes.items()}, PADDLE))
    assert {n: t.shape for n, t in again.state().items()} == shapes


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3, "optimizer": {"state": {}}}]
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrappers(wrap, prefix):
    state = {prefix + name: tensor for name, tensor in official("model_ir_se50").items()}
    assert make_plan(fake_source(wrap(state))).kind == "ir_se50"


def test_batch_counters_are_optional():
    """PyTorch before 0.4.1 did not store them."""
    state = {
        k: v for k, v in official("model_ir_se50").items() if not k.endswith("num_batches_tracked")
    }
    assert len(make_plan(fake_source(state)).state()) == 343


def test_flat_safetensors_of_stylegan2():
    entries = [e for e in manifest("stylegan2_64")]
    plan = make_plan(fake_source(fake_state(entries), SAFETENSORS))
    assert plan.kind == "stylegan2" and len(plan.state()) == 91


def test_all_that_does_not_fit_is_listed():
    data = official("sam_64")
    state = data["state_dict"]
    del state["encoder.input_layer.1.bias"]
    state["encoder.input_layer.9.bias"] = fake_tensor((4,))
    state["decoder.input.input"] = fake_tensor((1, 512, 4, 5))
    state["decoder.style.1.bias"] = fake_tensor((512,), "int64")
    with pytest.raises(BadFile) as caught:
        make_plan(fake_source(data))
    message = str(caught.value)
    assert (
        message.startswith("file.pt: does not fit a sam checkpoint (4 problems)")
        and "\n" not in message
    )
    for part in (
        "unknown encoder.input_layer.9.bias [4]",
        "missing encoder.input_layer.1.bias",
        "decoder.input.input has shape [1, 512, 4, 5] instead of [1, 512, 4, 4]",
        "decoder.style.1.bias holds int64 numbers",
    ):
        assert part in message


def test_long_lists_are_shortened():
    state = {k: v for k, v in official("model_ir_se50").items() if not k.startswith("body.2")}
    with pytest.raises(BadFile, match=r"\(\d+ problems\).* and \d+ more$") as caught:
        make_plan(fake_source(state))
    assert len(str(caught.value)) < 1500


def test_another_filter_is_not_dropped_silently():
    data = official("stylegan2_64")
    data["g_ema"]["convs.0.conv.blur.kernel"] = fake_tensor((2, 8))
    with pytest.raises(BadFile, match="blur.kernel has shape"):
        make_plan(fake_source(data))

    class Ones(type(fake_tensor((4, 4)))):
        def numpy(self):
            return np.ones((4, 4), np.float32)

    odd = fake_tensor((4, 4))
    odd.__class__ = Ones
    data["g_ema"]["convs.0.conv.blur.kernel"] = odd
    with pytest.raises(BadFile, match=r"convs.0.conv.blur.kernel is not the filter \[1,3,3,1\]"):
        make_plan(fake_source(data))


@pytest.mark.parametrize(
    "data, message",
    [
        ({"x": fake_tensor((3,))}, "no known kind"),
        ({"state_dict": {}}, "holds no weights"),
        ({}, "holds a dict"),
        ([1], "holds a list"),
        ({"state_dict": {"a": 1}}, "unknown entries: a"),
        ({"bogus": 1, **{"input.input": fake_tensor((3,))}}, "unknown entries: bogus"),
        (
            {"g_ema": {"input.input": fake_tensor((3,))}, "latent_avg": 3},
            "latent_avg is not a tensor",
        ),
    ],
)
def test_what_is_no_checkpoint(data, message):
    with pytest.raises(BadFile, match=message):
        make_plan(fake_source(data))


def test_wrong_kind_is_named():
    with pytest.raises(BadFile, match="those of a vgg16 checkpoint, not of sam"):
        make_plan(fake_source(official("vgg16")), "sam")
    with pytest.raises(BadFile, match="has shape .* instead of"):
        bad = official("sam_64")
        make_plan(fake_source({**bad, "latent_avg": fake_tensor((9, 512))}))

import paddle
import pytest

from tests.parity.conftest import error, fill, load
from work.models.psp import PSP, add_age_channel, face_pool, mix_styles


@pytest.fixture(scope="module")
def sam():
    state = fill("sam_64", "sam")
    latent_avg = state.pop("latent_avg")
    with paddle.LazyGuard():
        net = PSP(64)
    load(net, state).latent_avg.set_value(latent_avg)
    return net


@paddle.no_grad()
def test_golden(sam, golden, monkeypatch):
    data = {name: paddle.to_tensor(array) for name, array in golden("sam_64").items()}
    x = data["x"]
    assert error(sam.encoder(x), data["encoder_codes"].numpy()) < 1e-4
    start = sam.start_codes(x[:, :3])
    assert error(start - sam.latent_avg, data["pretrained_codes"].numpy()) < 1e-4
    assert error(sam.encode(x, start), data["latent"].numpy()) < 1e-4
    call = dict(resize=False, randomize_noise=False)
    image, latent = sam(x, return_latents=True, **call)
    assert error(latent, data["latent"].numpy()) < 1e-4
    assert error(image, data["image"].numpy()) < 1e-4
    monkeypatch.setattr(sam, "encode", lambda inputs: latent)  # known by now
    mix = dict(latent_mask=[8, 9], inject_latent=data["inject"], **call)
    assert error(sam(x, **mix), data["image_mask_8_9"].numpy()) < 1e-4
    assert error(sam(x, alpha=0.3, **mix), data["image_mask_8_9_alpha_03"].numpy()) < 1e-4
    pooled = sam(x, randomize_noise=False)
    assert error(pooled, face_pool(data["image"]).numpy()) < 1e-4


def test_training_mode_reaches_the_trained_encoder_alone(sam):
    """The reference trains with its frozen batch norms in training mode; here their statistics stay."""
    before = sam.pretrained_encoder.body[0].res_layer[0]._mean.numpy().copy()
    trained_before = sam.encoder.body[0].res_layer[0]._mean.numpy().copy()
    sam.train()
    try:
        assert sam.encoder.training and sam.encoder.body[0].res_layer[0].training
        assert not sam.decoder.training and not sam.pretrained_encoder.training
        with paddle.no_grad():
            sam.encode(add_age_channel(paddle.randn([1, 3, 256, 256]), paddle.to_tensor([30.0])))
        assert (sam.pretrained_encoder.body[0].res_layer[0]._mean.numpy() == before).all()
        assert (sam.encoder.body[0].res_layer[0]._mean.numpy() != trained_before).any()
    finally:
        sam.eval()
        sam.encoder.body[0].res_layer[0]._mean.set_value(trained_before)


def test_mix_styles():
    codes, other = paddle.randn([2, 6, 512]), paddle.randn([1, 6, 512])
    mixed = mix_styles(codes, [1, 4], other, alpha=0.25)
    assert error(mixed[:, [0, 2, 3, 5]], codes[:, [0, 2, 3, 5]].numpy()) < 1e-6
    assert error(mixed[:, 1], (0.25 * other[:, 1] + 0.75 * codes[:, 1]).numpy()) < 1e-5
    assert float(mix_styles(codes, [2])[:, 2].abs().max()) == 0
    with pytest.raises(ValueError, match=r"\[6\]"):
        mix_styles(codes, [5, 6], other)


def test_age_channel():
    x = add_age_channel(paddle.zeros([2, 3, 4, 4]), paddle.to_tensor([35.0, 100.0]))
    assert x.shape == [2, 4, 4, 4]
    assert error(x[:, 3, 0, 0], paddle.to_tensor([0.35, 1.0]).numpy()) < 1e-6

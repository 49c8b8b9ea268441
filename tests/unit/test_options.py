import pytest

from work.configs import paths_config
from work.configs.command_line import parse
from work.configs.options import LIFESPAN, TestOptions
from work.configs.saved_options import with_saved
from work.errors import UserError, run


def parsed(*argv: str) -> TestOptions:
    return parse(TestOptions, list(argv), "what it does", "an example")


def test_a_published_command_parses():
    options = parsed(
        "--exp_dir=exp/test",
        "--checkpoint_path=pretrained_models/sam_ffhq_aging.pdparams",
        "--data_path=CelebA_test",
        "--test_batch_size=4",
        "--test_workers=0",
        "--couple_outputs",
        "--target_age=0,10,20",
    )
    assert [age.text for age in options.ages] == ["0", "10", "20"]
    assert options.couple_outputs and not options.resize_outputs
    assert options.typed >= {"test_workers", "target_age"} and "seed" not in options.typed


def test_typed_beats_saved_beats_default():
    saved = {"output_size": 256, "input_nc": 4, "target_age": "uniform_random", "device": "cuda"}
    saved["typed"] = ["seed"]  # no flag
    options = with_saved(parsed("--input_nc=3"), saved)
    assert options.output_size == 256  # saved
    assert options.input_nc == 3  # typed
    assert options.target_age == LIFESPAN and options.device == "auto"  # not the model's: defaults
    assert options.start_from_latent_avg is None
    assert options.typed == {"input_nc"}  # still: they may be merged with another file's
    assert "typed" not in options.plain() and options.plain()["output_size"] == 256


def test_switches_can_be_turned_off():
    options = with_saved(parsed("--no-learn_in_w"), {"learn_in_w": True})
    assert options.learn_in_w is False


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--target_age", "20,old"),
        ("--target_age", "101"),
        ("--target_age", "nan"),
        ("--target_age", ","),
        ("--latent_mask", "8,x"),
        ("--mix_alpha", "1.5"),
        ("--test_batch_size", "0"),
        ("--n_images", "0"),
    ],
)
def test_bad_values_name_their_flag(flag, value):
    with pytest.raises(UserError, match=flag):
        parsed(f"{flag}={value}")


def test_help_shows_defaults_and_the_example(capsys):
    with pytest.raises(SystemExit) as end:
        parsed("--help")
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert "an example" in text and "(default: 2)" in text and "--n_images" in text


def test_run_turns_errors_into_a_line_and_a_code(capsys):
    def fails():
        raise UserError("x.pt: no such file")

    def stops():
        raise KeyboardInterrupt

    assert run(fails) == 2
    assert capsys.readouterr().err == "error: x.pt: no such file\n"
    assert run(stops) == 130


def test_the_earlier_ports_data_folders_are_looked_at(monkeypatch, tmp_path):
    monkeypatch.setattr(paths_config, "WORK", tmp_path)
    monkeypatch.delenv("SAM_TRAIN_ROOT", raising=False)
    assert paths_config.data_folder("SAM_TRAIN_ROOT", "FFHQ") == ""
    (tmp_path / "FFHQ").mkdir()
    assert paths_config.data_folder("SAM_TRAIN_ROOT", "FFHQ") == str(tmp_path / "FFHQ")
    monkeypatch.setenv("SAM_TRAIN_ROOT", "elsewhere")
    assert paths_config.data_folder("SAM_TRAIN_ROOT", "FFHQ") == "elsewhere"

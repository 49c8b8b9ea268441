"""The README's commands exist: each script is there and knows each flag; each table entry is a known one."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands() -> list[list[str]]:
    """Every python command of the README's shell blocks, as words."""
    found = []
    for block in re.findall(r"```bash\n(.*?)```", README, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["python"]:
                found.append(words[1:])
    return found


def test_there_are_commands():
    assert len(commands()) >= 8


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_command_exists_with_its_flags(words, capsys, monkeypatch):
    path = words[0] if (ROOT / words[0]).is_file() else f"work/{words[0]}"
    assert (ROOT / path).is_file()
    module = importlib.import_module(path[: -len(".py")].replace("/", "."))
    with pytest.raises(SystemExit) as end:
        module.main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for word in words[1:]:
        if word.startswith("--"):
            assert re.search(rf"{word.split('=')[0]}\b", text), word


@pytest.mark.parametrize(
    "script", sorted(p.name for p in (ROOT / "work/scripts").glob("[a-z]*.py"))
)
def test_every_script_is_in_the_readme(script):
    assert script in README or script == "demo.py"


def test_every_weight_is_in_the_readme():
    from work.configs.weights import KNOWN_WEIGHTS

    for name, entry in KNOWN_WEIGHTS.items():
        assert f"`{name}`" in README
        assert entry.file in README or "`NAME.pdparams`" in README

"""The documents' commands exist: each script is there and knows each flag; each table entry is a known one."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS = (ROOT / "docs" / "scripts.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README_cn.md").read_text(encoding="utf-8")
WEIGHTS = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """Every python command in the shell blocks of these documents, as words."""
    found = []
    for block in re.findall(r"```bash\n(.*?)```", README + SCRIPTS + WEIGHTS, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["python"]:
                found.append(words[1:])
    return found


def test_there_are_commands():
    assert len(commands()) >= 20


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
def test_every_script_is_in_the_readme_and_in_the_list_of_scripts(script):
    assert script in README and script in SCRIPTS


def test_every_weight_is_in_the_table():
    from work.configs.weights import KNOWN_WEIGHTS

    for name, entry in KNOWN_WEIGHTS.items():
        assert f"`{name}`" in WEIGHTS
        assert entry.file in WEIGHTS or "`NAME.pdparams`" in WEIGHTS


def test_the_readme_can_be_read_in_one_sitting():
    assert len(README.splitlines()) < 200


def _code(text: str) -> list[str]:
    """The lines of all code blocks, without comments."""
    blocks = re.findall(r"```\w+\n(.*?)```", text, re.S)
    return [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]


def _tables(text: str) -> list[set[str]]:
    """What stands in backticks in each row of the tables."""
    return [set(re.findall(r"`[^`]+`", row)) for row in re.findall(r"^\|.*\|$", text, re.M)]


def test_the_chinese_readme_has_the_same_commands_tables_and_sections():
    assert _code(CHINESE) == _code(README)
    for ours, theirs in zip(_tables(README), _tables(CHINESE)):
        assert ours == theirs
    assert len(_tables(CHINESE)) == len(_tables(README))
    for mark in (r"^## ", r"^- ", r"!\[", r"\]\(docs/"):
        assert len(re.findall(mark, CHINESE, re.M)) == len(re.findall(mark, README, re.M)), mark

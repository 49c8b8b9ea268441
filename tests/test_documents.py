"""The documents beside the README: their links lead somewhere, their commands exist, their versions agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (ROOT, ROOT / "docs", ROOT / ".github", ROOT / ".github/ISSUE_TEMPLATE")
    for path in folder.glob("*.md")
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(document):
    text = re.sub(r"```.*?```", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.S)
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if not re.match(r"\w+:", link):
            assert (ROOT / document).parent.joinpath(link).exists(), link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_scripts_that_are_named_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for path in re.findall(r"(?:work|convert_weights|benchmarks)/[\w/]+\.\w+", text):
        if "pretrained_models" not in path and "NAME" not in path:
            assert (ROOT / path).is_file(), path


def test_versions_agree():
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version and citation["cff-version"] == "1.2.0"
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_a_bug_report_asks_for_what_check_install_prints():
    text = (ROOT / ".github/ISSUE_TEMPLATE/bug.md").read_text()
    assert "check_install.py" in text and yaml.safe_load(text.split("---")[1])["name"] == "Bug"

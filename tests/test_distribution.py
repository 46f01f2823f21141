"""The wheel: what is in it, under which licence, and one version everywhere."""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

import lseg_cli

ROOT = Path(__file__).parent.parent
INFO = f"lseg_cli-{lseg_cli.__version__}.dist-info"
KNOWN_LICENCES = {"Apache-2.0", "CC-BY-SA-4.0", "MIT"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def bill(wheel: zipfile.ZipFile) -> dict[str, Any]:
    """The SPDX list that the wheel brings (PEP 770)."""
    document: dict[str, Any] = json.loads(wheel.read(f"{INFO}/sboms/lseg.spdx.json"))
    return document


def test_every_file_that_is_not_code_is_listed_with_its_licence(wheel: zipfile.ZipFile, bill: dict[str, Any]) -> None:
    there = {name for name in wheel.namelist() if not name.endswith(".py") and not name.startswith(INFO)}
    listed = {entry["fileName"].removeprefix("./"): entry for entry in bill["files"]}
    assert listed.keys() == there, "Look at the licence of the file, then run python .ci/spdx.py --write."
    for name, entry in listed.items():
        sums = {each["algorithm"]: each["checksumValue"] for each in entry["checksums"]}
        assert sums["SHA256"] == hashlib.sha256(wheel.read(name)).hexdigest(), (
            f"{name} has changed; look at its licence, then run python .ci/spdx.py --write."
        )
        assert set(entry["licenseConcluded"].split(" AND ")) <= KNOWN_LICENCES


def test_the_weights_the_words_and_the_vocabularies_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"lseg_cli/weights/lseg-tiny.safetensors", "lseg_cli/weights/words.safetensors"} <= names
    assert "lseg_cli/data/vocabularies/ade20k.txt" in names
    assert {f"{package}/py.typed" for package in ("lseg_cli", "lseg_export", "lseg_engines")} <= names
    assert not any(name.startswith(("tests", "export/", "engines/", "recipes")) for name in names)


def test_metadata_says_version_licences_and_where_the_project_lives(
    wheel: zipfile.ZipFile, bill: dict[str, Any]
) -> None:
    facts = Parser().parsestr(wheel.read(f"{INFO}/METADATA").decode())
    assert facts["Version"] == lseg_cli.__version__
    assert facts["License-Expression"] == bill["packages"][0]["licenseDeclared"]
    urls = dict(text.split(", ", 1) for text in facts.get_all("Project-URL", []))
    assert {"Documentation", "Repository", "Issues", "Changelog"} <= urls.keys()


def test_the_version_is_written_once() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in project
    assert f'"{lseg_cli.__version__}"' not in project
    assert f"## {lseg_cli.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

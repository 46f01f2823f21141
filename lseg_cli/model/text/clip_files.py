"""The weights of a CLIP text tower: in a file that was named, in one put into its folder, or on the hub.

Neither torch nor open_clip is imported here before something has to be fetched.
"""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lseg_cli.config import TextConfig
from lseg_cli.errors import LsegError, MissingError
from lseg_cli.files import read_regular
from lseg_cli.model.text.cache import cache_root
from lseg_cli.model.text.confinement import VARIABLE, confined, may_fetch, names_file
from lseg_cli.model.text.encoder_name import HF_HUB, LOCAL_DIR
from lseg_cli.reading import parse_json, reading

_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_PROBE_S = 10.0
_MAX_CONFIG = 1_000_000  # bytes of an open_clip_config.json
_MAX_NUMBER = 1_000_000  # of a configuration: widths, words of a vocabulary


def encoder_key(config: TextConfig) -> list[str]:
    """Return what identifies the weights without reading them: names, and size and time of local files."""
    config = confined(config)
    files = [path for path in _candidates(config) if path.is_file()]
    states = [f"{path.absolute()} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return [config.name, config.pretrained, *states]


def find_weights(config: TextConfig) -> Path:
    """The file with the weights of a CLIP model, fetched from the hub if need be.

    Raises:
        LsegError: no weights are named, or open_clip knows none of this name.
        MissingError: the file is not there, or the hub cannot be reached or must not be asked.
        MismatchError: as `confined`.
    """
    config = confined(config)
    for path in _candidates(config):
        if path.is_file() and (path.suffix in _SUFFIXES or config.weights):
            return path
    if config.name.startswith(LOCAL_DIR) or names_file(config):
        place = config.pretrained or config.name.removeprefix(LOCAL_DIR)
        raise MissingError(
            f"There are no weights of the text encoder {config.name} at {place}; "
            f"give a {_SUFFIXES[0]} or {_SUFFIXES[1]} file, or a folder that holds one."
        )
    return _fetch(config)


def _candidates(config: TextConfig) -> list[Path]:
    """Files on this machine that can hold the weights, or tell what they are; not all of them need be there."""
    if config.weights:
        return [Path(config.weights)]
    if config.name.startswith(LOCAL_DIR):
        folder = Path(config.name.removeprefix(LOCAL_DIR))
        found = [path for suffix in _SUFFIXES for path in sorted(folder.glob("*" + suffix))]
        found.sort(key=lambda path: not path.name.startswith("open_clip"))
        named = [Path(config.pretrained).expanduser()] if config.pretrained else []
        return [*named, *found, folder / "open_clip_config.json"]
    if names_file(config):
        return [Path(config.pretrained).expanduser()]
    return [_place(config, suffix) for suffix in _SUFFIXES]


def _place(config: TextConfig, suffix: str) -> Path:
    """Return the folder into which a user without network can put weights."""
    name = f"{config.name}-{config.pretrained}".strip("-")
    return cache_root() / "clip" / (name.replace("/", "-").replace(":", "-") + suffix)


def architecture(name: str) -> dict[str, Any]:
    """open_clip's configuration of a model by name: `embed_dim`, `text_cfg` and so on.

    Raises:
        LsegError: there is no such model, or its folder holds no configuration.
        MissingError: it is one of the hub's, and cannot be fetched.
    """
    import open_clip  # noqa: PLC0415  takes seconds

    if name.startswith(LOCAL_DIR):
        path = Path(name.removeprefix(LOCAL_DIR)) / "open_clip_config.json"
        if not path.is_file():
            raise LsegError(f"{name} holds no readable open_clip_config.json; give a folder made for open_clip.")
        with reading(path, "is not a readable open_clip_config.json", LsegError):
            _check_facts(parse_json(read_regular(path, _MAX_CONFIG)))
    try:
        facts: dict[str, Any] | None = open_clip.get_model_config(name)
    except (OSError, ValueError) as error:
        if name.startswith(HF_HUB):
            raise MissingError(
                f"The text encoder {name} cannot be fetched ({type(error).__name__}); check its name and the network, "
                f"or give a folder that holds it, as {LOCAL_DIR}/its/path."
            ) from error
        raise LsegError(f"{name} holds no readable open_clip_config.json; give a folder made for open_clip.") from error
    if name.startswith(HF_HUB):
        with reading(name, "is not a readable configuration of open_clip", LsegError):
            _check_facts(facts)
    if facts is None:
        near = difflib.get_close_matches(name, open_clip.list_models(), n=3, cutoff=0.3)
        raise LsegError(f"open_clip knows no text encoder {name}; similar names are {', '.join(near) or 'none'}.")
    return facts


def count_numbers(facts: dict[str, Any]) -> int:
    """About how many numbers a text tower of this configuration holds; more than its file is a lie."""
    text, wide = facts["text_cfg"], int(facts["embed_dim"])
    towers = [text, *([facts["multimodal_cfg"]] if isinstance(facts.get("multimodal_cfg"), dict) else [])]
    total = 0
    for each in towers:
        width, layers = int(each.get("width", 0)), int(each.get("layers", 0))
        rows = int(each.get("vocab_size", 0)) + int(each.get("context_length", 0)) + wide
        total += width * rows + layers * int((4 + 2 * float(each.get("mlp_ratio", 4.0))) * width * width)
    return total


def _check_facts(content: object) -> None:
    """Raises ValueError unless a configuration can be built from: it runs no code, and its numbers are of a tower's."""
    facts = content.get("model_cfg", content) if isinstance(content, dict) else None
    if (
        not isinstance(facts, dict)
        or type(facts.get("embed_dim")) is not int
        or not isinstance(facts.get("text_cfg"), dict)
    ):
        raise ValueError("it has no embed_dim and text_cfg")
    pending: list[object] = [facts]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if any("trust_remote_code" in str(key) for key in value):
                raise ValueError("it asks for trust_remote_code, which runs code")
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, int | float) and not 0 <= value <= _MAX_NUMBER:
            raise ValueError(f"it holds the number {str(value)[:20]}")
    count_numbers(facts)


def is_offline() -> bool:
    """Return whether nothing may be fetched: `--offline`, which sets HF_HUB_OFFLINE, or that by itself."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _fetch(config: TextConfig) -> Path:
    import open_clip  # noqa: PLC0415  takes seconds

    facts: dict[str, Any] = open_clip.get_pretrained_cfg(config.name, config.pretrained) or {}
    if config.name.startswith(HF_HUB):
        facts = {"hf_hub": config.name.removeprefix(HF_HUB) + "/"}
    elif not facts:
        architecture(config.name)  # a wrong name is worth a sentence of its own
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(config.name)) or "none"
        raise LsegError(
            f"There are no weights '{config.pretrained}' for the text encoder {config.name}; known are {tags}; "
            "or give the path of a file."
        )
    repo, _, name = facts.get("hf_hub", "").rpartition("/")
    url: str = facts.get("url", "")
    by_openai = Path("~/.cache/clip").expanduser() / url.rpartition("/")[2]  # where OpenAI's own package keeps them
    if url and by_openai.is_file():
        return by_openai
    if not may_fetch(config):
        return _fetched_before(config, repo, (name,) if name else _HUB_FILES)
    try:
        if is_offline() and not repo:
            raise ConnectionError("offline")
        return _from_hub(repo, (name,) if name else _HUB_FILES) if repo else Path(open_clip.download_pretrained(facts))
    except Exception as error:  # the hub's client raises other errors with every version
        file = Path(name or _HUB_FILES[0] if repo else url)
        source = f"{file} of https://huggingface.co/{repo}" if repo else url
        raise MissingError(
            f"The weights {config.name}/{config.pretrained} of the text encoder are not on this machine and cannot be "
            f"fetched ({type(error).__name__}): connect it to the network, without --offline or HF_HUB_OFFLINE, or "
            f"download {source} elsewhere and save it as {_place(config, file.suffix)}."
        ) from error


def _fetched_before(config: TextConfig, repo: str, names: Sequence[str]) -> Path:
    """Return the file that the user had fetched earlier.

    Raises:
        MissingError: nothing; says how to allow it.
    """
    import huggingface_hub  # noqa: PLC0415  only who would have to fetch

    cached = (huggingface_hub.try_to_load_from_cache(repo, name) for name in names if repo)
    found = next((each for each in cached if isinstance(each, str)), None)
    if found:
        return Path(found)
    said = f"{config.name}/{config.pretrained}"
    raise MissingError(
        f"The model reads labels with the text encoder {said}, whose weights are not on this machine, and a model's "
        f"file may not have anything fetched: say so yourself, with lseg labels check sky --text-encoder {said} (once) "
        f"or {VARIABLE}={said}."
    )


def _from_hub(repo: str, names: Sequence[str]) -> Path:
    """One of these files, the first that there is. What was fetched before is used without asking the network."""
    import huggingface_hub  # noqa: PLC0415  only who has to fetch

    for name in names:
        cached = huggingface_hub.try_to_load_from_cache(repo, name)
        if isinstance(cached, str):
            return Path(cached)
    # One question with a time limit: hf_hub_download alone retries for 46 s (2 files) where there is no network.
    there = {file.rfilename for file in huggingface_hub.HfApi().model_info(repo, timeout=_PROBE_S).siblings or ()}
    wanted = next((name for name in names if name in there), names[0])
    return Path(huggingface_hub.hf_hub_download(repo, wanted))

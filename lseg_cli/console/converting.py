"""`lseg convert` as it is seen: what the checkpoint is, and what became of every key."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lseg_cli.console.terminal import Console

if TYPE_CHECKING:
    from lseg_cli.model.published.conversion import Conversion


def show_conversion(path: Path, result: "Conversion", console: Console) -> None:
    """Shows a model that was written; `-v` and `--json` name every key of the checkpoint."""
    config, text = result.config, result.config.text
    size_mb = round(path.stat().st_size / 1e6, 1)
    block = config.regularizer
    regularizer = f"{block.kind} regulariser, {block.depth} deep" if block.depth else "no regulariser"
    console.note(f"{path}: {result.variant}, {regularizer}, C = {text.width}, {size_mb} MB.")
    inside = "in the file" if text.sha256 else "not in the file; it is fetched on first use"
    console.note(f"Text encoder: {text.name}, {inside}.")
    console.note(f"Used: {len(result.used)} tensors ({_groups(result.used)}).")
    console.note(f"Dead by design: {len(result.dead)} tensors ({_groups(result.dead)}).")
    if result.left_out:
        console.note(f"Left out, because it is not part of a model: {', '.join(result.left_out)}.")
    if console.verbose:
        for fate, keys in (("used", result.used), ("dead", result.dead)):
            for key in keys:
                console.note(f"{fate}  {key}")
    console.event(
        "converted",
        {
            "file": str(path),
            "size_mb": size_mb,
            "variant": result.variant,
            "config": config.model_dump(mode="json"),
            "used": result.used,
            "dead": result.dead,
            "left_out": result.left_out,
        },
    )


def show_reversion(path: Path, notices: Sequence[str], console: Console) -> None:
    """Shows a checkpoint that was written in the original's layout."""
    for notice in notices:
        console.note(f"Note: {notice}")
        console.event("notice", {"text": notice})
    size_mb = round(path.stat().st_size / 1e6, 1)
    console.note(f"{path}: the original project's layout, {size_mb} MB.")
    console.event("converted", {"file": str(path), "size_mb": size_mb})


def _groups(keys: Sequence[str]) -> str:
    """`scratch.head1 2, pretrained.model 3`: how many keys of each module."""
    counts = Counter(".".join(key.split(".")[1:3]) for key in keys)
    names = counts.most_common(4)
    rest = len(keys) - sum(count for _, count in names)
    return ", ".join([f"{count} of {name}" for name, count in names] + ([f"{rest} more"] if rest else [])) or "none"

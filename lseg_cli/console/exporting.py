"""`lseg export` as it is seen: what the file takes, and how near it is to its source."""

from pathlib import Path
from typing import TYPE_CHECKING

from lseg_cli.console.terminal import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lseg_cli.contract import GraphSpec
    from lseg_cli.exporting.parity import Corner


def show_export(
    path: Path, spec: "GraphSpec", precision: str, corners: "Sequence[Corner] | None", console: Console
) -> None:
    """Shows what an exported file takes, and how near it is to its source; `corners` is None if that was not asked."""
    size = f"{spec.height_px}x{spec.width_px} pixels" if spec.height_px else "any size"
    size_mb = round(sum(file.stat().st_size for file in (path, Path(f"{path}.data")) if file.exists()) / 1e6, 1)
    console.note(f"{path}: any number of labels, and of pictures of {size}; {precision}, {size_mb} MB.")
    check = None
    if corners is not None:
        from lseg_cli.exporting.parity import summarize

        check = summarize(corners)
        console.note(
            f"Checked against PyTorch at {check['corners']} corners: logits within {check['difference']:.2g}, "
            f"{check['equal']:.3%} of labels equal."
        )
    console.event("exported", {"file": str(path), "precision": precision, "size_mb": size_mb, "check": check})

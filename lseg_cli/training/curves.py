"""The curves of a training run as one picture: loss, mIoU, learning rates, and the IoU of every class over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lseg_cli.files import atomic

Rows = Sequence[Mapping[str, str]]

_INCH_PER_CLASS, _LEAST_INCHES = 0.2, 3.0
_DPI = 110


def draw_curves(epochs: Rows, classes: Rows, path: Path) -> None:
    """Draw the curves with Matplotlib and write them as a PNG.

    Args:
        epochs: lines of `results.csv`; a cell may be empty.
        classes: lines of `classes.csv`: epoch, class, iou; none without validation.
        path: of the picture.

    Raises:
        DataError: it cannot be written.
        MissingError: the disk is full.
    """
    names = list(dict.fromkeys(row["class"] for row in classes))
    height = max(_LEAST_INCHES, _INCH_PER_CLASS * len(names) + 1)
    figure = Figure(figsize=(12, 3.4 + (height if names else 0)), dpi=_DPI, layout="constrained")
    grid = figure.add_gridspec(2 if names else 1, 3, height_ratios=[3.4, height] if names else None)
    panels = (
        ("loss", ("loss",)),
        ("mIoU", ("miou", "seen_miou", "unseen_miou", "pixel_accuracy")),
        ("learning rate", ("lr_encoder", "lr_rest")),
    )
    for place, (title, columns) in enumerate(panels):
        axes = figure.add_subplot(grid[0, place])
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
        for column in columns:
            points = [(int(row["epoch"]), float(row[column])) for row in epochs if row.get(column)]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=column)
        if len(axes.lines) > 1:
            axes.legend(fontsize="small")
    if names:
        shown = sorted({int(row["epoch"]) for row in classes})
        table = np.full((len(names), len(shown)), np.nan)
        for row in classes:
            if row["iou"]:
                table[names.index(row["class"]), shown.index(int(row["epoch"]))] = float(row["iou"])
        axes = figure.add_subplot(grid[1, :])
        image = axes.imshow(table, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set(title="IoU of each class", xlabel="epoch", yticks=range(len(names)))
        axes.set_yticklabels(names, fontsize="small", parse_math=False)
        ticks = range(0, len(shown), max(1, len(shown) // 12))
        axes.set_xticks(ticks, [str(shown[tick]) for tick in ticks])
        figure.colorbar(image, ax=axes, pad=0.01)
    with atomic(path) as draft:
        figure.savefig(draft, format="png")

"""What came out of a sweep: figures after the last epoch, mean and spread over the seeds, as table and as a plot."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from lseg_cli.files import atomic
from lseg_cli.training.state import RunFolder
from lseg_cli.training.sweep import SweepRun

FIGURES = ("miou", "pixel_accuracy", "seen_miou", "unseen_miou")  # columns of results.csv

Figures = dict[int, dict[str, float]]  # seed -> figure -> value
Row = dict[str, object]


def collect(finished: Sequence[SweepRun]) -> dict[str, Figures]:
    """For each variant the figures of its finished runs, by seed."""
    found: dict[str, Figures] = {}
    for run in finished:
        last = RunFolder(run.out).rows()[-1]
        found.setdefault(run.variant, {})[run.seed] = {key: float(last[key]) for key in FIGURES if last.get(key)}
    return found


def rows_of(found: Mapping[str, Figures]) -> list[Row]:
    """A row for each variant: the number of seeds, then mean and standard deviation (n - 1) of every figure.

    The deviation of a single run is unknown: None. A figure that no run has makes no column.
    """
    figures = [name for name in FIGURES if any(name in run for runs in found.values() for run in runs.values())]
    rows: list[Row] = []
    for variant, runs in found.items():
        row: Row = {"variant": variant, "seeds": len(runs)}
        for name in figures:
            values = [run[name] for run in runs.values() if name in run]
            row[name] = round(statistics.mean(values), 6) if values else None
            row[f"{name}_std"] = round(statistics.stdev(values), 6) if len(values) > 1 else None
        rows.append(row)
    return rows


def as_text(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The rows for people: `0.512 ± 0.008`."""
    return [
        {
            key: str(value) if key in ("variant", "seeds") else _with_spread(value, row[f"{key}_std"])
            for key, value in row.items()
            if not key.endswith("_std")
        }
        for row in rows
    ]


def write_table(found: Mapping[str, Figures], folder: Path) -> list[Path]:
    """Writes table.csv (with a column of mIoU for each seed), table.md and table.svg; says where."""
    rows = rows_of(found)
    seeds = sorted({seed for runs in found.values() for seed in runs})
    details = [
        {**row, **{f"miou_seed_{seed}": found[str(row["variant"])].get(seed, {}).get("miou") for seed in seeds}}
        for row in rows
    ]
    lines = io.StringIO(newline="")
    writer = csv.DictWriter(lines, list(details[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(details)
    contents = {"table.csv": lines.getvalue(), "table.md": _markdown(as_text(rows)), "table.svg": plot(found)}
    for name, content in contents.items():
        with atomic(folder / name) as draft:
            draft.write_text(content, encoding="utf-8", newline="\n")
    return [folder / name for name in contents]


def plot(found: Mapping[str, Figures]) -> str:
    """The mIoU of every run as an SVG: a line for each variant, a dot for each seed, mean and standard deviation."""
    values = {variant: [run["miou"] for run in runs.values()] for variant, runs in found.items()}
    every = [value for runs in values.values() for value in runs]
    step = _tick_step((max(every) - min(every)) / 4)
    low, high = math.floor(min(every) / step - 0.5) * step, math.ceil(max(every) / step + 0.5) * step
    left, width, pitch = 24 + 8 * max(map(len, values)), 420, 28
    bottom = 16 + pitch * len(values)

    def x(value: float) -> float:
        return round(left + (value - low) / (high - low) * width, 1)

    parts = [
        f'<path d="M{x(low + tick * step)} 8V{bottom}" stroke="#ddd"/>'
        f'<text x="{x(low + tick * step)}" y="{bottom + 18}" text-anchor="middle">{low + tick * step:.4g}</text>'
        for tick in range(round((high - low) / step) + 1)
    ]
    parts.append(f'<text x="{left + width / 2}" y="{bottom + 38}" text-anchor="middle">mIoU</text>')
    for index, (variant, runs) in enumerate(values.items()):
        y, mean = 16 + pitch * index + pitch // 2, statistics.mean(runs)
        spread = statistics.stdev(runs) if len(runs) > 1 else 0.0
        parts += [
            f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{escape(variant)}</text>',
            f'<path d="M{x(mean - spread)} {y}H{x(mean + spread)}" stroke="#357" stroke-width="2"/>',
            f'<path d="M{x(mean)} {y - 8}v16" stroke="#357" stroke-width="3"/>',
            *(f'<circle cx="{x(value)}" cy="{y}" r="4" fill="#e80" fill-opacity="0.7"/>' for value in runs),
        ]
    size = f'width="{left + width + 32}" height="{bottom + 48}"'
    style = 'font-family="sans-serif" font-size="13" fill="#222"'
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{background}\n' + "\n".join(parts) + "\n</svg>\n"


def _with_spread(mean: object, spread: object) -> str:
    if not isinstance(mean, float):
        return ""
    return f"{mean:.3f} ± {spread:.3f}" if isinstance(spread, float) else f"{mean:.3f}"


def _markdown(rows: Sequence[Mapping[str, str]]) -> str:
    columns = list(rows[0])
    lines = [
        columns,
        ["---"] * len(columns),
        *([row[column].replace("|", "\\|") for column in columns] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _tick_step(about: float) -> float:
    """The 1, 2 or 5 times a power of ten that is nearest above, and at least a thousandth."""
    power = 10.0 ** math.floor(math.log10(max(about, 1e-3)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= about)

"""`lseg bench` as it is seen."""

import sys
from collections.abc import Mapping
from typing import Any

from lseg_cli.console.facts import show_facts, show_table


def show_bench(report: Mapping[str, Any], as_json: bool) -> None:
    """The report of a benchmark on stdout: a table and what its columns are relative to, or one JSON object."""
    if as_json:
        show_facts(report, as_json)
        return
    engines = report["engines"]
    show_table(
        [
            {
                "engine": row["engine"],
                "labels": row["labels"],
                "median ms": f"{row['median_ms']:.1f}",
                "p95": f"{row['p95_ms']:.1f}",
                "min": f"{row['min_ms']:.1f}",
                "pictures/s": f"{row['pictures_per_s']:.2f}",
                "to first": f"{row['to_first']:.2f}",
                "to fewest": f"{row['to_fewest']:.2f}",
                **({"of peak": f"{row['share_of_peak']:.2f}"} if "share_of_peak" in row else {}),
                "MiB": _memory(engines[row["engine"]]["peak_memory"]),
            }
            for row in report["results"]
        ],
        as_json=False,
    )
    row = report["results"][0]
    size = f"{row['batch']} x {row['height_px']}x{row['width_px']} pixels"
    peak = "'of peak' is measured with PyTorch, which is not installed."
    if "share_of_peak" in row:
        peak = (
            f"'of peak': plain formulation ({row['plain_gflop']:.1f} GFLOP at {row['labels']} labels), of "
            f"{report['matmul_peak_gflop_per_s']:.0f} GFLOP/s of fp32 matrix products."
        )
    sys.stdout.write(
        f"{size}, {', '.join(row['outputs'])}, {row['runs']} runs. 'to first': engine, 'to fewest': labels. {peak}\n"
    )


def _memory(peak: Mapping[str, int | None]) -> str:
    host, device = peak["host_mib"], peak["device_mib"]
    return "?" if host is None else f"{host}" if device is None else f"{host} + {device} GPU"

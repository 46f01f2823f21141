"""`lseg map` as it is seen."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from lseg_cli.console.terminal import Console
from lseg_cli.errors import DataError

if TYPE_CHECKING:
    from lseg_cli.runs.map_job import MapJob
    from lseg_cli.runs.maps import MapRun

_MOST_LABELS = 5


def show_map(run: "MapRun", job: "MapJob", console: Console, should_stop: Callable[[], bool]) -> bool:
    """Carry out one raster of a run and show it; whether it was not stopped. One that fails is noted in the run."""
    from lseg_cli.runs.map_job import StoppedError

    if job.is_done:
        console.note(f"{job.source} was done before.")
        return True
    facts = job.facts
    height, width = facts.size
    range_of = "as they are" if facts.range is None else f"{facts.range[0]:.6g} to {facts.range[1]:.6g} as 0 to 255"
    console.note(
        f"{job.source}: {width} x {height} pixels, bands {','.join(map(str, facts.bands))}, values {range_of}, "
        f"nodata {'none' if facts.nodata is None else f'{facts.nodata:.6g}'}, {facts.crs or 'no CRS'}"
    )
    try:
        for _ in console.track(job.run(should_stop), job.windows):
            pass
    except StoppedError as error:
        console.line(f"{error} Run the same command again to go on.")
        return False
    except DataError as error:
        run.failures[job.source] = str(error)
        return True
    total = sum(count for name, count in job.pixels.items() if name != "no data") or 1
    ordered = sorted(((count, name) for name, count in job.pixels.items() if name != "no data"), reverse=True)
    shares = ", ".join(f"{name} {count / total:.0%}" for count, name in ordered[:_MOST_LABELS])
    console.note(f"{run.options.out}/{job.files[-1]}: {shares or 'no data'}; {job.seconds:.0f} s")
    console.event("map", {"source": job.source, "files": job.files, "pixels": job.pixels, "seconds": job.seconds})
    return True

"""`lseg build` as it is seen: a bar while TensorRT works, then what the engine takes and how far it was checked."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich import progress

from lseg_cli.console.terminal import LOG_EVERY_S, Console

if TYPE_CHECKING:
    from lseg_engines.tensorrt.sidecar import Check, Sidecar


@contextmanager
def show_building(console: Console) -> Iterator[Callable[[str, float], None]]:
    """Gives what to tell (phase, share done): a bar on a terminal, else a line every ten seconds."""
    if console.quiet:
        yield lambda _phase, _share: None
    elif console.stderr.is_terminal and not console.stderr.is_dumb_terminal:
        columns = (progress.BarColumn(), progress.TaskProgressColumn(), progress.TextColumn("{task.description}"))
        with progress.Progress(*columns, console=console.stderr, transient=True) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda phase, share: bar.update(task, completed=share, description=phase)
    else:
        yield _log(console)


def show_engine(path: Path, sidecar: "Sidecar", console: Console) -> None:
    """Shows what an engine runs on, what it takes, and what of it was checked."""
    build = sidecar.build
    sms = ", ".join(f"SM{sm}" for sm in build.sm) or "every GPU from Ampere on"
    least, _, most = build.profiles["image"]
    size = f"{most[1]}x{most[2]}" if least[1:] == most[1:] else f"{least[1]}x{least[2]} to {most[1]}x{most[2]}"
    size_mb = round(sidecar.engine_bytes / 1e6, 1)
    console.note(
        f"{path}: {sidecar.flavour.title} {build.version} for {sms}; 1 to {most[0]} pictures of {size} pixels, "
        f"1 to {build.profiles['text'][2][0]} labels; {build.precision}, {size_mb} MB."
    )
    for what, check in (("The ONNX file", build.onnx_check), ("The engine", sidecar.engine_check)):
        if check is not None:
            console.note(_describe(what, check))
    data = {"file": str(path), "size_mb": size_mb, **sidecar.model_dump(mode="json")}
    console.event("built", data)


def _describe(what: str, check: "Check") -> str:
    return (
        f"{what} was checked against {check.against} at {check.corners} corners: logits within "
        f"{check.difference:.2g}, {check.equal:.3%} of labels equal."
    )


def _log(console: Console) -> Callable[[str, float], None]:
    last = time.monotonic()

    def show(phase: str, share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LOG_EVERY_S:
            last = now
            console.line(f"{share:.0%}, {phase}")

    return show

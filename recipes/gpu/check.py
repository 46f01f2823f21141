"""What only a GPU can show, in one command of at most eight minutes: results as JSON, for an issue or the docs.

    python recipes/gpu/check.py [-o gpu.json] [--device cuda:0] [--parts precision,labels] [--minutes 8]

Every part runs in a process of its own with a time limit; one that cannot run here is skipped, and the JSON says why.
`--device cpu` runs the parts that a CPU can run, to try the script itself: its figures say nothing of a GPU.
"""

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lseg_cli import __version__
from lseg_cli.bench.latency import Workload
from lseg_cli.bench.made_input import make_pictures, make_text
from lseg_cli.contract import SCORES, Engine, Output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError, MemoryFullError
from lseg_engines.opener import find_model, open_engine

Figures = dict[str, Any]

MASK: tuple[Output, ...] = ("mask",)
COUNTS = (3, 20, 150, 1000)
PACKAGES = ("torch", "timm", "onnxruntime-gpu", "onnxruntime", "tensorrt", "tensorrt_rtx", "numpy")


class Skipped(Exception):
    """A part cannot run here; the message says why."""


def is_cuda(device: str) -> bool:
    """Whether it is an NVIDIA GPU."""
    return device.startswith("cuda")


def output_of(*command: str) -> subprocess.CompletedProcess[str]:
    """What a program says, however it ends."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def median_ms(engine: Engine, labels: int, size: tuple[int, int], rounds: int, batch: int = 1) -> float:
    """Of some calls that give masks, after two that are not timed."""
    workload = Workload(batch, labels, *size)
    times = [workload.run(engine) for _ in range(rounds + 2)][2:]
    return round(float(np.median(times)), 3)


def large_model(folder: Path) -> Path:
    """ViT-L/16 with random weights: its time is that of trained ones."""
    from lseg_cli.config import PRESETS  # noqa: PLC0415
    from lseg_cli.model.checkpoint import save_model  # noqa: PLC0415
    from lseg_cli.model.lseg import build  # noqa: PLC0415

    path = folder / "vitl16.safetensors"
    save_model(build(PRESETS["lseg-vitl16"]), path)
    return path


def precision(device: str) -> Figures:
    """PyTorch in fp32, fp16 and bf16 against fp32 on the CPU: logits, masks."""
    image, found = make_pictures(1, 480, 640), Figures()
    reference = open_engine(EngineChoice("lseg-tiny", "torch", "cpu"))
    text = make_text(20, reference.spec.model.text.width)
    right = reference.run(image, text, ("logits", "mask"))
    for kind in ("fp32", "fp16", "bf16"):
        try:
            answer = open_engine(EngineChoice("lseg-tiny", "torch", device, kind)).run(image, text, ("logits", "mask"))
        except LsegError as error:
            found[kind] = {"skipped": str(error)}
            continue
        off = np.abs(answer["logits"].astype(np.float64) - right["logits"].astype(np.float64))
        found[kind] = {
            "largest_difference_of_logits": float(off.max()),
            "masks_equal": float(np.mean(answer["mask"] == right["mask"])),
            "finite": bool(np.isfinite(answer["logits"].astype(np.float32)).all()),
        }
    return found


def labels(device: str) -> Figures:
    """The cost of more labels: milliseconds of a mask, and relative to three labels (aim: 1.2 at 1,000)."""
    found = Figures()
    with tempfile.TemporaryDirectory() as name:
        for model, size, rounds in (("lseg-tiny", (480, 640), 20), ("lseg-vitl16", (480, 480), 10)):
            path = model if model == "lseg-tiny" else str(large_model(Path(name)))
            engine = open_engine(EngineChoice(path, "torch", device))
            ms = {count: median_ms(engine, count, size, rounds if is_cuda(device) else 2) for count in COUNTS}
            found[model] = {"ms": ms, "relative": {count: round(each / ms[COUNTS[0]], 3) for count, each in ms.items()}}
    return found


def batches(device: str) -> Figures:
    """A batch that does not fit ends in an error that the run answers by halving; the largest that fits."""
    if not is_cuda(device):
        raise Skipped("only a device with memory of its own runs full")
    import torch  # noqa: PLC0415

    torch.cuda.set_per_process_memory_fraction(min(1.0, 3 * 2**30 / torch.cuda.mem_get_info()[1]), torch.device(device))
    engine, size = open_engine(EngineChoice("lseg-tiny", "torch", device)), 256
    found = Figures(memory_gib=3, failed=[])
    while size:
        try:
            engine.run(make_pictures(1, 480, 640).repeat(size, 0), make_text(20, engine.spec.model.text.width), SCORES)
        except MemoryFullError:
            found["failed"].append(size)
            size //= 2
        else:
            break
    return found | {"fits": size}


def pipeline(device: str) -> Figures:
    """Pictures per second of the engine alone and of the whole run, 200 pictures of 2 megapixels (aim: 0.97)."""
    from lseg_cli.runs.options import SegmentOptions  # noqa: PLC0415
    from lseg_cli.runs.segment import open_segmentation  # noqa: PLC0415
    from lseg_engines.description import read_spec  # noqa: PLC0415

    count = 200 if is_cuda(device) else 3
    choice = EngineChoice("lseg-tiny", "torch", device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "in")
        folder.mkdir()
        picture = Image.fromarray(make_pictures(1, 1152, 1728)[0])
        for number in range(count):
            picture.save(folder / f"{number:03}.jpg", quality=90)
        engine = open_engine(choice)
        batch = 8 if is_cuda(device) else 1
        engine_rate = 1000 * batch / median_ms(engine, 5, (416, 640), 20 if is_cuda(device) else 3, batch)
        options = SegmentOptions(inputs=(str(folder),), labels="sky,road,tree,person,other", out=name, engine=choice)
        with open_segmentation(options, open_engine, read_spec) as run:
            start = time.perf_counter()
            done = len(list(run.run()))
            rate = done / (time.perf_counter() - start)
    return {"pictures": done, "engine_per_s": round(engine_rate, 2), "run_per_s": round(rate, 2),
            "share": round(rate / engine_rate, 3), "cores": os.cpu_count()}  # fmt: skip


def training(device: str) -> Figures:
    """Steps in mixed precision, compiled and not: losses of both, and of a run that was cut in two."""
    import torch  # noqa: PLC0415

    from lseg_cli.model import load  # noqa: PLC0415

    kind, dtype = torch.device(device).type, torch.float16 if is_cuda(device) else torch.bfloat16
    steps = 20 if is_cuda(device) else 1
    pixels = torch.from_numpy(make_pictures(2, 96, 96)).permute(0, 3, 1, 2).float().to(device) / 128 - 1
    target = torch.arange(2 * 96 * 96, device=device).reshape(2, 96, 96) // 997 % 5

    def losses(state: dict[str, Any], count: int, is_compiled: bool) -> tuple[list[float], dict[str, Any]]:
        torch.manual_seed(0)
        model = load(find_model("lseg-tiny")).to(device).eval()
        text = torch.from_numpy(make_text(5, model.config.text.width)).to(device)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        scaler = torch.amp.GradScaler(kind, enabled=dtype == torch.float16)
        if state:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            scaler.load_state_dict(state["scaler"])
        call, found = torch.compile(model) if is_compiled else model, []
        for _ in range(count):
            with torch.autocast(kind, dtype=dtype):
                loss = torch.nn.functional.cross_entropy(call(pixels, text).float(), target)
            torch.autograd.backward(scaler.scale(loss))
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            found.append(float(loss.detach()))
        parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "scaler": scaler}
        return found, {name: part.state_dict() for name, part in parts.items()}

    whole, _ = losses({}, 2 * steps, is_compiled=False)
    first, state = losses({}, steps, is_compiled=False)
    second, _ = losses(state, steps, is_compiled=False)
    found = Figures(losses=whole, resumed_differs_by=float(np.abs(np.subtract(whole, first + second)).max()))
    if is_cuda(device):
        compiled, _ = losses({}, 2 * steps, is_compiled=True)
        found["compiled_differs_by"] = float(np.abs(np.subtract(whole, compiled)).max())
    return found


def onnx(device: str) -> Figures:
    """ONNX Runtime's CUDA provider, with bound inputs and outputs, against its CPU."""
    image = make_pictures(1, 480, 640)
    try:
        engine = open_engine(EngineChoice("lseg-tiny", "onnx", device), outputs=MASK)
    except LsegError as error:
        raise Skipped(str(error)) from error
    reference = open_engine(EngineChoice("lseg-tiny", "onnx", "cpu"), outputs=MASK)
    text = make_text(20, engine.spec.model.text.width)
    equal = np.mean(engine.run(image, text, MASK)["mask"] == reference.run(image, text, MASK)["mask"])
    return {"masks_equal": float(equal), "ms": median_ms(engine, 20, (480, 640), 20 if is_cuda(device) else 2)}


def tensorrt(device: str) -> Figures:
    """Build, run and compare an engine; the N sweep of the repository's own GPU tests; `trtexec` on the same engine."""
    if not is_cuda(device):
        raise Skipped("TensorRT needs an NVIDIA GPU")
    flavours = [name for name in ("tensorrt", "tensorrt_rtx") if installed(name)]
    if not flavours:
        raise Skipped("neither tensorrt nor tensorrt_rtx is installed")
    found = Figures(flavours=flavours)
    with tempfile.TemporaryDirectory() as name:
        graph, built = Path(name, "tiny.onnx"), Path(name, "tiny.engine")
        for command in (["export", "lseg-tiny", "-o", str(graph), "--imgsz", "480x640"],
                        ["build", str(graph), "-o", str(built)]):  # fmt: skip
            done = output_of(sys.executable, "-m", "lseg_cli", *command)
            if done.returncode:
                return found | {"failed": f"lseg {command[0]}: {done.stderr[-800:]}"}
        engine = open_engine(EngineChoice(str(built), device=device))
        found["ms"] = {count: median_ms(engine, count, (480, 640), 50) for count in COUNTS
                       if count <= (engine.spec.max_labels or count)}  # fmt: skip
        found["torch_ms"] = median_ms(open_engine(EngineChoice("lseg-tiny", "torch", device)), 20, (480, 640), 50)
        if program := shutil.which("trtexec"):
            done = output_of(program, f"--loadEngine={built}", "--useCudaGraph")
            found["trtexec"] = [line for line in done.stdout.splitlines() if "median" in line][-4:]
    tests = Path(__file__).parents[2] / "tests/engines/test_tensorrt_gpu.py"
    if tests.is_file() and installed("pytest"):
        done = output_of(sys.executable, "-m", "pytest", "-q", str(tests))
        found["tests"] = done.stdout.strip().splitlines()[-1:]
    return found


def two_gpus(device: str) -> Figures:
    """Two processes train as one."""
    import torch  # noqa: PLC0415

    if not is_cuda(device) or torch.cuda.device_count() < 2:
        raise Skipped("there are not two GPUs")
    tests = Path(__file__).parents[2] / "tests/training/test_processes.py"
    if not tests.is_file():
        raise Skipped("this needs the repository with its tests")
    done = output_of(sys.executable, "-m", "pytest", "-q", str(tests))
    return {"tests": done.stdout.strip().splitlines()[-1:], "ok": done.returncode == 0}


# Seconds for each; together they may take more, so what is left of the time is shared in this order.
PARTS: dict[str, tuple[Callable[[str], Figures], int]] = {
    "precision": (precision, 60),
    "labels": (labels, 110),
    "batches": (batches, 40),
    "pipeline": (pipeline, 80),
    "onnx": (onnx, 60),
    "training": (training, 100),
    "tensorrt": (tensorrt, 240),
    "two_gpus": (two_gpus, 90),
}


def installed(package: str) -> str:
    """Its version; '' if it is not here."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def environment(device: str) -> Figures:
    """The card, its driver, and the packages."""
    card = ""
    if program := shutil.which("nvidia-smi"):
        card = output_of(
            program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"
        ).stdout.strip()
    packages = {name: found for name in PACKAGES if (found := installed(name))}
    return {"device": device, "cards": card.splitlines(), "cores": os.cpu_count(), "platform": platform.platform(),
            "python": platform.python_version(), "lseg": __version__, "packages": packages}  # fmt: skip


def attempt(part: str, device: str, place: Path) -> None:
    """Runs a part and writes what came of it; in a process of its own."""
    try:
        result = {"status": "ok", "figures": PARTS[part][0](device)}
    except Skipped as reason:
        result = {"status": "skipped", "reason": str(reason)}
    except Exception as error:  # whatever it is, the other parts go on
        result = {"status": "failed", "reason": f"{type(error).__name__}: {error}"[:2000]}
    place.write_text(json.dumps(result), encoding="utf-8")


def limited(part: str, device: str, limit_s: float) -> Figures:
    """A part with a time limit."""
    if limit_s < 5:
        return {"status": "skipped", "reason": "no time is left"}
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name, "result.json")
        process = multiprocessing.get_context("spawn").Process(target=partial(attempt, part, device, place))
        process.start()
        process.join(limit_s)
        if process.is_alive():
            process.kill()
            process.join()
            result = {"status": "failed", "reason": f"stopped after {limit_s:.0f} s"}
        elif place.is_file():
            result = json.loads(place.read_text(encoding="utf-8"))
        else:
            result = {"status": "failed", "reason": f"the process ended with {process.exitcode}"}
    return result | {"seconds": round(time.perf_counter() - start, 1)}


def main() -> None:
    """Runs the parts, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--minutes", type=float, default=8.0)
    arguments = parser.parse_args()
    names = arguments.parts.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(f"unknown parts {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    end = time.monotonic() + 60 * arguments.minutes
    report: Figures = {"environment": environment(arguments.device), "parts": {}}
    for name in names:
        report["parts"][name] = limited(name, arguments.device, min(PARTS[name][1], end - time.monotonic()))
        arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(f"{name:<10} {json.dumps(report['parts'][name])[:300]}", flush=True)
    print(f"{arguments.out} holds all of it.")


if __name__ == "__main__":
    main()

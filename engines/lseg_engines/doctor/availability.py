"""What this machine can run, for `lseg doctor`: tried, not looked up, for a provider that is listed may not load."""

import re
import time
import warnings
from collections.abc import Iterator

import numpy as np

from lseg_cli.bench.made_input import make_pictures
from lseg_cli.data.labels import LabelSet
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError
from lseg_cli.extras import has
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.inference.segmenter import Segmenter
from lseg_engines.bundled import BUNDLED
from lseg_engines.doctor.environment import Check, check_environment
from lseg_engines.opener import model_file, open_engine
from lseg_engines.ort.part import graph_of_one_node
from lseg_engines.tensorrt.flavour import find_flavours

MAIN_JOB = "segmentation"

_PLACE = re.compile(r"^/\S+:\d+ .*?\) (?=[A-Z])")  # '/src/x.cc:729 void f(const T&) ', before what ONNX Runtime says


def check_machine() -> Iterator[Check]:
    """Everything, the cheap first; the last is `MAIN_JOB`."""
    yield from check_environment()
    yield from _gpus()
    yield from _providers()
    for found in find_flavours():
        yield Check(found.title, "ok" if found.runs else "not here", found.version or "none", found.reason)
    yield _bundled()
    yield _main_job()


def works(checks: list[Check]) -> bool:
    """Whether pictures can be segmented here."""
    return any(check.name == MAIN_JOB and check.state == "ok" for check in checks)


def _gpus() -> Iterator[Check]:
    """As PyTorch sees them. Whatever is wrong with it, `lseg doctor` goes on."""
    name = "PyTorch's GPU"
    if not has("torch"):
        yield Check(name, "not here", "PyTorch is not installed", "pip install 'lseg-cli[torch]'")
        return
    try:
        import torch  # noqa: PLC0415  it may be what is broken

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a driver that is too old: it counts as not there
            devices = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
        for index in devices:
            facts = torch.cuda.get_device_properties(index)
            memory = f"{facts.total_memory / 2**30:.0f} GiB, compute capability {facts.major}.{facts.minor}"
            yield Check(name, "ok", f"cuda:{index} {facts.name}, {memory}")
        if torch.backends.mps.is_available():
            yield Check(name, "ok", "mps")
        elif not devices:
            built = torch.version.cuda
            why = f"no GPU that CUDA {built} can use" if built else "this PyTorch is built without CUDA"
            yield Check(name, "not here", why, "segmentation runs on the CPU; for a GPU see pytorch.org/get-started")
    except Exception as error:
        yield Check(name, "not here", f"PyTorch does not load: {_reason(error)}", "pip install --force-reinstall torch")


def _providers() -> Iterator[Check]:
    """Every execution provider of ONNX Runtime, tried with a graph of one node."""
    try:
        import onnxruntime  # noqa: PLC0415  it may be what is broken

        names = onnxruntime.get_available_providers()
    except Exception as error:
        yield Check("ONNX Runtime", "not here", f"does not load: {_reason(error)}", "pip install onnxruntime")
        return
    for name in names:
        kind = name.removesuffix("ExecutionProvider")
        try:
            _try_provider(kind.lower())
        except Exception as error:
            yield Check(f"ONNX Runtime {kind}", "not here", _reason(error), "use another --device")
        else:
            yield Check(f"ONNX Runtime {kind}", "ok", "runs a graph")


def _try_provider(kind: str) -> None:
    from lseg_engines.ort.engine import open_session  # noqa: PLC0415

    session, _ = open_session(graph_of_one_node(), kind)
    (result,) = session.run(["y"], {"x": np.array([-1, 2], np.float32)})
    if result.tolist() != [0, 2]:
        raise LsegError(f"It answers {result.tolist()} where [0, 2] is right.")


def _bundled() -> Check:
    try:
        path = model_file(EngineChoice(BUNDLED))
    except LsegError as error:
        return Check("bundled model", "not here", str(error), "pip install --force-reinstall lseg-cli")
    return Check("bundled model", "ok", str(path))


def _main_job() -> Check:
    """A picture, three words, the bundled model, the CPU."""
    try:
        start = time.perf_counter()
        engine = open_engine(EngineChoice(BUNDLED, device="cpu"))
        text = embed_label_set(LabelSet.of(["sky", "road", "other"]), engine.spec.model.text).vectors
        (picture,) = make_pictures(1, 96, 160)
        Segmenter(engine, text, (96, 160)).segment(picture)
    except Exception as error:
        return Check(MAIN_JOB, "not here", _reason(error), "see what is not here above; pip install --upgrade lseg-cli")
    return Check(
        MAIN_JOB, "ok", f"the bundled model segments a picture on the CPU ({time.perf_counter() - start:.1f} s)"
    )


def _reason(error: Exception) -> str:
    """The first line of what an error says."""
    lines = str(error).strip().splitlines()
    return _PLACE.sub("", lines[0]).rstrip(".") if lines else type(error).__name__

"""`lseg doctor` from the command line."""

import json
import sys

import pytest

from lseg_cli.errors import LsegError, MissingError
from lseg_engines.doctor import availability
from lseg_engines.ort import engine
from tests.command_line import lseg

Checks = dict[str, dict[str, str]]


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    return lseg("doctor", *arguments), capsys.readouterr().out


def checks(capsys: pytest.CaptureFixture[str]) -> tuple[int, Checks]:
    code, out = doctor(capsys, "--json")
    facts = json.loads(out)
    assert facts["works"] is (code == 0)
    return code, {check["name"]: check for check in facts["checks"]}


def test_a_machine_that_works(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = checks(capsys)
    assert code == 0
    assert found["ONNX Runtime CPU"]["state"] == "ok"
    assert found["segmentation"]["state"] == "ok"
    assert found["bundled model"]["found"].endswith("lseg-tiny.onnx")
    assert {"lseg", "python", "torch", "TensorRT", "TensorRT-RTX", "threads", "cache"} <= set(found)
    assert all(check["state"] in {"ok", "warning", "not here"} for check in found.values())
    assert all(check["advice"] for check in found.values() if check["state"] != "ok")


def test_the_main_job_decides_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise LsegError("No engine today.")

    monkeypatch.setattr(availability, "open_engine", fail)
    code, out = doctor(capsys)
    assert code == 6
    assert "not here  segmentation            No engine today\n" in out
    assert "->" in out.splitlines()[-1]


def test_a_provider_that_is_listed_and_does_not_load(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime  # noqa: PLC0415

    open_session = engine.open_session

    def choosy(source: bytes, device: str) -> object:
        if device == "cuda":
            raise MissingError("It does not load.")
        return open_session(source, "cpu")

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(engine, "open_session", choosy)
    _, found = checks(capsys)
    assert found["ONNX Runtime CUDA"]["state"] == "not here"
    assert found["ONNX Runtime CUDA"]["found"] == "It does not load"
    assert found["ONNX Runtime CPU"]["state"] == "ok"


def test_packages_that_are_broken_are_told_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tensorrt", "tensorrt_rtx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "lseg_engines.ort.engine", raising=False)
    code, found = checks(capsys)
    assert code == 6  # the bundled model runs in ONNX Runtime
    assert found["segmentation"]["state"] == "not here"
    assert found["ONNX Runtime"]["state"] == "not here"
    assert found["TensorRT"] == {
        "name": "TensorRT",
        "state": "not here",
        "found": "none",
        "advice": "TensorRT is not installed: pip install tensorrt.",
    }

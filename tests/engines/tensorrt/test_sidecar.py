"""The record beside an engine: what it ties, and what it says of an engine that does not fit."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lseg_cli.config import ModelConfig
from lseg_cli.contract import GraphSpec
from lseg_cli.errors import MismatchError
from lseg_cli.files import file_sha256
from lseg_engines.tensorrt.options import BuildOptions
from lseg_engines.tensorrt.sidecar import (
    BuildRecord,
    IncompatibleEngineError,
    Sidecar,
    check_build_id,
    check_fits,
    check_is_of,
    make_build_id,
    onnx_of,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)

TRT = BuildOptions("trt")
RTX = BuildOptions("rtx")


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    path = tmp_path / "x.engine"
    path.write_bytes(b"ftrt" + b"\0" * 60)
    return path


@pytest.fixture
def record(pyramid_config: ModelConfig) -> BuildRecord:
    return BuildRecord(
        flavour="trt",
        version="10.13.2.6",
        sm=(86,),
        gpu="NVIDIA RTX A5000",
        platform="linux-x86_64",
        spec=GraphSpec(model=pyramid_config, model_sha256="0" * 64, max_batch=4, max_labels=256),
        precision="fp32",
        onnx="x.onnx",
        onnx_sha256="1" * 64,
        onnx_check=None,
        profiles={"image": ((1, 64, 96, 3),) * 3, "text": ((1, 16), (8, 16), (256, 16))},
        options=TRT,
    )


def beside(engine: Path, build: BuildRecord) -> Sidecar:
    sidecar = Sidecar(
        written_by="lseg 0.1.0",
        build_id=make_build_id(build),
        build=build,
        engine_bytes=engine.stat().st_size,
        engine_sha256=file_sha256(engine),
    )
    write_sidecar(sidecar, engine)
    return sidecar


def of(record: BuildRecord, options: BuildOptions, version: str, *sm: int) -> BuildRecord:
    update = {"flavour": options.flavour, "options": options, "version": version, "sm": sm}
    return record.model_copy(update=update)


def test_what_is_written_is_read(engine: Path, record: BuildRecord) -> None:
    sidecar = beside(engine, record)
    assert read_sidecar(engine) == sidecar
    check_is_of(sidecar, engine)
    check_build_id(sidecar, make_build_id(record), engine)
    assert sidecar_path(engine).name == "x.engine.json"


def test_a_tie_depends_on_all_that_was_built(record: BuildRecord) -> None:
    build_ids = {
        make_build_id(record),
        make_build_id(record.model_copy(update={"onnx_sha256": "2" * 64})),
        make_build_id(record.model_copy(update={"version": "10.13.2.7"})),
        make_build_id(record.model_copy(update={"options": replace(TRT, max_labels=255)})),
    }
    assert len(build_ids) == 4
    assert all(len(build_id) == 21 and build_id.startswith("lseg:") for build_id in build_ids)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"x\.engine is a TensorRT engine without x\.engine\.json, which says what it is: put that file beside"),
        ("{", r"x\.engine\.json is damaged \(.*\); build the engine again"),
        ("[]", r"x\.engine\.json was written by another version of this tool"),
        ('{"build_id": ""}', "was written by another version of this tool"),
    ],
)
def test_a_sidecar_that_cannot_be_read_is_told(content: str | None, message: str, engine: Path) -> None:
    if content is not None:
        sidecar_path(engine).write_text(content)
    with pytest.raises(MismatchError, match=message):
        read_sidecar(engine)


def test_a_sidecar_that_was_changed_is_told(engine: Path, record: BuildRecord) -> None:
    beside(engine, record)
    content = json.loads(sidecar_path(engine).read_text())
    content["build"]["sm"] = [89]
    sidecar_path(engine).write_text(json.dumps(content))
    with pytest.raises(MismatchError, match="was changed after it was written"):
        read_sidecar(engine)


def test_a_sidecar_of_another_engine_is_told(engine: Path, record: BuildRecord) -> None:
    sidecar = beside(engine, record)
    engine.write_bytes(b"ftrt" + b"\1" * 60)
    assert read_sidecar(engine) == sidecar  # as long, so only the whole file tells
    with pytest.raises(MismatchError, match=r"x\.engine\.json is not of this .*x\.engine but of another build"):
        check_is_of(sidecar, engine)
    with pytest.raises(MismatchError, match="but of another build"):
        check_build_id(sidecar, "Unnamed Network 0", engine)
    engine.write_bytes(b"ftrt")
    with pytest.raises(MismatchError, match="it states 64 bytes, and the engine has 4"):
        read_sidecar(engine)


@pytest.mark.parametrize(
    ("options", "built", "sm", "version", "here"),
    [
        (TRT, "10.13.2.6", (86,), "10.13.2.6", 86),
        (replace(TRT, is_hardware_compatible=True), "10.13.2.6", (86,), "10.13.2.6", 120),
        (replace(TRT, is_version_compatible=True), "10.13.2.6", (86,), "11.4.0.106", 86),
        (RTX, "1.7.1.116", (), "1.7.1.116", 80),
        (RTX, "1.7.1.116", (), "1.7.1.116", 121),
        (RTX, "1.7.1.116", (75, 89), "1.7.1.116", 75),
    ],
)
def test_what_fits_passes(
    options: BuildOptions, built: str, sm: tuple[int, ...], version: str, here: int, engine: Path, record: BuildRecord
) -> None:
    check_fits(beside(engine, of(record, options, built, *sm)), version, here, engine)


@pytest.mark.parametrize(
    ("options", "built", "sm", "version", "here", "message"),
    [
        (TRT, "10.13.2.6", (86,), "11.4.0.106", 89, r"with TensorRT 10\.13 for SM86, here are 11\.4 and SM89: run `ls"),
        (TRT, "10.13.2.6", (86,), "10.13.2.7", 86, r"TensorRT 10\.13\.2\.6 for SM86, here are 10\.13\.2\.7 and SM86"),
        (TRT, "10.13.2.6", (86,), "10.13.2.6", 89, r"TensorRT 10\.13\.2\.6 for SM86, here are 10\.13\.2\.6 and SM89"),
        (replace(TRT, is_hardware_compatible=True), "10.13.2.6", (86,), "10.13.2.6", 75, "SM75"),
        (
            replace(TRT, is_version_compatible=True),
            "10.13.2.6",
            (86,),
            "10.9.0.1",
            86,
            r"10\.13 for SM86, here are 10\.9",
        ),
        (RTX, "1.7.1.116", (), "1.7.1.116", 75, "with TensorRT-RTX .* for SM80 and later, here are .* and SM75"),
        (RTX, "1.7.1.116", (86, 89), "1.8.0.1", 120, r"1\.7 for SM86 and SM89, here are 1\.8 and SM120: run `.* --rtx"),
    ],
)
def test_what_does_not_fit_is_told_with_its_reasons(
    options: BuildOptions,
    built: str,
    sm: tuple[int, ...],
    version: str,
    here: int,
    message: str,
    engine: Path,
    record: BuildRecord,
) -> None:
    sidecar = beside(engine, of(record, options, built, *sm))
    with pytest.raises(IncompatibleEngineError, match=message):
        check_fits(sidecar, version, here, engine)


def test_the_onnx_file_of_an_engine_is_found_again(engine: Path, record: BuildRecord) -> None:
    onnx = engine.with_name("x.onnx")
    onnx.write_bytes(b"graph")
    sidecar = beside(engine, record.model_copy(update={"onnx_sha256": file_sha256(onnx)}))
    assert onnx_of(sidecar, engine) == onnx
    onnx.write_bytes(b"another")
    with pytest.raises(
        MismatchError, match=r"x\.onnx has changed since .*x\.engine was built from it: run `lseg build"
    ):
        onnx_of(sidecar, engine)
    onnx.unlink()
    with pytest.raises(MismatchError, match=r"was built from is not here \(.*x\.onnx\): run `lseg build"):
        onnx_of(sidecar, engine)
    with pytest.raises(MismatchError, match="was built from is not here: run `lseg export tiny-pyramid --trt -o "):
        onnx_of(beside(engine, record.model_copy(update={"onnx": None})), engine)

"""What `lseg doctor` says of an installation."""

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from lseg_engines.doctor import environment
from lseg_engines.doctor.environment import Check, check_environment


def find(name: str) -> Check:
    return next(check for check in check_environment() if check.name == name)


def install(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Makes these the only packages."""

    def version(package: str) -> str:
        if package not in packages:
            raise PackageNotFoundError
        return "1.2"

    monkeypatch.setattr(environment, "version", version)


def test_two_builds_of_one_package_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "onnxruntime", "onnxruntime-gpu", "opencv-python-headless", "opencv-python")
    check = find("onnxruntime")
    assert check.state == "warning"
    assert check.found == "onnxruntime 1.2, onnxruntime-gpu 1.2"
    assert "pip uninstall onnxruntime onnxruntime-gpu" in check.advice
    assert find("opencv-python").state == "warning"


def test_one_build_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "onnxruntime-gpu", "opencv-python-headless")
    assert find("onnxruntime-gpu") == Check("onnxruntime-gpu", "ok", "1.2")
    assert find("opencv-python-headless").state == "ok"
    assert find("torch") == Check("torch", "not here", "not installed", "pip install 'lseg-cli[torch]'")


def test_it_says_which_of_the_two_installations_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find("install").found == "with the extra torch: runs, trains, exports and converts models"
    monkeypatch.setitem(sys.modules, "timm", None)
    check = find("install")
    assert check.found.startswith("without the extra torch (timm): runs models")
    assert check.advice == "pip install 'lseg-cli[torch]'"


def test_what_keeps_cores_idle_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr(environment, "_CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert find("threads").state == "ok"
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert find("threads").state == "ok"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "unset it" in find("threads").advice
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert "may use 2.5 of them at a time: give --threads 2" in find("threads").advice


def test_caches_tell_their_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    assert find("cache").found == f"{tmp_path / 'cache'}, 0.0 MB"
    (tmp_path / "cache" / "text").mkdir(parents=True)
    (tmp_path / "cache" / "text" / "x").write_bytes(bytes(2_500_000))
    assert find("cache") == Check("cache", "ok", f"{tmp_path / 'cache'}, 2.5 MB")


def test_a_cache_that_cannot_be_written_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "file" / "cache"))
    check = find("cache")
    assert check.state == "warning"
    assert "set LSEG_CACHE to a folder" in check.advice


def test_offline_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE=1" in find("hub").found

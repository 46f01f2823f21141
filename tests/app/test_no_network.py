"""The page where there is no network but this machine's own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


@pytest.mark.slow
def test_the_page_works_with_the_network_cut_off() -> None:
    if shutil.which("unshare") is None or subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the rights to make a network namespace, and ip")
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-rs", "-p", "no:cacheprovider", "tests/app/test_page.py"]
    command += ["-k", "typed_change_the_mask"]
    ended = subprocess.run([*ALONE, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if "1 skipped" in ended.stdout:
        pytest.skip("the page's own tests are skipped too")
    assert "1 passed" in ended.stdout, ended.stdout

"""The page in an installation without PyTorch."""

import subprocess
import sys
from pathlib import Path

import pytest

from lseg_cli.extras import EXTRAS

SCRIPT = f"""
import sys
for name in {EXTRAS["torch"]}:
    sys.modules[name] = None  # as if it were not installed
import warnings
warnings.simplefilter("ignore")
from lseg_cli.app.options import AppOptions
from lseg_cli.app.server import make_server, workplace
from lseg_cli.app.workbench import Asked, Workbench
with workplace() as folder:
    bench = Workbench(AppOptions(paths=("photos",)), folder)
    make_server(bench)
    print(len(bench.show(bench.library.choose(0), Asked("sky, other")).chips))
"""


@pytest.mark.slow
def test_the_page_needs_no_pytorch(start: Path) -> None:
    pytest.importorskip("gradio", reason="needs the gradio package (the extra app)")
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=start, capture_output=True, text=True, check=False)
    assert ended.stdout == "2\n", ended.stderr

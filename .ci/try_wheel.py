"""Install a built wheel into a fresh environment, away from the checkout, and use it as a stranger would."""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

SCRIPT = """
import lseg_cli as lseg

result = lseg.load().segment("photo.png", "sky, ground, other")
assert result.mask.shape == (48, 64), result.mask.shape
assert abs(sum(result.shares.values()) - 1) < 1e-6, result.shares
print(lseg.__version__, result)
"""


def main(wheel: str) -> None:
    """Install and try it; the first failure ends the process."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        venv.create(place / "venv", with_pip=True)
        programs = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"

        def run(*command: str) -> None:
            print("$", *command, flush=True)
            program = str(programs / command[0])
            subprocess.run([program, *command[1:]], cwd=place, env=environment, check=True)

        run("python", "-m", "pip", "install", "--quiet", f"{wheel}")
        make = "from PIL import Image; Image.linear_gradient('L').resize((64, 48)).convert('RGB').save('photo.png')"
        run("python", "-c", make)
        run("lseg", "--version")
        run("lseg", "segment", "photo.png", "--labels", "sky,ground,other", "--out", "masks")
        run("lseg", "report", "masks")
        if not (place / "masks" / "masks" / "photo.png").stat().st_size:
            raise SystemExit("The mask is empty.")
        (place / "script.py").write_text(SCRIPT, encoding="utf-8")
        run("python", "script.py")
        run("python", "-m", "pip", "install", "--quiet", "mypy")
        run("python", "-m", "mypy", "--strict", "script.py")


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))

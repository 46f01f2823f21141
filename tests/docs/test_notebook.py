"""The notebook: without outputs in git, and every cell of it runs."""

import asyncio
import base64
import io
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).parent.parent.parent / "docs" / "notebook.ipynb"


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def test_no_outputs_are_in_git(notebook: Any) -> None:
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(notebook))
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Jupyter itself
def test_it_runs_and_shows_pictures(notebook: Any, tmp_path: Path) -> None:
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    asyncio.run(client.async_execute())  # `execute` leaves its event loop open
    shown: dict[str, Image.Image] = {}
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                shown[cell.source] = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    assert len(shown) == 6
    for source, picture in shown.items():
        assert len(np.unique(np.asarray(picture))) > 10, source  # not one colour
    many = next(cell for cell in code_cells(notebook) if "segment_many" in cell.source)
    said = "".join(output.get("text", "") for output in many.outputs).splitlines()
    assert len(said) == 3
    assert "missing.jpg" in said[2]
    assert {path.name for path in tmp_path.iterdir()} == {"mask.png", "overlay.jpg"}

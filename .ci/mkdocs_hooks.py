"""What the pages take from the code when they are built: the commands, so that they are always current."""

import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MARK = "<!-- commands -->"


def commands() -> str:
    """Return every command with its options as Markdown, as Typer documents an app."""
    with_title = ["lseg_cli.main", "utils", "docs", "--name", "lseg", "--title", "Commands"]
    done = subprocess.run(
        [sys.executable, "-m", "typer", *with_title], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.partition("\n")[2]  # without the title, which the page has


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the commands where a page asks for them."""
    return markdown.replace(MARK, commands()) if MARK in markdown else markdown

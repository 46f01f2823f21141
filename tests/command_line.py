"""The command line as tests use it: in this process, so that each command costs no start of Python."""

import pytest

from lseg_cli import main


def lseg(*arguments: object) -> int:
    """Runs `lseg` with these arguments; its exit code. What it says, pytest's `capsys` holds."""
    with pytest.raises(SystemExit) as ended:
        main.run([str(each) for each in arguments])
    return int(ended.value.code or 0)

"""Who may reach the page, and what it is called."""

import pytest

from lseg_cli.app.options import AppOptions
from lseg_cli.errors import LsegError


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_needs_no_password(host: str) -> None:
    AppOptions(host=host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_machines_need_a_password(host: str) -> None:
    with pytest.raises(LsegError, match="--auth USER:PASSWORD"):
        AppOptions(host=host).check()
    AppOptions(host=host, auth="ann:se:cret").check()
    assert AppOptions(host=host, auth="ann:se:cret").user == ("ann", "se:cret")


@pytest.mark.parametrize("auth", ["ann", "ann:", ":secret"])
def test_half_a_password_is_none(auth: str) -> None:
    with pytest.raises(LsegError, match="--auth is not valid"):
        AppOptions(auth=auth).check()

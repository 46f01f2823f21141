"""What `lseg app` is asked to do, as values. Imports nothing heavy: the command line reads the defaults first."""

from dataclasses import dataclass, field
from ipaddress import ip_address

from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError


@dataclass(frozen=True, kw_only=True)
class AppOptions:
    """What `lseg app` is asked to do.

    Attributes:
        paths: pictures to choose from, as `lseg_cli.data.finding.find_images` takes them; none: only dropped ones.
        labels: to begin with, as `lseg_cli.data.vocabulary.open_labels` takes them.
        engine: the model and how it is run.
        compare: further models that the page may run.
        host: the address to listen on.
        port: of the host; 0: any that is free.
        auth: 'USER:PASSWORD' that the page asks for; '': none, for this machine alone.
        exclude: as in `lseg_cli.runs.options.RunOptions`.
    """

    paths: tuple[str, ...] = ()
    labels: str = ""
    engine: EngineChoice = field(default_factory=EngineChoice)
    compare: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 7860
    auth: str = ""
    exclude: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the host."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def user(self) -> tuple[str, str] | None:
        """Name and password; None: nobody is asked."""
        name, _, password = self.auth.partition(":")
        return (name, password) if self.auth else None

    def check(self) -> None:
        """Before anything costly.

        Raises:
            LsegError: other machines could reach the page and no password is asked for, or it is not a valid one.
        """
        if self.user is not None and not all(self.user):
            raise LsegError("--auth is not valid; write USER:PASSWORD, or set LSEG_APP_AUTH to it.")
        if not self.is_local and self.user is None:
            raise LsegError(
                f"--host {self.host} lets other machines use the page; give --auth USER:PASSWORD as well, or set "
                "LSEG_APP_AUTH."
            )

"""What can go wrong, in one sentence each, with the exit code that a shell script sees."""


class LsegError(Exception):
    """A mistake that the user can mend: what was got, what is allowed, what to do. Usage errors exit with 2."""

    exit_code = 2


class LsegWarning(UserWarning):
    """What is odd but no error, such as a single label: the command line's notices, from the Python API."""


class DataError(LsegError):
    """Nothing to do, or data that cannot be used."""

    exit_code = 4


class MemoryFullError(DataError):
    """The memory of the device is full: fewer pictures at a time may do."""


class MismatchError(LsegError):
    """Model, vocabulary or engine do not fit each other."""

    exit_code = 5


class MissingError(LsegError):
    """A package, provider, device or file that is not here."""

    exit_code = 6


class VerificationError(LsegError):
    """A check of numbers or precision failed."""

    exit_code = 7


class TooManyFailuresError(LsegError):
    """A run over many pictures was stopped because too many failed."""

    exit_code = 8

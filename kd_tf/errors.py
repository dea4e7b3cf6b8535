"""What goes wrong and is no fault of the package, and what to tell of the errors of libraries."""

LONGEST = 1000


class InputError(ValueError):
    """Bad input: a flag, a file or a combination of them.

    The message is one line that names what is wrong, the numbers that disagree and what to do. Binaries print it and
    exit with status 2.
    """

    # With any other constructor AutoGraph changes the type of what is raised while a step is traced.
    __init__ = Exception.__init__


class RunStopped(Exception):  # noqa: N818
    """A run that was stopped before its end, and that the same command continues. Binaries print the message and exit with `exit_status`.

    Args:
      message: one line.
      exit_status: 128 and the number of the signal that stopped it; 1: something else did.
    """

    def __init__(self, message: str, exit_status: int = 1):
        super().__init__(message)
        self.exit_status = exit_status


def first_line(error: Exception) -> str:
    """Of a message that goes on with the state of a library, at most `LONGEST` characters."""
    line = str(error).partition("\n")[0]
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."

"""The one error that means "what you gave cannot work", as opposed to a fault of the package; and what to tell of those of libraries."""


class InputError(ValueError):
    """Bad input: a flag, a file or a combination of them.

    The message is one line that names what is wrong, the numbers that disagree and what to do. Binaries print it and
    exit with status 2.
    """

    # With any other constructor AutoGraph changes the type of what is raised while a step is traced.
    __init__ = Exception.__init__


def first_line(error: Exception) -> str:
    """Of a message that goes on with the state of a library."""
    return str(error).partition("\n")[0]

"""Numbers in flags that are lists."""

from absl import flags

from kd_tf.errors import InputError


def whole_numbers(flag: flags.FlagHolder[list[str]], given: list[str] | None = None) -> list[int]:
    """What such a flag holds.

    Args:
      flag: the flag.
      given: what it holds, where a run was begun with it; None: its value.

    Raises:
      InputError: one is no number.
    """
    given = flag.value if given is None else given
    try:
        return [int(number) for number in given]
    except ValueError as error:
        raise InputError(f"--{flag.name}={','.join(given)} must be whole numbers with commas between them") from error

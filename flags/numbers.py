"""Numbers in flags that are lists."""

from absl import flags

from kd_tf.errors import InputError


def whole_numbers(flag: flags.FlagHolder[list[str]]) -> list[int]:
    """What such a flag holds.

    Raises:
      InputError: one is no number.
    """
    try:
        return [int(number) for number in flag.value]
    except ValueError as error:
        raise InputError(f"--{flag.name}={','.join(flag.value)} must be whole numbers with commas between them") from error

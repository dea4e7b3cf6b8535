"""What the choice between targets is made from."""

from absl import flags

from kd_tf.errors import InputError

SEEDS = flags.DEFINE_list("seeds", "0,1,2", "Seeds of weights, order and views: one run of each of the four cells for each.")


def seeds_from_flags() -> list[int]:
    """The seeds.

    Raises:
      InputError: one is no number.
    """
    try:
        return [int(seed) for seed in SEEDS.value]
    except ValueError as error:
        raise InputError(f"--seeds={','.join(SEEDS.value)} must be whole numbers with commas between them") from error

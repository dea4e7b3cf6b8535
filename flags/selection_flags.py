"""What the choice between targets is made from."""

from absl import flags

SEEDS = flags.DEFINE_list("seeds", "0,1,2", "Seeds of weights, order and views: one run of each of the four cells for each.")

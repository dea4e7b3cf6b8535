"""Which network is trained."""

from absl import flags

from kd_tf.networks.face_network import NetworkConfig
from kd_tf.networks.resnet import BLOCKS

NETWORK = flags.DEFINE_enum("network", "resnet50", sorted(BLOCKS), "The trunk.")
WIDTH_DIVISOR = flags.DEFINE_integer("width_divisor", 1, "What every layer's number of kernels is divided by: 1, 2, 4 or 8.", lower_bound=1)
BATCH_NORM_MOMENTUM = flags.DEFINE_float(
    "batch_norm_momentum", 0.9, "Of the moving statistics; nearer to 1 for long runs.", lower_bound=0.0, upper_bound=1.0
)


def network_config_from_flags() -> NetworkConfig:
    """The network to be trained."""
    return NetworkConfig(network=NETWORK.value, width_divisor=WIDTH_DIVISOR.value, batch_norm_momentum=BATCH_NORM_MOMENTUM.value)

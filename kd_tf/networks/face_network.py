"""The one kind of network: images in, a dict out.

| key | shape | what |
| --- | --- | --- |
| `hidden` | `[batch, width]` | K, the last layer before the heads |
| `embedding` | `[batch, width]` | K, L2-normalised |
| `logits` | `[batch, identities]` | classification |
| `landmarks` | `[batch, 5, 2]` | alignment, fractions of the crop's width and height |

Any `tf.keras.Model` with these keys works everywhere in the package; each task says which it needs.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks import heads
from kd_tf.networks.resnet import check_trunk, make_resnet


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """What `make_face_network` needs to know of the trunk."""

    network: str = "resnet50"
    width_divisor: int = 1
    batch_norm_momentum: float = 0.9

    def __post_init__(self):
        check_trunk(self.network, self.width_divisor)


def make_face_network(
    config: NetworkConfig,
    *,
    image_size: int,
    identities: int | None = None,
    landmarks: bool = False,
    mean_shape: np.ndarray | None = None,
) -> tf.keras.Model:
    """Makes a trunk with heads.

    Args:
      config: the trunk.
      image_size: height and width of the images, in pixels.
      identities: width of the identity head; None for a network without one.
      landmarks: whether there is a landmark head.
      mean_shape: `[5, 2]`, where the landmark head starts.

    Returns:
      A model from float images `[batch, image_size, image_size, 3]`, 0 to 255, to the dict above.
    """
    trunk = make_resnet(
        config.network,
        width_divisor=config.width_divisor,
        image_size=image_size,
        batch_norm_momentum=config.batch_norm_momentum,
    )
    images = tf.keras.Input([image_size, image_size, 3], name="images")
    hidden = tf.keras.layers.Activation("linear", dtype="float32", name="hidden")(trunk(images))
    outputs = {"hidden": hidden, "embedding": heads.embedding_head(hidden)}
    if identities is not None:
        outputs["logits"] = heads.identity_head(hidden, identities)
    if landmarks:
        outputs["landmarks"] = heads.landmark_head(hidden, mean_shape)
    return tf.keras.Model(images, outputs, name=f"{config.network}_{config.width_divisor}")


def require_outputs(network: tf.keras.Model, keys: tuple[str, ...], who: str) -> None:
    """Raises `InputError` unless the network's output is a dict with all `keys`; `who` names it in the message."""
    outputs = output_shapes(network)
    missing = [key for key in keys if key not in outputs]
    if missing:
        has = ", ".join(sorted(outputs)) or "none, its output is not a dict"
        raise InputError(f"{who} lacks the output {', '.join(repr(key) for key in missing)} (it has: {has})")


def output_width(network: tf.keras.Model, key: str) -> int:
    """The last dimension of output `key`."""
    return int(output_shapes(network)[key][-1])


def output_shapes(network: tf.keras.Model) -> dict[str, tuple]:
    """The shapes of the network's outputs by key; empty where the output is not a dict.

    Raises:
      InputError: a subclassed model that was never called has no outputs yet.
    """
    if getattr(network, "inputs", None):
        outputs = network.output
        return {key: tuple(value.shape) for key, value in outputs.items()} if isinstance(outputs, dict) else {}
    called_with = network.save_spec()
    if called_with is None:
        raise InputError(f"the outputs of the model {network.name!r} are not known yet: call it once on a batch of images")
    shapes = network.compute_output_shape(called_with[0][0].shape)
    return {key: tuple(shape) for key, shape in shapes.items()} if isinstance(shapes, dict) else {}

"""The residual trunk: bottleneck blocks as in He et al. 2015 (v1), with every width divided, and batch normalization on the input.

The paper's networks (arXiv 1709.02929, section 4.1) are ResNet-50 and its /2, /4 and /8: the same depth, the number of kernels of
every layer divided. `resnet26` and `resnet14` are the same with two blocks and one a stage, for runs that must be short.
"""

import tensorflow as tf

from kd_tf.errors import InputError

STAGE_WIDTHS = (64, 128, 256, 512)
BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet26": (2, 2, 2, 2), "resnet14": (1, 1, 1, 1)}
EXPANSION = 4
# With fewer channels than this oneDNN normalizes bfloat16 by plain code that takes ten times as long as float32.
NARROW_CHANNELS = 16
# Below this input size the first layer is 3x3 with stride 2 and no pooling follows.
SMALL_IMAGE = 96


def make_resnet(name: str, *, width_divisor: int = 1, image_size: int = 224, batch_norm_momentum: float = 0.9) -> tf.keras.Model:
    """Makes a trunk from images to the hidden layer K.

    Args:
      name: `resnet50`, `resnet26` or `resnet14`.
      width_divisor: what every layer's number of kernels is divided by. With 1, ResNet-50 has 23,508,032 trainable
        parameters without the input normalization (with the 7x7 first layer).
      image_size: height and width of the input. Under 96 the first layer is 3x3 with stride 2 without pooling, so that
        the last stage still sees a few positions.
      batch_norm_momentum: of the moving statistics; 0.9 keeps up in runs of a few hundred steps, where Keras' 0.99 lags.

    Returns:
      A `tf.keras.Model` from float images `[batch, image_size, image_size, 3]`, 0 to 255, to `[batch, 2048 / width_divisor]`.

    Raises:
      InputError: see `check_trunk`.
    """
    check_trunk(name, width_divisor)
    make = _LayerFactory(batch_norm_momentum)
    images = tf.keras.Input([image_size, image_size, 3], name="images")
    x = make.batch_norm(images, "input_norm", scale=False, center=False)
    x = _stem(make, x, STAGE_WIDTHS[0] // width_divisor, small=image_size < SMALL_IMAGE)
    for stage, (blocks, width) in enumerate(zip(BLOCKS[name], STAGE_WIDTHS, strict=True), start=2):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 2 and block == 1 else 1
            x = _bottleneck(make, x, width // width_divisor, stride, prefix=f"stage{stage}_block{block}")
    hidden = tf.keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return tf.keras.Model(images, hidden, name="trunk")


def check_trunk(name: str, width_divisor: int) -> None:
    """Raises `InputError` for an unknown name, or a divisor that does not divide every width."""
    if name not in BLOCKS:
        raise InputError(f"--network={name} is unknown; known: {', '.join(sorted(BLOCKS))}")
    if width_divisor < 1 or any(width % width_divisor for width in STAGE_WIDTHS):
        raise InputError(f"--width_divisor={width_divisor} does not divide the stage widths {STAGE_WIDTHS}")


def batch_norm_precision(channels: int, precision: str) -> str:
    """What a batch norm computes in, in a network of `precision`, the name of a policy."""
    return "float32" if channels < NARROW_CHANNELS else precision


class _LayerFactory:
    """Makes the layers that all parts of the trunk share."""

    def __init__(self, batch_norm_momentum: float):
        self._momentum = batch_norm_momentum

    def batch_norm(self, x, name: str, **options):
        precision = batch_norm_precision(x.shape[-1], tf.keras.mixed_precision.global_policy().name)
        return tf.keras.layers.BatchNormalization(momentum=self._momentum, epsilon=1e-5, name=name, dtype=precision, **options)(x)

    def conv_norm(self, x, filters: int, size: int, stride: int, name: str, gamma_initializer: str = "ones"):
        """A convolution without bias, padded alike on both sides, and its normalization."""
        if size > 1 and stride > 1:
            x = tf.keras.layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
        conv = tf.keras.layers.Conv2D(
            filters,
            size,
            stride,
            padding="same" if stride == 1 else "valid",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_conv",
        )
        return self.batch_norm(conv(x), f"{name}_norm", gamma_initializer=gamma_initializer)


def _relu(x, name: str):
    return tf.keras.layers.ReLU(name=name)(x)


def _stem(make: _LayerFactory, x, width: int, *, small: bool):
    if small:
        return _relu(make.conv_norm(x, width, 3, 2, "stem"), "stem_relu")
    x = _relu(make.conv_norm(x, width, 7, 2, "stem"), "stem_relu")
    x = tf.keras.layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return tf.keras.layers.MaxPooling2D(3, 2, name="stem_pool")(x)


def _bottleneck(make: _LayerFactory, x, width: int, stride: int, prefix: str):
    shortcut = x
    if stride > 1 or x.shape[-1] != width * EXPANSION:
        shortcut = make.conv_norm(x, width * EXPANSION, 1, stride, f"{prefix}_shortcut")
    y = _relu(make.conv_norm(x, width, 1, stride, f"{prefix}_reduce"), f"{prefix}_relu1")
    y = _relu(make.conv_norm(y, width, 3, 1, f"{prefix}_middle"), f"{prefix}_relu2")
    # A block that starts as its shortcut lets wide networks start at high learning rates (Goyal et al. 2017).
    y = make.conv_norm(y, width * EXPANSION, 1, 1, f"{prefix}_expand", gamma_initializer="zeros")
    return _relu(tf.keras.layers.Add(name=f"{prefix}_add")([y, shortcut]), f"{prefix}_relu3")

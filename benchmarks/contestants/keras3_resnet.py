"""The ResNet-50 of kd_tf/networks/resnet.py for Keras 3, with an identity head."""

import keras

BLOCKS, STAGE_WIDTHS, EXPANSION = (3, 4, 6, 3), (64, 128, 256, 512), 4


def make_resnet50(width_divisor: int, image_size: int, identities: int) -> keras.Model:
    """From images `[batch, height, width, 3]`, 0 to 255, to float32 logits `[batch, identities]`."""
    images = keras.Input([image_size, image_size, 3])
    x = _batch_norm(images, scale=False, center=False)
    x = keras.layers.ReLU()(_conv_norm(x, 64 // width_divisor, 7, 2))
    x = keras.layers.MaxPooling2D(3, 2)(keras.layers.ZeroPadding2D(1)(x))
    for stage, (blocks, width) in enumerate(zip(BLOCKS, STAGE_WIDTHS, strict=True)):
        for block in range(blocks):
            x = _bottleneck(x, width // width_divisor, stride=2 if stage and not block else 1)
    hidden = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(identities, dtype="float32")(hidden))


def _batch_norm(x, **options):
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **options)(x)


def _conv_norm(x, filters: int, size: int, stride: int, gamma_initializer: str = "ones"):
    if size > 1 and stride > 1:
        x = keras.layers.ZeroPadding2D(size // 2)(x)
    padding = "same" if stride == 1 else "valid"
    conv = keras.layers.Conv2D(filters, size, stride, padding=padding, use_bias=False, kernel_initializer="he_normal")
    return _batch_norm(conv(x), gamma_initializer=gamma_initializer)


def _bottleneck(x, width: int, stride: int):
    shortcut = x
    if stride > 1 or x.shape[-1] != width * EXPANSION:
        shortcut = _conv_norm(x, width * EXPANSION, 1, stride)
    y = keras.layers.ReLU()(_conv_norm(x, width, 1, stride))
    y = keras.layers.ReLU()(_conv_norm(y, width, 3, 1))
    y = _conv_norm(y, width * EXPANSION, 1, 1, gamma_initializer="zeros")
    return keras.layers.ReLU()(keras.layers.Add()([y, shortcut]))

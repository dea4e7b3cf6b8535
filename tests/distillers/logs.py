"""What a training step logs, parted."""

from kd_tf.distillers.balance import GRADIENT


def without_gradients(history: dict[str, list[float]]) -> dict[str, float]:
    """The values of the last epoch but those of the gradients at the hidden layer (balance_test.py)."""
    return {name: values[-1] for name, values in history.items() if not name.endswith(GRADIENT)}


def gradients(history: dict[str, list[float]]) -> dict[str, float]:
    """Those of the last epoch, by term."""
    return {name.removesuffix(GRADIENT): values[-1] for name, values in history.items() if name.endswith(GRADIENT)}

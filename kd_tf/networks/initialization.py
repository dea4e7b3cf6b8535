"""Starting one network from another, weight by weight, by layer path."""

import itertools
from typing import NamedTuple

import tensorflow as tf

from kd_tf.errors import InputError

NOT_IN_SOURCE = "not in the source"
PATHS_SHOWN = 4


class CopyReport(NamedTuple):
    """What `copy_weights` did: paths such as `trunk/stage2_block1_reduce_conv/kernel`.

    Attributes:
      copied: paths that the target has from the source now.
      skipped: path to reason, for the target's other weights.
      unused: the source's paths that the target does not have.
    """

    copied: list[str]
    skipped: dict[str, str]
    unused: list[str]

    def summary(self) -> str:
        """A line for a log."""
        missing = [path for path, reason in self.skipped.items() if reason == NOT_IN_SOURCE]
        reasons = [f"{path}: {reason}" for path, reason in self.skipped.items() if reason != NOT_IN_SOURCE]
        reasons += [f"new: {_some(missing)}"] * bool(missing) + [f"dropped: {_some(self.unused)}"] * bool(self.unused)
        return "; ".join([f"copied {len(self.copied)} of {len(self.copied) + len(self.skipped)} weights", *reasons])


def weights_by_path(network: tf.keras.Model) -> dict[str, tf.Variable]:
    """Every weight by the names of the layers that lead to it and its own."""
    found = {}
    for layer in network.layers:
        if isinstance(layer, tf.keras.Model):
            found |= {f"{layer.name}/{path}": weight for path, weight in weights_by_path(layer).items()}
        else:
            for weight in layer.weights:
                name = weight.name.split(":")[0].removeprefix(f"{layer.name}/")
                found[_unused(f"{layer.name}/{name}", found)] = weight
    return found


def _some(paths: list[str]) -> str:
    rest = f" and {len(paths) - PATHS_SHOWN} more" if len(paths) > PATHS_SHOWN else ""
    return ", ".join(paths[:PATHS_SHOWN]) + rest


def _unused(path: str, found: dict) -> str:
    """Layers inside a layer may give two weights one name."""
    return path if path not in found else next(f"{path}_{number}" for number in itertools.count(2) if f"{path}_{number}" not in found)


def copy_weights(source: tf.keras.Model, target: tf.keras.Model) -> CopyReport:
    """Copies each weight of `source` to the weight of `target` that has its path and shape.

    Raises:
      InputError: no kernel fits; vectors alone, such as input statistics, would be no start.
    """
    given, wanted = weights_by_path(source), weights_by_path(target)
    skipped = {}
    for path, weight in wanted.items():
        if path not in given:
            skipped[path] = NOT_IN_SOURCE
        elif given[path].shape != weight.shape:
            skipped[path] = f"shape {tuple(given[path].shape)} in the source, {tuple(weight.shape)} here"
    copied = [path for path in wanted if path not in skipped]
    if not any(given[path].shape.rank > 1 for path in copied):
        reason = next((f"{path}: {reason}" for path, reason in skipped.items() if wanted[path].shape.rank > 1), "it has no kernels")
        raise InputError(f"no kernel of {source.name!r} fits {target.name!r} ({reason}): start from the same --network and --width_divisor")
    for path in copied:
        wanted[path].assign(given[path])
    return CopyReport(copied, skipped, [path for path in given if path not in wanted])

"""How hard each term of the loss pulls at the student's hidden layer: the scale of one term against another, in numbers."""

import tensorflow as tf

from kd_tf.distillers.replicas import replica_count

# Steps between two measurements: the backward pass from a term to K_S is short, but not free (docs/METHODS.md).
BALANCE_STEPS = 20
GRADIENT = "_gradient"


class RootMeanSquare(tf.keras.metrics.Mean):
    """The root of the mean of squares that it is given."""

    def result(self):
        """NaN before the first value."""
        # In mixed precision a variable of several replicas cannot be compared as it is.
        return tf.sqrt(tf.where(tf.convert_to_tensor(self.count) > 0, super().result(), float("nan")))


class GradientBalance:
    """Measures the norm of each weighted term's gradient at K_S over the global batch, every `BALANCE_STEPS` steps.

    On several replicas a term that compares images across them is measured at every step: TensorFlow does not let replicas meet inside
    a condition. Where they meet in the student itself, in synchronized batch norms, nothing is measured.

    Args:
      names: of the terms.
    """

    def __init__(self, names: tuple[str, ...]):
        self.metrics = {name: RootMeanSquare(name=f"{name}{GRADIENT}") for name in names}

    def update(self, step: tf.Tensor, tape: tf.GradientTape, losses: dict[str, tf.Tensor], hidden: tf.Tensor, *, across: set[str]) -> None:
        """Measures, where `step` is due.

        Args:
          step: int, the global step.
          tape: persistent; has seen the losses.
          losses: this replica's share of each term with its weight.
          hidden: K_S.
          across: the terms that compare images of several replicas.
        """

        def measure(names: set[str]) -> bool:
            for name in sorted(names):
                gradient = tape.gradient(losses[name], hidden, unconnected_gradients="zero")
                # A mean over the replicas of what sums over them.
                self.metrics[name].update_state(replica_count() * tf.reduce_sum(tf.square(tf.cast(gradient, tf.float32))))
            return True

        always = across & set(self.metrics) if replica_count() > 1 else set()
        measure(always)
        tf.cond(tf.equal(step % BALANCE_STEPS, 0), lambda: measure(set(self.metrics) - always), lambda: False)

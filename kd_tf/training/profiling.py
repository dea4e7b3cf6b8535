"""A profile of chosen steps."""

import tensorflow as tf


class Profiler(tf.keras.callbacks.Callback):
    """Has TensorFlow write down what each operation of some steps takes, into `plugins/profile/` of TensorBoard's directory.

    Args:
      directory: TensorBoard's; None: nothing is profiled.
      steps: the first and the last of those steps, from 1; None: none.
      first_step: where this process began.
    """

    def __init__(self, directory: str | None, steps: tuple[int, int] | None, first_step: int):
        super().__init__()
        self._directory = directory
        self._steps = range(steps[0], steps[1] + 1) if directory and steps else range(0)
        self._step = first_step
        self._profiles = False

    def on_train_batch_begin(self, batch, logs=None):
        """Begins with the first of the steps that this process makes."""
        self._step += 1
        if self._step in self._steps and not self._profiles:
            tf.profiler.experimental.start(self._directory)
            self._profiles = True

    def on_train_batch_end(self, batch, logs=None):
        """Ends after the last."""
        if self._step + 1 not in self._steps:
            self.close()

    def close(self) -> None:
        """Writes what there is, where a run stops on the way."""
        if self._profiles:
            tf.profiler.experimental.stop()
            self._profiles = False

"""Knowledge distillation of face networks: classification, alignment and verification (arXiv 1709.02929) over tf.keras."""

from kd_tf.tensorflow_line import use_keras_2

__version__ = "0.1.0"

use_keras_2()

"""Knowledge distillation of face networks: classification, alignment and verification (arXiv 1709.02929) over tf.keras."""

__version__ = "0.1.0"

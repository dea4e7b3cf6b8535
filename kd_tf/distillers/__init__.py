"""Distillers: Keras models that train a student, one a task."""

from kd_tf.distillers.alignment import AlignmentDistiller
from kd_tf.distillers.classification import ClassificationDistiller
from kd_tf.distillers.distiller import Distiller
from kd_tf.distillers.embedding import EmbeddingDistiller
from kd_tf.distillers.hint import HintDistiller
from kd_tf.distillers.terms import TeacherTargets
from kd_tf.distillers.verification import VerificationDistiller

__all__ = [
    "AlignmentDistiller",
    "ClassificationDistiller",
    "Distiller",
    "EmbeddingDistiller",
    "HintDistiller",
    "TeacherTargets",
    "VerificationDistiller",
]

"""The first phase of FitNets: the shallow part of a student learns what a middle stage of the teacher says."""

from kd_tf.distillers.embedding import EmbeddingDistiller


class HintDistiller(EmbeddingDistiller):
    """`beta * Psi(K_S, K_T)`, K being the output of a middle stage (Romero et al. 2015; "Fitnet" in arXiv 1709.02929, Table 1).

    Student and teacher are parts of networks (`kd_tf.networks.stages.stage_network`) with the output `hidden`
    `[batch, height, width, channels]`. The projection between unequal numbers of channels is then a 1x1 convolution. Arguments as in
    `Distiller`; `beta` must be above 0.
    """

    learned = "a hint"

import numpy as np

from kd_tf.data.pairs import Pairs


def test_the_images_are_sorted_and_each_there_once():
    pairs = Pairs(np.array([7, 2, 2]), np.array([2, 9, 7]), np.array([True, False, True]), np.array([0, 0, 1]))
    assert pairs.images.tolist() == [2, 7, 9]
    assert pairs.images.dtype == np.int64

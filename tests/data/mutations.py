"""Broken copies of small text files, for readers that must refuse them or read right what is left."""

import numpy as np

from kd_tf.errors import InputError


def mutate(data, seed):
    """`data` after one to three accidents: bytes changed, lost, doubled or put in, or the end cut off."""
    rng = np.random.default_rng(seed)
    for _ in range(rng.integers(1, 4)):
        start, length = rng.integers(len(data)), rng.integers(1, 20)
        end = min(start + length, len(data))
        flipped = bytes([data[start] ^ 1 << rng.integers(8)])
        digit = b"%d" % rng.integers(10)
        accidents = [
            data[:start] + flipped + data[start + 1 :],
            data[:start] + digit + data[start + 1 :],
            data[:start] + rng.bytes(length) + data[end:],
            data[:start] + data[end:],
            data[:end] + data[start:],
            data[:start] + bytes([rng.choice(list(b" ,\t\r\n.-_e1<\0"))]) + data[start:],
            data[: max(start, 1)],
        ]
        data = accidents[rng.integers(len(accidents))] or b"\n"
    return data


def read_mutations(path, read, check, seeds=300):
    """Reads the file's mutations: each must raise an `InputError` of one line that names the file, or pass `check`.

    Args:
      path: the file; it is as before afterwards.
      read: called without arguments for each mutation.
      check: called with what was read and the set of the lines, as bytes, that are as they were.
    """
    data = path.read_bytes()
    refused = 0
    for seed in range(seeds):
        mutation = mutate(data, seed)
        path.write_bytes(mutation)
        try:
            found = read()
        except InputError as error:
            assert str(path) in str(error) and len(str(error).splitlines()) == 1, (seed, error)
            refused += 1
        else:
            check(found, set(data.splitlines()) & set(mutation.splitlines()))
    path.write_bytes(data)
    # Some are harmless, and with neither kind this would test nothing.
    assert seeds // 20 < refused < seeds

"""Are two photographs of the same person? Asks an exported student, and needs nothing but TensorFlow and the exported folder.

    kd-export --model=runs/student --output=student
    python examples/verify_two_faces.py --model=student --threshold=1.2 first.jpg second.jpg

The distance is squared, between the two L2-normalised embeddings: 0 (the same picture) to 4. Below --threshold it is called the same
person. The threshold belongs to the model; take the `threshold` that one of

    kd-evaluate --model=student --protocol=lfw --data=lfw:PATH
    kd-evaluate --model=student --protocol=bin --data=bin:FILE

prints: it is the one with the fewest errors on the pairs there. A lower one lets fewer strangers in and turns more friends away.

Photographs are JPEG, PNG, BMP or GIF files, cut as those that the student was trained on (a student of --align takes aligned faces).
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

SIGNATURE = "encoded_images"


class BadInput(Exception):
    """What is wrong, in one line."""


def load_signature(path: str):
    """The exported model in the folder `path`, and its signature for the bytes of image files.

    Raises:
      BadInput: there is none, or it gives no embeddings.
    """
    try:
        model = tf.saved_model.load(path)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise BadInput(f"--model={path} is not an exported model: {error}") from error
    signature = model.signatures[SIGNATURE] if SIGNATURE in model.signatures else None
    if signature is None or "embedding" not in signature.structured_outputs:
        raise BadInput(f"--model={path} has no signature {SIGNATURE!r} that gives an embedding; export it with kd-export")
    # A signature does not keep the model alive.
    return model, signature


def embed(signature, path: str) -> tf.Tensor:
    """The L2-normalised embedding `[width]` of the photograph in the file `path`.

    Raises:
      BadInput: it cannot be read or is no photograph.
    """
    try:
        return signature(encoded_images=tf.stack([tf.io.read_file(path)]))["embedding"][0]
    except tf.errors.NotFoundError as error:
        raise BadInput(f"{path} does not exist") from error
    except tf.errors.OpError as error:
        raise BadInput(f"{path} is no photograph that can be read") from error


def main() -> None:
    """Prints the distance and what it means at the threshold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="the folder that kd-export wrote")
    parser.add_argument("--threshold", type=float, required=True, help="the same person below it; kd-evaluate --protocol=lfw prints one")
    parser.add_argument("photographs", nargs=2, help="two image files")
    given = parser.parse_args()
    try:
        if not 0 < given.threshold <= 4:
            raise BadInput(f"--threshold={given.threshold} must be above 0 and at most 4: distances are squared, of unit vectors")
        _model, signature = load_signature(given.model)
        first, second = (embed(signature, path) for path in given.photographs)
    except BadInput as error:
        print(f"verify_two_faces: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    distance = float(tf.reduce_sum(tf.square(first - second)))
    answer = "the same person" if distance < given.threshold else "not the same person"
    print(f"distance {distance:.4f}, threshold {given.threshold:.4f}: {answer}")


if __name__ == "__main__":
    main()

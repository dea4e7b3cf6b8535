"""Makes the pictures of the documentation: `python docs/make_pictures.py STUDY`, STUDY being the directory of a finished demo.

`docs/synthetic.jpg`: people of the synthetic data set, a row each, with their true landmarks on every second picture.
`docs/landmarks.jpg`: test faces with the landmarks that are true (white), the teacher's (green) and the student's (red).
"""

import os
import sys

import cv2
import numpy as np

from kd_tf.data.dataset import open_data, prepare_data
from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.sources import SourceConfig
from kd_tf.data.synthetic.picture import draw_picture, face_landmarks
from kd_tf.data.views import ViewConfig
from kd_tf.networks.stored import load_network

DOCS = os.path.dirname(os.path.abspath(__file__))
CELL, LARGE_CELL = 96, 120
WHITE, GREEN, RED = (255, 255, 255), (60, 220, 60), (235, 50, 50)


def mark(picture: np.ndarray, landmarks: np.ndarray, color: tuple[int, int, int]) -> None:
    """Draws landmarks `[5, 2]`, fractions of the picture, into it."""
    for point in landmarks:
        cv2.circle(picture, tuple(np.round(point * len(picture)).astype(int).tolist()), 2, color, -1, cv2.LINE_AA)


def save_grid(path: str, rows: list[list[np.ndarray]]) -> None:
    """Writes pictures of one size in the format of the name's ending."""
    cv2.imwrite(path, np.concatenate([np.concatenate(row, axis=1) for row in rows])[:, :, ::-1])


def contact_sheet(people: int = 7, pictures: int = 10) -> list[list[np.ndarray]]:
    """The first people of the default synthetic data set."""
    rows = []
    for identity in range(people):
        row = []
        for image in range(pictures):
            cell = cv2.resize(draw_picture(1, identity, image, 64), (CELL, CELL))
            if image % 2:
                mark(cell, face_landmarks(1, identity, image), WHITE)
            row.append(cell)
        rows.append(row)
    return rows


def landmark_sheet(study: str, rows: int = 2, columns: int = 8) -> list[list[np.ndarray]]:
    """Test faces with true and predicted landmarks."""
    data = prepare_data(open_data(SourceConfig(), ViewConfig(image_size=32)), os.path.join(study, "images", "faces"))
    runs = [os.path.join(study, "seed0", name) for name in ("alignment_teacher", "alignment_distill_hidden_4")]
    networks = [load_network(run, "model", image_size=32) for run in runs]
    images, targets = next(iter(evaluation_batches(data.test, data.view, batch_size=512)))
    chosen = np.linspace(0, len(images) - 1, rows * columns).astype(int)
    predictions = [network.predict_on_batch(images)["landmarks"] for network in networks]
    cells = []
    for index in chosen:
        cell = cv2.resize(images[index].numpy().astype(np.uint8), (LARGE_CELL, LARGE_CELL), interpolation=cv2.INTER_CUBIC)
        for landmarks, color in zip((targets["landmarks"].numpy(), *predictions), (WHITE, GREEN, RED), strict=True):
            mark(cell, landmarks[index], color)
        cells.append(cell)
    return [cells[row * columns : (row + 1) * columns] for row in range(rows)]


if __name__ == "__main__":
    save_grid(os.path.join(DOCS, "synthetic.jpg"), contact_sheet())
    save_grid(os.path.join(DOCS, "landmarks.jpg"), landmark_sheet(sys.argv[1]))

"""CelebA on disk, made up: five images that are none, and their lists."""

import os

from kd_tf.data.celeba import COORDINATES
from tests.images import write_text

IDENTITY, PARTITION, LANDMARKS = "identity_CelebA", "list_eval_partition", "list_landmarks_align_celeba"
# Each list has its own order of the images: nothing may be joined by row.
PEOPLE = {"000002.jpg": 2937, "000001.jpg": 2880, "000004.jpg": 10, "000003.jpg": 2880, "000005.jpg": 5}
PARTS = {"000005.jpg": 0, "000004.jpg": 2, "000003.jpg": 1, "000002.jpg": 2, "000001.jpg": 0}
POINTS = {
    "000003.jpg": "69 111 105 110 80 142 73 152 108 150",
    "000001.jpg": "69 109 106 113 77 142 73 152 108 154",
    "000005.jpg": "66.5 114 112 112 86 119 71 147 104 150",
    "000002.jpg": "0 -3 177 217 88 108 70 150 178 218",
    "000004.jpg": "76 112 104 106 108 128 74 156 98 158",
}
NAMES = sorted(PEOPLE)
HEADER = " ".join(COORDINATES)


def rows_of(values):
    return [f"{name} {value}" for name, value in values.items()]


LISTS = {IDENTITY: rows_of(PEOPLE), PARTITION: rows_of(PARTS), LANDMARKS: ["5", HEADER, *rows_of(POINTS)]}
KAGGLE = {PARTITION: ["image_id partition", *rows_of(PARTS)], LANDMARKS: [f"image_id {HEADER}", *rows_of(POINTS)]}


def write_celeba(root, images="img_align_celeba", places=("", "", ""), lists=LISTS, ending=".txt", separator=" ", newline="\n"):
    """Writes made-up images to `root/images` and each list to its place."""
    for name in NAMES:
        write_text(root / images / name, f"picture {name}")
    for place, (stem, rows) in zip(places, lists.items(), strict=False):
        data = "".join(row.replace(" ", separator) + newline for row in rows)
        write_text(root / place / (stem + ending), "").write_bytes(data.encode())
    return root


def write_kaggle(root, images="img_align_celeba/img_align_celeba"):
    return write_celeba(root, images, lists=KAGGLE, ending=".csv", separator=",")


def rewrite(root, stem, change):
    path = root / f"{stem}.txt"
    path.write_bytes(change(path.read_text()).encode())
    return path


def write_many(root, records):
    """`records` empty images, with lists as they are shipped."""
    names = [f"{record + 1:06d}.jpg" for record in range(records)]
    people = {name: record * 7919 % 10_177 + 1 for record, name in enumerate(names)}
    parts = {name: 0 if record < 0.8 * records else 2 for record, name in enumerate(names)}
    points = {name: f"   {60 + record % 10}  {POINTS['000001.jpg'][3:]}" for record, name in enumerate(names)}
    lists = {IDENTITY: rows_of(people), PARTITION: rows_of(parts), LANDMARKS: [str(records), HEADER, *rows_of(points)]}
    write_celeba(root, "Img/img_align_celeba", ("Anno", "Eval", "Anno"), lists, newline="\r\n")
    for name in names:
        os.close(os.open(root / "Img" / "img_align_celeba" / name, os.O_CREAT | os.O_WRONLY))

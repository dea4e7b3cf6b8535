import dataclasses
import hashlib

import numpy as np
import pytest

from kd_tf.data.source import decode_image
from kd_tf.data.synthetic import picture
from kd_tf.data.synthetic.face import Face
from kd_tf.data.synthetic.source import SyntheticSource, encode_bmp
from kd_tf.data.synthetic.traits import Conditions, Traits
from kd_tf.errors import InputError

TRAITS = Traits.of(1, 0)
STRAIGHT = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "scale": 1.0, "shift": np.zeros(2), "gaze": np.zeros(2)}
FRONTAL = dataclasses.replace(Conditions.of(1, 0, 0), **STRAIGHT)


def landmarks(**conditions):
    return Face(TRAITS, dataclasses.replace(FRONTAL, **conditions)).landmarks


def test_pictures_do_not_depend_on_the_totals():
    few, many = SyntheticSource(identities=10, pictures=3), SyntheticSource(identities=100, pictures=50)
    for identity, image in ((0, 0), (0, 2), (4, 1), (9, 2)):
        record, other = identity * 3 + image, identity * 50 + image
        assert few.read([record]) == many.read([other])
        assert few.identities[record] == many.identities[other] == identity
        np.testing.assert_array_equal(few.landmarks[record], picture.face_landmarks(1, identity, image))


def test_pictures_of_one_world_all_differ():
    pictures = SyntheticSource(identities=4, pictures=3).read(range(12)) + SyntheticSource(identities=4, pictures=3, seed=2).read(range(12))
    assert len(set(pictures)) == 24


def test_records_and_names():
    source = SyntheticSource(identities=2, pictures=3, picture_size=32, seed=5)
    assert source.identities.tolist() == [0, 0, 0, 1, 1, 1]
    assert source.identities.dtype == np.int32
    assert source.identity_names == ["synthetic_5_000000", "synthetic_5_000001"]
    assert source.describe(4) == "synthetic_5_000001, image 1"
    assert source.name == "synthetic (2 identities x 3 pictures of 32 pixels, seed 5)"
    assert source.fingerprint() == f"{source.name}, drawing 1"


def test_each_world_has_people_of_its_own():
    """Those of the usual one are called as they always were, so that runs still know them."""
    names = [SyntheticSource(identities=30, seed=seed).identity_names for seed in (0, 1, 2, 12)]
    assert len(set().union(*names)) == 120
    assert SyntheticSource().identity_names[99] == "synthetic_000099"
    assert all(sorted(world) == world for world in names)


@pytest.mark.parametrize(
    ("record", "digest"),
    [
        (0, "2f372a9847404fec6b58149861c8230e90355a94a5b891bb9e36919a8f8296e5"),
        (7, "7c3d7ab30886f467be1fec4d90de537a24c48d3f2f3dfd146b30d6ba6a99d0a0"),
        (123, "76c6343e60752829f817ef5ad6aac3fcfbbe309c919ed3ac39ff19dd4d75541c"),
    ],
)
def test_the_drawing_stays_what_it_was(record, digest):
    """Another digest needs another DRAWING_VERSION."""
    pixels = decode_image(SyntheticSource().read([record])[0]).numpy()
    assert pixels.shape == (64, 64, 3)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == digest


def test_bmp_is_lossless_rgb():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(decode_image(encode_bmp(image)), image)


@pytest.mark.parametrize("flag", ["identities", "pictures", "picture_size"])
def test_nothing_to_draw(flag):
    with pytest.raises(InputError) as error:
        SyntheticSource(**{flag: 0})
    assert str(error.value) == f"--{flag}=0 must be at least 1"


def test_a_frontal_face_is_symmetric():
    points = landmarks()
    np.testing.assert_allclose(points[1], points[0] * [-1, 1], atol=1e-12)
    np.testing.assert_allclose(points[4], points[3] * [-1, 1], atol=1e-12)
    np.testing.assert_allclose(points[2, 0], 0, atol=1e-12)
    assert points[0, 0] < 0 < points[1, 0] and points[0, 1] < points[2, 1] < points[3, 1]


def test_a_frontal_eye_by_hand():
    """On an ellipsoid 1.08 wide, 1.1 high (of the face) and 1.05 deep, seen from 7 away."""
    x, y = TRAITS.eye_distance, TRAITS.eye_height
    depth = 1.05 * np.sqrt(1 - (x / (1.08 * TRAITS.face_width)) ** 2 - (y / (1.1 * TRAITS.face_height)) ** 2)
    np.testing.assert_allclose(landmarks()[1], np.array([x, y]) / (1 - depth / 7), rtol=1e-12)


def test_scale_shift_and_roll_move_the_landmarks():
    """A quarter turn clockwise takes (x, y), y down, to (-y, x)."""
    points = landmarks()
    np.testing.assert_allclose(landmarks(scale=1.1), points * 1.1, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(landmarks(shift=np.array([0.1, -0.2])), points + [0.1, -0.2], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(landmarks(roll=np.pi / 2), points[:, ::-1] * [-1, 1], atol=1e-12)


def test_turning_moves_the_nose_ahead_of_the_eyes():
    """The nose stands out, so it moves farther: to image-right with yaw, down with pitch."""
    points = landmarks()
    turned, nodded = landmarks(yaw=0.3) - points, landmarks(pitch=0.2) - points
    assert turned[2, 0] > turned[:2, 0].mean() > 0.2
    assert nodded[2, 1] > nodded[:2, 1].mean() > 0.1


def test_open_eyes_look_out_of_their_landmarks():
    """The pupils, alone in this colour, are centred on the eyes when the gaze is straight."""
    face = Face(TRAITS, FRONTAL).draw()
    pupils = [points.mean(axis=0) for points, color in face.shapes if color.tolist() == [14.0, 12.0, 12.0]]
    np.testing.assert_allclose(pupils, face.landmarks[:2], atol=0.005)


def test_landmarks_keep_their_order_inside_the_picture():
    points = SyntheticSource(identities=20, pictures=10).landmarks
    rolls = np.array([Conditions.of(1, *divmod(record, 10)).roll for record in range(200)])
    upright = points[np.abs(rolls) < 0.2]
    assert len(upright) > 80
    assert (upright[:, 0, 0] < upright[:, 1, 0]).all() and (upright[:, 3, 0] < upright[:, 4, 0]).all()
    assert (upright[:, :2, 1].max(axis=1) < upright[:, 3:, 1].min(axis=1)).all()
    assert points.min() > 0 and points.max() < 1


@pytest.mark.parametrize("image", range(4))
def test_landmarks_are_where_the_drawing_is(monkeypatch, image):
    """A black dot at the nose, on white and without light and grain: its centre of mass is the landmark, half pixels included."""
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    dot = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 0.1

    def draw(face):
        face.shapes = [(np.array([[-9, -9], [9, -9], [9, 9], [-9, 9]]), np.full(3, 255.0)), (dot + face.landmarks[2], np.zeros(3))]
        return face

    monkeypatch.setattr(Face, "draw", draw)
    monkeypatch.setattr(picture, "_expose", lambda image, *_: image)
    darkness = 255.0 - picture.draw_picture(1, 0, image, 64)[:, :, 0]
    row, column = np.mgrid[:64, :64] + 0.5
    center = np.array([(column * darkness).sum(), (row * darkness).sum()]) / darkness.sum()
    np.testing.assert_allclose(center, picture.face_landmarks(1, 0, image)[2] * 64, atol=0.1)

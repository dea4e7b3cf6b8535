"""What a synthetic face is drawn from: traits that an identity keeps, and conditions that change from image to image.

Both are pure functions of integers, so any record can be drawn without the ones before it.
"""

import dataclasses

import numpy as np

SKIN_COLORS = np.array([[241, 204, 177], [224, 172, 136], [198, 134, 96], [141, 88, 60], [93, 57, 41]], np.float64)
HAIR_COLORS = np.array([[34, 27, 24], [74, 48, 34], [120, 78, 46], [182, 141, 84], [134, 60, 32], [150, 146, 143]], np.float64)
IRIS_COLORS = np.array([[66, 43, 30], [112, 80, 44], [84, 110, 72], [92, 126, 158], [110, 118, 124]], np.float64)


def random_generator(*key: int) -> np.random.Generator:
    """A generator that depends on nothing but `key`."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def _blend(palette: np.ndarray, position: float) -> np.ndarray:
    """The colour at `position` (0 to 1) of a palette whose colours are joined by straight lines."""
    scaled = position * (len(palette) - 1)
    left = min(int(scaled), len(palette) - 2)
    return palette[left] + (palette[left + 1] - palette[left]) * (scaled - left)


@dataclasses.dataclass(frozen=True)
class Traits:
    """One person. Lengths are in units of the half width of an average face; colours are RGB, 0 to 255."""

    face_width: float
    face_height: float
    jaw_width: float
    chin_length: float
    forehead: float
    eye_distance: float
    eye_height: float
    eye_width: float
    eye_opening: float
    eye_slant: float
    brow_height: float
    brow_thickness: float
    brow_slant: float
    brow_arch: float
    nose_length: float
    nose_width: float
    nose_depth: float
    mouth_height: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    ear_size: float
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    lips: np.ndarray
    hair_length: float
    hair_volume: float
    fringe: float
    parting: float
    beard: float
    glasses: int
    glasses_color: np.ndarray
    marks: np.ndarray

    @classmethod
    def of(cls, seed: int, identity: int) -> "Traits":
        """The traits of person `identity` in the world of `seed`."""
        generator = random_generator(seed, 0, identity)

        def between(low: float, high: float) -> float:
            return low + (high - low) * generator.random()

        skin = _blend(SKIN_COLORS, between(0, 1)) * between(0.94, 1.06)
        return cls(
            face_width=between(0.86, 1.06), face_height=between(1.14, 1.38), jaw_width=between(0.62, 0.95),
            chin_length=between(-0.06, 0.1), forehead=between(0.82, 1.0),
            eye_distance=between(0.32, 0.47), eye_height=between(-0.22, -0.04), eye_width=between(0.15, 0.24),
            eye_opening=between(0.06, 0.13), eye_slant=between(-0.05, 0.05),
            brow_height=between(0.16, 0.3), brow_thickness=between(0.025, 0.09), brow_slant=between(-0.07, 0.07),
            brow_arch=between(0.0, 0.09),
            nose_length=between(0.3, 0.52), nose_width=between(0.11, 0.22), nose_depth=between(0.15, 0.34),
            mouth_height=between(0.52, 0.72), mouth_width=between(0.24, 0.42), upper_lip=between(0.03, 0.09),
            lower_lip=between(0.04, 0.12), ear_size=between(0.12, 0.26),
            skin=skin, hair=_blend(HAIR_COLORS, between(0, 1)) * between(0.85, 1.15),
            iris=_blend(IRIS_COLORS, between(0, 1)),
            lips=skin * np.array([0.92, between(0.55, 0.8), between(0.6, 0.85)]),
            hair_length=between(-0.5, 1.5), hair_volume=between(1.02, 1.26), fringe=between(0.05, 0.5),
            parting=between(-0.7, 0.7), beard=max(0.0, between(-1.2, 1.0)),
            glasses=max(0, int(between(-3, 3))), glasses_color=np.array([between(10, 110) for _ in range(3)]),
            marks=np.array(
                [[between(-0.6, 0.6), between(-0.5, 0.85), between(0.02, 0.055)] for _ in range(int(between(0, 4)))]
            ).reshape(-1, 3),
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Conditions:
    """One photograph. Angles in radians (yaw: turned to image-right, pitch: nodding down, roll: clockwise); lengths as in `Traits`."""

    yaw: float
    pitch: float
    roll: float
    scale: float
    shift: np.ndarray
    smile: float
    mouth_opening: float
    eye_closing: float
    brow_raise: float
    gaze: np.ndarray
    light_angle: float
    light_contrast: float
    exposure: float
    cast: np.ndarray
    blur: float
    noise: float
    clothes: np.ndarray
    hair_shift: float

    @classmethod
    def of(cls, seed: int, identity: int, image: int) -> "Conditions":
        """The conditions of photograph `image` of person `identity` in the world of `seed`."""
        generator = random_generator(seed, 1, identity, image)

        def between(low: float, high: float) -> float:
            return low + (high - low) * generator.random()

        def middle(limit: float) -> float:
            return limit * (generator.random() + generator.random() - 1)

        return cls(
            yaw=middle(0.75), pitch=middle(0.4), roll=middle(0.4), scale=between(0.85, 1.15),
            shift=np.array([middle(0.28), middle(0.28)]),
            smile=between(-0.4, 1.0), mouth_opening=max(0.0, between(-0.16, 0.16)), eye_closing=max(0.0, between(-1.0, 0.8)),
            brow_raise=between(-0.05, 0.08), gaze=np.array([middle(0.6), middle(0.4)]),
            light_angle=between(0, 2 * np.pi), light_contrast=between(0.0, 0.65), exposure=between(0.55, 1.35),
            cast=np.array([between(0.8, 1.2) for _ in range(3)]),
            blur=max(0.0, between(-0.6, 1.1)), noise=between(0, 22),
            clothes=np.array([between(10, 245) for _ in range(3)]), hair_shift=middle(0.12),
        )  # fmt: skip

"""A face as coloured outlines in three dimensions, turned as a head turns and projected onto the image.

The frame of the face: x to image-right, y down, z towards the camera; the centre of the head is the origin.
"""

import numpy as np

from kd_tf.data.synthetic.traits import Conditions, Traits

HEAD_DEPTH = 1.05
CAMERA_DISTANCE = 7.0
_ANGLES = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_ARC = np.linspace(-1, 1, 9)


class Face:
    """One person under one set of conditions: what to fill, in drawing order, and where the five landmarks are.

    Attributes:
      landmarks: float64 `[5, 2]`, projected, in units of the half width of an average face from the image's centre;
        image-left eye, image-right eye, nose, mouth-left, mouth-right (CelebA's order).
      shapes: list of `(points [n, 2], color RGB)` in the same units.
    """

    def __init__(self, traits: Traits, conditions: Conditions):
        self._traits = traits
        self._conditions = conditions
        self._rotation = _rotation(conditions.yaw, conditions.pitch)
        cosine, sine = np.cos(conditions.roll), np.sin(conditions.roll)
        self._roll = np.array([[cosine, sine], [-sine, cosine]]) * conditions.scale
        self._eyes = np.array([[-traits.eye_distance, traits.eye_height], [traits.eye_distance, traits.eye_height]])
        self._nose_tip = np.array([0.0, traits.eye_height + traits.nose_length])
        half_mouth = traits.mouth_width * (1 + 0.22 * conditions.smile)
        corner_y = traits.mouth_height - 0.07 * conditions.smile
        self._mouth_corners = np.array([[-half_mouth, corner_y], [half_mouth, corner_y]])
        self.landmarks = self._project(
            np.concatenate([self._eyes, self._nose_tip[None], self._mouth_corners]), np.array([0, 0, traits.nose_depth, 0.02, 0.02])
        )
        self.shapes: list[tuple[np.ndarray, np.ndarray]] = []

    def draw(self) -> "Face":
        """Fills `shapes`, back to front."""
        for part in (
            self._body,
            self._hair_behind,
            self._ears,
            self._skin,
            self._beard,
            self._nose,
            self._mouth,
            self._eye_pair,
            self._brows,
            self._marks,
            self._hair_front,
            self._glasses,
        ):
            part()
        return self

    def _project(self, points: np.ndarray, lift=0.0) -> np.ndarray:
        """Points `[n, 2]` on the head's surface (raised by `lift`) to the image plane."""
        traits = self._traits
        inside = 1 - (points[:, 0] / (1.08 * traits.face_width)) ** 2 - (points[:, 1] / (1.1 * traits.face_height)) ** 2
        depth = HEAD_DEPTH * np.sqrt(np.maximum(inside, 0.0)) + lift
        turned = np.concatenate([points, depth[:, None]], axis=1) @ self._rotation.T
        return self._place(turned[:, :2] / (1 - turned[:, 2:] / CAMERA_DISTANCE))

    def _project_outline(self, points: np.ndarray) -> np.ndarray:
        """Points `[n, 2]` of the silhouette: an ellipsoid keeps its outline when it turns, stretched towards its depth."""
        yaw, pitch = self._conditions.yaw, self._conditions.pitch
        stretch = [
            np.hypot(np.cos(angle), HEAD_DEPTH / width * np.sin(angle))
            for angle, width in ((yaw, self._traits.face_width), (pitch, self._traits.face_height))
        ]
        return self._place(points * np.array(stretch) + np.array([0.12 * np.sin(yaw), 0.1 * np.sin(pitch)]))

    def _place(self, points: np.ndarray) -> np.ndarray:
        return points @ self._roll + self._conditions.shift

    def _fill(self, points: np.ndarray, color: np.ndarray, lift=0.0) -> None:
        self.shapes.append((self._project(points, lift), color))

    def _fill_outline(self, points: np.ndarray, color: np.ndarray) -> None:
        self.shapes.append((self._project_outline(points), color))

    def _head_outline(self) -> np.ndarray:
        traits = self._traits
        x, y = _CIRCLE[:, 0] * traits.face_width, _CIRCLE[:, 1] * traits.face_height
        below = np.maximum(_CIRCLE[:, 1], 0)
        above = np.maximum(-_CIRCLE[:, 1], 0)
        jaw = 1 + (traits.jaw_width - 0.75) * below * (1 - 0.5 * below)
        return _points(x * jaw * (1 + (traits.forehead - 0.9) * above), y + traits.chin_length * below**3)

    def _body(self) -> None:
        shirt = np.array([[-3, 4], [-1.9, 2.0], [-0.6, 1.55], [0.6, 1.55], [1.9, 2.0], [3, 4]])
        neck = np.array([[-0.5, 0.6], [0.5, 0.6], [0.58, 1.85], [0.0, 2.1], [-0.58, 1.85]])
        upright = self._conditions.shift
        self.shapes.append((shirt * self._conditions.scale + upright, self._conditions.clothes))
        self.shapes.append((self._place(neck), self._traits.skin * 0.78))

    def _hair_behind(self) -> None:
        traits = self._traits
        outline = _CIRCLE * np.array([traits.face_width, traits.face_height]) * traits.hair_volume
        falls = outline[:, 1] > 0
        x = outline[:, 0] * (1 + 0.1 * traits.hair_length * falls)
        y = np.minimum(outline[:, 1], 0.5) - 0.05 + 0.6 * np.maximum(traits.hair_length, -0.5) * falls
        self._fill_outline(_points(x, y), traits.hair * 0.8)

    def _ears(self) -> None:
        traits = self._traits
        for side in (-1, 1):
            ear = _CIRCLE * np.array([0.5, 1.0]) * traits.ear_size + np.array([side * 1.02 * traits.face_width, traits.eye_height + 0.15])
            self._fill_outline(ear, traits.skin * 0.86)

    def _skin(self) -> None:
        traits = self._traits
        self._fill_outline(self._head_outline(), traits.skin)
        for side in (-1, 1):
            cheek = _CIRCLE * 0.2 + np.array([side * 0.48 * traits.face_width, 0.3])
            self._fill(cheek, traits.skin * np.array([1.02, 0.95, 0.94]))

    def _beard(self) -> None:
        traits = self._traits
        if traits.beard <= 0.1:
            return
        outline = self._head_outline()
        lower = outline[outline[:, 1] > 0.25]
        lower = lower[np.argsort(-lower[:, 0])]
        inner = _points(-_ARC * 0.5, traits.mouth_height - 0.16 - 0.1 * _ARC**2)[::-1]
        color = traits.skin + (traits.hair - traits.skin) * (0.25 + 0.6 * traits.beard)
        self._fill_outline(np.concatenate([lower, inner[np.argsort(inner[:, 0])]]), color)

    def _nose(self) -> None:
        traits = self._traits
        tip_y, width = self._nose_tip[1], traits.nose_width
        side = np.array([[0.02, traits.eye_height], [width * 0.9, tip_y - 0.02], [width * 0.4, tip_y + 0.06], [0.0, tip_y + 0.03]])
        lift = np.array([0.0, 0.05, 0.3 * traits.nose_depth, traits.nose_depth])
        self._fill(side * np.array([-1, 1]), traits.skin * 0.9, lift)
        self._fill(side, traits.skin * 0.96, lift)
        self._fill(_CIRCLE * np.array([width * 0.62, 0.055]) + self._nose_tip, traits.skin * 1.04, traits.nose_depth * 0.9)
        for sign in (-1, 1):
            nostril = _CIRCLE * np.array([width * 0.25, 0.028]) + np.array([sign * width * 0.45, tip_y + 0.055])
            self._fill(nostril, traits.skin * 0.5, traits.nose_depth * 0.5)

    def _mouth(self) -> None:
        traits, conditions = self._traits, self._conditions
        half, corner_y = self._mouth_corners[1]
        bow = 1 - _ARC**2
        middle = corner_y + 0.07 * conditions.smile * bow
        opening = conditions.mouth_opening * bow
        upper_edge = _points(_ARC * half, middle - traits.upper_lip * bow * (1 - 0.25 * (np.abs(_ARC) < 0.1)) - opening * 0.3)
        lower_edge = _points(_ARC * half, middle + traits.lower_lip * bow + opening)
        self._fill(_band(upper_edge, lower_edge), traits.lips, 0.02)
        gap_top = _points(_ARC * half * 0.95, middle - opening * 0.3 - 0.008)
        gap_bottom = _points(_ARC * half * 0.95, middle + opening + 0.008)
        self._fill(_band(gap_top, gap_bottom), traits.lips * 0.35, 0.02)
        if conditions.mouth_opening > 0.03:
            teeth = _points(_ARC * half * 0.8, middle + opening * 0.3)
            self._fill(_band(gap_top * np.array([0.84, 1]), teeth), np.array([235.0, 232.0, 222.0]), 0.02)

    def _eye_pair(self) -> None:
        traits, conditions = self._traits, self._conditions
        opening = traits.eye_opening * (1 - conditions.eye_closing)
        bow = 1 - _ARC**2
        for side, center in zip((-1, 1), self._eyes, strict=True):
            slant = side * _ARC * traits.eye_slant
            top = _points(center[0] + _ARC * traits.eye_width, center[1] - opening * bow + slant)
            bottom = _points(center[0] + _ARC * traits.eye_width, center[1] + 0.7 * opening * bow + slant)
            self._fill(_band(top - np.array([0, 0.05]), bottom + np.array([0, 0.03])), traits.skin * 0.84)
            self._fill(_band(top, bottom), np.array([238.0, 236.0, 232.0]))
            radius = min(0.085, opening * 0.95)
            iris = center + conditions.gaze * np.array([traits.eye_width * 0.5, opening * 0.5])
            self._fill(_CIRCLE * radius + iris, traits.iris)
            self._fill(_CIRCLE * radius * 0.5 + iris, np.array([14.0, 12.0, 12.0]))
            self._fill(_band(top - np.array([0, 0.022]), top), traits.skin * 0.35)

    def _brows(self) -> None:
        traits = self._traits
        for side, center in zip((-1, 1), self._eyes, strict=True):
            x = center[0] + _ARC * traits.eye_width * 1.25
            outward = side * _ARC
            y = (
                center[1]
                - traits.brow_height
                - self._conditions.brow_raise
                + outward * traits.brow_slant
                - traits.brow_arch * (1 - outward**2)
            )
            thickness = traits.brow_thickness * (0.65 - 0.35 * outward)
            self._fill(_band(_points(x, y - thickness), _points(x, y + thickness)), traits.hair * 0.75, 0.03)

    def _marks(self) -> None:
        for x, y, radius in self._traits.marks:
            self._fill(_CIRCLE * radius + np.array([x, y]), self._traits.skin * 0.45)

    def _hair_front(self) -> None:
        traits = self._traits
        height = traits.face_height
        x = _ARC * traits.face_width * 1.0
        line = -height * (1 - 0.75 * traits.fringe) * np.sqrt(np.maximum(1 - 0.55 * _ARC**2, 0))
        parted = 0.28 * traits.fringe * np.abs(_ARC - traits.parting - self._conditions.hair_shift)
        top = _points(x * 1.04, -height * traits.hair_volume * np.sqrt(np.maximum(1.02 - 0.85 * _ARC**2, 0)))
        self._fill_outline(_band(top, _points(x, line + parted)), traits.hair)

    def _glasses(self) -> None:
        traits = self._traits
        if not traits.glasses:
            return
        shape = _CIRCLE if traits.glasses == 1 else np.sign(_CIRCLE) * np.abs(_CIRCLE) ** 0.3
        size = np.array([0.27, 0.22])
        for center in self._eyes:
            rim = np.concatenate([shape * size, shape[:1] * size, shape[:1] * size * 0.85, (shape * size * 0.85)[::-1]])
            self._fill(rim + center, traits.glasses_color, 0.12)
        bridge = np.array([[-1, -0.03], [1, -0.03], [1, 0.02], [-1, 0.02]]) * np.array([max(traits.eye_distance - 0.25, 0.03), 1])
        self._fill(bridge + np.array([0, traits.eye_height]), traits.glasses_color, 0.16)


def _points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([x, y], axis=1)


def _band(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """The outline of what lies between two lines that run the same way."""
    return np.concatenate([top, bottom[::-1]])


def _rotation(yaw: float, pitch: float) -> np.ndarray:
    """Turns about the vertical axis, then nods about the horizontal one."""
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    return nod @ turn

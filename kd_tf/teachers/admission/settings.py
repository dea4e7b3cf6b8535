"""The mistakes that are usual in a declared view, as one change each."""

import json
from typing import NamedTuple

from kd_tf.teachers.embedding.teacher import EmbeddingTeacher
from kd_tf.teachers.embedding.teacher_view import CHANNEL_ORDERS, SCALINGS, STANDARDIZED, TeacherView

CROPS = (0.6, 0.75, 4 / 3, 1.6)


class Setting(NamedTuple):
    """A declared view with a change.

    Attributes:
      name: what is changed, and to what.
      changes: fields of `TeacherView`; none: as declared.
    """

    name: str
    changes: dict

    @property
    def declaration(self) -> str:
        """How a file declares it."""
        given = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in self.changes.items() if value is not None)
        dropped = [name for name, value in self.changes.items() if value is None]
        return f"{given} and no {' and '.join(dropped)}" if dropped else given


DECLARED = Setting("as declared", {})


def settings_to_try(teacher: EmbeddingTeacher, *, landmarks: bool) -> list[Setting]:
    """The settings one change away from what is declared, which comes first.

    Args:
      teacher: as declared; what takes whole numbers is shown 0 to 255, so its scaling is not tried.
      landmarks: whether faces can be aligned.
    """
    view = teacher.view
    changes = [{"channel_order": other} for other in CHANNEL_ORDERS if other != view.channel_order]
    if not teacher.function.dtype.is_integer:
        changes += _scalings(view)
    # Of an aligned face nothing is cut.
    changes += [] if view.align else [{"central_fraction": crop} for crop in _crops(view.central_fraction)]
    own_template = {} if view.template is None else {"template": None}
    changes += [own_template] if own_template else []
    changes += [{"align": not view.align} | own_template] if landmarks else []
    return [DECLARED, *(Setting(_name(change), change) for change in changes)]


def _scalings(view: TeacherView) -> list[dict]:
    if view.mean is None:
        return [{"scaling": other} for other in (*SCALINGS, STANDARDIZED) if other != view.scaling]
    return [{"scaling": other, "mean": None, "std": None} for other in (*SCALINGS, STANDARDIZED)]


def _crops(declared: float) -> list[float]:
    tried = {min(round(declared * times, 3), 1.0) for times in CROPS} | {1.0}
    return sorted(tried - {declared})


def _name(change: dict) -> str:
    field, value = next(iter(change.items()))
    if value is None:
        return f"no {field}"
    return f"{field} {value if isinstance(value, str) else json.dumps(value)}"

"""An admission in Markdown."""

from collections.abc import Sequence

from kd_tf.markdown import markdown_table
from kd_tf.teachers.admission.mechanics import Mechanics
from kd_tf.teachers.admission.rounds import Round, SettingScore

_HEAD = ["setting", "area %", "ahead by", "accuracy %"]


def report(who: str, refusal: str | None, notes: Sequence[str], mechanics: Mechanics | None, rounds: Sequence[Round]) -> str:
    """What was seen, and the verdict as its last sentence; see `Admission`."""
    parts = [f"# Admission of {who}", *([mechanics.words] if mechanics else [])]
    for number, round_ in enumerate(rounds):
        parts += [f"{'What is ahead, once more, on others' if number else 'Told apart'}: {round_.pairs.words}.", _table(round_)]
    if rounds:
        parts.append("± is the standard error over people: each is left out once.")
    parts += notes
    parts.append(f"**Refused**: {refusal}." if refusal else f"**Admitted**: {_grounds(rounds)}.")
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _table(round_: Round) -> str:
    return markdown_table([_HEAD, *(_row(score) for score in round_.scores)])


def _row(score: SettingScore) -> list[str]:
    ahead = f"{score.difference:+.2f} ± {score.error:.2f}" if score.change else ""
    return [score.name, f"{score.area:.2f} ± {score.area_error:.2f}", ahead, f"{score.accuracy:.1f} ± {score.accuracy_error:.1f}"]


def _grounds(rounds: Sequence[Round]) -> str:
    if not rounds:
        return "it answers as it should, and nothing more could be tested"
    others = rounds[0].tried - len(rounds[0].faults)
    return f"it answers as it should, and none of {others} other settings is better than the declared one beyond the noise"

"""The model card of an export: what it is, takes and gives, what it was made from, what it scored, and what nobody knows."""

import os

from kd_tf.distillers.terms import WEIGHTS
from kd_tf.evaluation.score import TITLES
from kd_tf.export.asked import AskedNetwork
from kd_tf.export.check import Difference
from kd_tf.export.config import ExportConfig
from kd_tf.export.kinds import Kind
from kd_tf.markdown import markdown_table
from kd_tf.networks.cost import trained_parameters
from kd_tf.networks.face_network import output_shapes
from kd_tf.training.run_directory import RunDirectory, recorded_flags

UNKNOWN_LICENCE = "unknown: ask whoever gave you the photographs, and the people in them, before the model is used"
LICENCES = {
    "synthetic": "drawn by kd_tf, Apache 2.0; no person is shown",
    "celeba": "CelebA: for non-commercial research only, says its publisher; the photographs belong to others",
    "casia_webface": "CASIA-WebFace: for non-commercial research and education only, says its publisher; the photographs belong to others",
    "ms_celeb_1m": "MS-Celeb-1M: for non-commercial research only, and withdrawn by its publisher in 2019",
    "lfw": "LFW: no licence is stated; press photographs that belong to others, published for research",
}
# Of a run's flags, those that say how it was taught.
TEACHING = ("teacher", "teacher_cache", *WEIGHTS.values(), "temperature", "init", "init_rule", "epochs", "steps", "seed")


def model_card(
    config: ExportConfig, asked: AskedNetwork, names: list[str] | None, folder: str, differences: dict[Kind, dict[str, Difference]]
) -> str:
    """Markdown; `folder` holds the files, `names` are those of the labels, and `differences` are those that were found."""
    run = RunDirectory(config.model if os.path.isdir(config.model) else os.path.dirname(config.model))
    flags = recorded_flags(run.path)
    parts = [
        f"# {asked.network.name}\n",
        f"A face network of {trained_parameters(asked.network):,} trained parameters, "
        + (f"trained for {config.task}" if config.task else "whose task is not recorded")
        + ", without its teacher. Written by kd-export.\n",
        "## Files\n",
        _files(folder, differences, len(asked.images)),
        "## Takes and gives\n",
        _takes_and_gives(config, asked, names),
        "## Data\n",
        _data(config, asked, flags),
        "## Teacher and training\n",
        _teaching(run, flags),
        "## Scores\n",
        _scores(run, flags) or "None are recorded beside the model.\n",
        "## Limits\n",
        _limits(config, asked, flags),
    ]
    return "\n".join(parts)


def _files(folder: str, differences: dict[Kind, dict[str, Difference]], checked: int) -> str:
    outputs = list(next(iter(differences.values())))
    rows = [["file", "", "megabytes", "tolerance", *outputs]]
    for kind, found in differences.items():
        measured = [f"{found[key].mean:.1e}" for key in outputs]
        rows.append(
            [kind.file or "saved_model.pb, variables/", kind.title, f"{kind.size(folder) / 1e6:.3f}", f"{kind.tolerance:g}", *measured]
        )
    return (
        markdown_table(rows)
        + f"\nHow far each is from the network it was made of, as a mean over {checked} images: embeddings in distance of unit vectors, "
        + "probabilities in half their summed differences, landmarks in tenths of the image's longer side.\n"
    )


def _takes_and_gives(config: ExportConfig, asked: AskedNetwork, names: list[str] | None) -> str:
    outputs, lines = output_shapes(asked.network), []
    faces = "faces that are aligned already (kd_tf.data.aligned.align_face)" if config.view.align else "photographs of a face"
    share = (
        f", of which the middle {config.view.central_fraction:g} of width and height is used" if config.view.central_fraction < 1 else ""
    )
    lines.append(
        f"Takes {faces}, uint8 RGB, of any size{share}; they are resized inside. The network sees {config.view.image_size} pixels.\n"
    )
    if "embedding" in outputs:
        lines.append(f"* `embedding` [{outputs['embedding'][-1]}]: a unit vector; the nearer two are, the likelier they are one person.")
    if "logits" in outputs:
        known = "line n of labels.txt names number n, from 0" if names else "nobody recorded who they are"
        lines.append(f"* `probabilities` [{outputs['logits'][-1]}] of the identities it was trained on; {known}.")
    if "landmarks" in outputs:
        lines.append(
            "* `landmarks` [5, 2]: x and y in pixels of the given image, the centre of its first pixel being 0, 0; image-left eye, "
            "image-right eye, nose, image-left and image-right corner of the mouth."
        )
    return "\n".join(lines) + "\n"


def _data(config: ExportConfig, asked: AskedNetwork, flags: dict[str, str]) -> str:
    trained, here = flags.get("data"), config.source.data
    licence = f"\nLicence of the data: {LICENCES.get((trained or '').partition(':')[0], UNKNOWN_LICENCE)}.\n"
    if trained != here:
        return f"{_without_folder(trained) if trained else 'Unknown'}. Files were checked on {_without_folder(here)}.\n{licence}"
    data, scored = asked.data, "validation" if config.split.validation else "test"
    counts = f"{len(data.train):,} training and {len(data.test):,} {scored} images, {data.train.people} in training"
    return f"{_without_folder(trained)}: {counts}, --split={config.split.split}.\n{licence}"


def _without_folder(data: str) -> str:
    """Where it lay is of no use to others."""
    kind, _, path = data.partition(":")
    return f"{kind} ({os.path.basename(path)})" if path else kind


def _teaching(run: RunDirectory, flags: dict[str, str]) -> str:
    taught = {key: os.path.basename(flags[key]) for key in TEACHING if key in flags}
    if not taught:
        return "Unknown: there is no record of a run beside the model.\n"
    records = run.records()
    digest = records[-1]["data"].get("teacher") if records else None
    lines = taught | ({"digest of the teacher's weights": digest} if digest else {})
    text = "".join(f"* {key}: {value}\n" for key, value in lines.items())
    if not {"teacher", "teacher_cache"} & set(taught):
        return f"No teacher.\n\n{text}"
    scores = _scores(RunDirectory(flags["teacher"]), recorded_flags(flags["teacher"])) if "teacher" in flags else ""
    return text + (f"\nThe teacher's scores. {scores}" if scores else "")


def _scores(run: RunDirectory, flags: dict[str, str]) -> str:
    """Those of a finished run; "" where there are none."""
    metrics = run.metrics() if run.finished else {}
    lines = "".join(f"* {title}: {metrics[key]}\n" for key, title in TITLES.items() if key in metrics)
    scored = "validation images" if flags.get("validation") == "true" else "test images"
    return f"Of the trained network on the {scored} of its data:\n\n{lines}" if lines else ""


def _limits(config: ExportConfig, asked: AskedNetwork, flags: dict[str, str]) -> str:
    limits = [
        "The scores are of photographs like those it was trained on; nothing was measured on others, on other cameras, or for groups of "
        "people (age, sex, skin). Measure that on your own before somebody depends on it.",
        "It finds no faces: give it photographs in which the face lies as in its data.",
    ]
    if "logits" in output_shapes(asked.network):
        limits.append("Probabilities are among the identities it knows: of a stranger it names one of them. Tell strangers by embeddings.")
    if flags.get("data", "").startswith("synthetic"):
        limits.append("It has seen drawn faces only, and is of no use on real ones.")
    if config.view.align:
        limits.append("Faces must be aligned before it sees them.")
    return "".join(f"* {limit}\n" for limit in limits)

"""One export, from a run to a folder with the student's files, its labels and its model card, all of it checked."""

import logging
import os
import tempfile
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.export.asked import ask_network, photographs
from kd_tf.export.card import model_card
from kd_tf.export.check import Difference, check_file
from kd_tf.export.config import MIN_CALIBRATION_IMAGES, ExportConfig
from kd_tf.export.folder import CARD_FILE, check_new, new_folder
from kd_tf.export.kinds import Kind
from kd_tf.export.onnx_file import check_converter, onnx_file
from kd_tf.export.saved_model import write_saved_model
from kd_tf.export.served import ServedNetwork
from kd_tf.export.tflite_file import tflite_file
from kd_tf.files import check_folder_can_be_written, write_whole
from kd_tf.networks.face_network import output_shapes
from kd_tf.networks.identity_names import LABELS_FILE, recorded_identities, write_identity_names

_LOGGER = logging.getLogger(__name__)


def export(config: ExportConfig) -> dict[Kind, dict[str, Difference]]:
    """Writes the folder, whole or not at all.

    Returns:
      How far each file's answers are from the network's.

    Raises:
      InputError: the network lacks the head of its task, the data or the output does not do, or a file is too far from the network.
    """
    check_folder_can_be_written(config.output)
    check_new(config.output, overwrite=config.overwrite)
    _check_model_stays(config)
    if "onnx" in config.formats:
        check_converter()
    asked = ask_network(config)
    names = _labels(config, asked.network)
    calibration = _calibration_images(config, asked.data.train) if config.is_calibrated else ()
    with new_folder(config.output, overwrite=config.overwrite) as folder:
        _write_files(config.kinds, asked.network, asked.view, folder, calibration)
        differences = {kind: check_file(kind, folder, config.model, asked) for kind in config.kinds}
        for kind, found in differences.items():
            largest = max(one.mean for one in found.values())
            _LOGGER.info("%s: within %.1g of the network on %d images", kind.title, largest, len(asked.images))
        if names is not None:
            write_identity_names(folder, names, LABELS_FILE)
        write_whole(os.path.join(folder, CARD_FILE), model_card(config, asked, names, folder, differences))
    return differences


def _check_model_stays(config: ExportConfig) -> None:
    """Raises `InputError` where replacing `output` would remove what is exported."""
    output, model = (os.path.realpath(path) for path in (config.output, config.model))
    if os.path.commonpath([output, model]) == output:
        raise InputError(f"--model={config.model} lies in --output={config.output}, which would be replaced; give another --output")


def _labels(config: ExportConfig, network: tf.keras.Model) -> list[str] | None:
    """The names of the identities, as far as there are probabilities and somebody knows them."""
    names, outputs = recorded_identities(config.model), output_shapes(network)
    if "logits" not in outputs or names is None:
        return None
    if len(names) != outputs["logits"][-1]:
        raise InputError(f"--model={config.model} tells {outputs['logits'][-1]} identities apart, and its record names {len(names)}")
    return names


def _calibration_images(config: ExportConfig, train: Split) -> list[np.ndarray]:
    found = photographs(train, config.calibration_images, skip_broken=config.skip_broken)
    if len(found) < config.calibration_images:
        raise InputError(
            f"--calibration_images={config.calibration_images}, but {train.source.name} has {len(found)} training images; "
            f"--quantize=int8 needs at least {MIN_CALIBRATION_IMAGES}"
        )
    return found


def _write_files(kinds: Sequence[Kind], network: tf.keras.Model, view: ViewConfig, folder: str, calibration: Sequence[np.ndarray]) -> None:
    portable = ServedNetwork(network, view, portable=True)
    with tempfile.TemporaryDirectory() as converted:
        if any(kind.format == "tflite" for kind in kinds):
            write_saved_model(portable, converted, encoded=False)
        for kind in kinds:
            _LOGGER.info("writing %s", kind.title)
            if kind.format == "savedmodel":
                write_saved_model(ServedNetwork(network, view), folder)
            elif kind.format == "onnx":
                write_whole(kind.path(folder), onnx_file(portable))
            else:
                write_whole(kind.path(folder), tflite_file(converted, kind.quantization, calibration))

import dataclasses
import json
import logging
import os
import pickle

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.dataset import open_data
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.data.views import ViewConfig, evaluation_view, make_canvas
from kd_tf.errors import InputError
from kd_tf.evaluation.baselines import pixel_baseline
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.evaluation.score import score_network
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.stored import save_network
from tests.evaluation.conftest import PAIRS
from tests.images import smooth_image, write_text

VIEW = ViewConfig(image_size=16, central_fraction=0.75)
SYNTHETIC = SourceConfig(identities=3, pictures=20, picture_size=24)


# Two folds of two pairs of one person and two of two people.
@pytest.fixture(scope="module", name="network")
def make_network():
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input([16, 16, 3])
    small = tf.keras.layers.Flatten()(tf.keras.layers.AveragePooling2D(4)(images))
    hidden = tf.keras.layers.Dense(6, activation="tanh")(tf.keras.layers.Rescaling(1 / 100, offset=-1)(small))
    outputs = {
        "hidden": hidden,
        "embedding": tf.keras.layers.UnitNormalization()(hidden),
        "logits": tf.keras.layers.Dense(3)(hidden),
        "landmarks": tf.keras.layers.Reshape((5, 2))(tf.keras.layers.Dense(10)(hidden)),
    }
    return tf.keras.Model(images, outputs)


@pytest.fixture(scope="module", name="models")
def store(network, tmp_path_factory):
    """A run's network and an exported one."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "run").mkdir()
    save_network(network, str(folder / "run" / "student.keras"))
    export_saved_model(network, VIEW, str(folder / "exported"))
    return folder


@pytest.fixture(scope="module", name="pack")
def make_pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "faces.bin"
    images = [cv2.imencode(".png", smooth_image(seed)[:, :, ::-1])[1].tobytes() for seed in range(40)]
    path.write_bytes(pickle.dumps((images, [pair % 3 == 0 for pair in range(20)])))
    return path


def config(model, protocol, data, **changes):
    source = SYNTHETIC if data == "synthetic" else SourceConfig(data, min_images=3)
    return EvaluationConfig(str(model), protocol, source, VIEW, **changes)


def embeddings(network, images, key="embedding", *, flip=False):
    """Of RGB pictures, one by one."""
    found = []
    for image in images:
        seen = evaluation_view(make_canvas(np.ascontiguousarray(image), VIEW), tf.zeros([5, 2]), VIEW)[0].numpy()
        found.append(sum(network(view[np.newaxis])[key].numpy()[0] for view in ([seen, seen[:, ::-1]] if flip else [seen])))
    return np.array(found, np.float64)


def accuracy(distances, same, folds):
    """For each fold the threshold that is best on the others, by trying all of them."""
    scores = []
    for fold in range(max(folds) + 1):
        values = np.unique(distances[folds != fold])
        candidates = [values[0], *((values[1:] + values[:-1]) / 2), np.inf]
        best = max(candidates, key=lambda limit: np.sum((distances < limit) == same, where=folds != fold))
        scores.append(100 * np.mean((distances < best)[folds == fold] == same[folds == fold]))
    return np.mean(scores), np.std(scores)


def photograph(lfw, name):
    return tf.io.decode_jpeg((lfw / "lfw-deepfunneled" / name).read_bytes()).numpy()


def lfw_pairs(lfw):
    rows = [line.split() for line in PAIRS.splitlines()[1:]]
    names = [((row[0], row[1]), (row[0], row[2]) if len(row) == 3 else (row[2], row[3])) for row in rows]
    images = [photograph(lfw, f"{name}/{name}_{int(number):04d}.jpg") for pair in names for name, number in pair]
    return images, np.array([len(row) == 3 for row in rows]), np.arange(8) // 4


def squared(rows, distance):
    if distance != "raw_squared_l2":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.sum((rows[::2] - rows[1::2]) ** 2, axis=1)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("distance", [None, "squared_l2", "angular", "raw_squared_l2"])
def test_lfw_by_hand(network, models, lfw, tmp_path, distance, flip):
    images, same, folds = lfw_pairs(lfw)
    rows = embeddings(network, images, "hidden" if distance == "raw_squared_l2" else "embedding", flip=flip)
    distances = squared(rows, distance)
    if distance == "angular":
        distances = np.degrees(np.arccos(1 - distances / 2))
    output = tmp_path / "scores"
    scores = evaluate(config(models / "run", "lfw", f"lfw:{lfw}", flip=flip, distance=distance), str(output))
    mean, std = accuracy(distances, same, folds)
    expected = {"lfw_accuracy": mean, "lfw_std": std, "pairs": 8, "folds": 2, "flip": flip, "distance": distance or "squared_l2"}
    assert {key: scores[key] for key in expected} == pytest.approx(expected, abs=1e-3)
    assert (scores["protocol"], scores["model"], scores["data"]) == ("lfw", str(models / "run"), f"lfw:{lfw}")
    roc_area = np.mean([[(one < other) + (one == other) / 2 for other in distances[~same]] for one in distances[same]])
    assert scores["roc_area"] == pytest.approx(roc_area, abs=1e-4)
    assert json.loads((output / "metrics.json").read_text()) == scores
    assert_pictures(output, {"roc.png", "hardest_pairs.png"})


def test_lfw_with_a_held_out_fold_by_hand(network, models, lfw, tmp_path):
    images, same, folds = lfw_pairs(lfw)
    distances = squared(embeddings(network, images), "squared_l2")
    values = np.unique(distances[folds == 0])
    candidates = [values[0], *((values[1:] + values[:-1]) / 2), np.inf]
    threshold = max(candidates, key=lambda limit: np.sum((distances < limit) == same, where=folds == 0))
    right = ((distances < threshold) == same)[folds == 1]
    scores = evaluate(config(models / "run", "lfw", f"lfw:{lfw}", test_folds=(2,)), str(tmp_path / "scores"))
    expected = {"lfw_accuracy": 100 * np.mean(right), "threshold": threshold, "pairs": 4, "folds": 1}
    assert {key: scores[key] for key in expected} == pytest.approx(expected, abs=1e-3)
    assert scores["test_folds"] == "2" and "lfw_standard_error" not in scores
    # Of Cat's pair, Dan's, theirs, and Cat's with Eve, Dan's shares nobody with the first and the last.
    deviations = right - np.mean(right)
    together = np.sum(deviations) ** 2 - 2 * deviations[1] * deviations[3] - 2 * deviations[0] * deviations[1]
    error = 25 * np.sqrt(max(together, np.sum(deviations**2)))
    assert scores["lfw_pairs_standard_error"] == pytest.approx(error, abs=1e-3)
    scored = distances[folds == 1], same[folds == 1]
    nearer = [[one < other for other in scored[0][~scored[1]]] for one in scored[0][scored[1]]]
    assert scores["roc_area"] == pytest.approx(np.mean(nearer), abs=1e-4)
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text()) == scores
    assert_pictures(tmp_path / "scores", {"roc.png", "hardest_pairs.png"})


def assert_pictures(output, names):
    assert set(os.listdir(output)) == names | {"metrics.json"}
    for name in names:
        assert (output / name).read_bytes().startswith(b"\x89PNG")
        assert cv2.imread(str(output / name)).std() > 5


def test_a_pack_by_hand(network, models, pack, tmp_path):
    rows = embeddings(network, [smooth_image(seed) for seed in range(40)])
    same = np.arange(20) % 3 == 0
    scores = evaluate(config(models / "run", "bin", f"bin:{pack}"), str(tmp_path / "scores"))
    mean, std = accuracy(squared(rows, "squared_l2"), same, np.arange(20) // 2)
    assert [scores[key] for key in ("lfw_accuracy", "lfw_std")] == pytest.approx([mean, std], abs=1e-3)
    assert (scores["pairs"], scores["folds"], scores["data"]) == (20, 10, f"bin:{pack}")
    assert_pictures(tmp_path / "scores", {"roc.png", "hardest_pairs.png"})


def assert_same_scores(one, other):
    assert one.keys() == other.keys()
    numbers = {key for key, value in one.items() if isinstance(value, float)}
    assert len(numbers) >= 1
    assert {key: one[key] for key in numbers} == pytest.approx({key: other[key] for key in numbers}, abs=2e-3)
    assert all(one[key] == other[key] for key in one.keys() - numbers - {"model"})


@pytest.mark.parametrize("protocol", ["classification", "landmarks", "retrieval", "lfw", "bin"])
def test_an_exported_model_scores_as_its_run(models, lfw, pack, tmp_path, protocol):
    data = {"lfw": f"lfw:{lfw}", "bin": f"bin:{pack}"}.get(protocol, "synthetic")
    scores = evaluate(config(models / "run", protocol, data))
    exported = evaluate(config(models / "exported", protocol, data), str(tmp_path / "scores"))
    assert_same_scores(scores, exported)
    figures = {"classification": {"mistakes.png"}, "landmarks": {"ced.png", "worst_landmarks.png"}, "retrieval": {"wrong_queries.png"}}
    assert_pictures(tmp_path / "scores", figures.get(protocol, {"roc.png", "hardest_pairs.png"}))


def test_embeddings_from_elsewhere_score_as_the_network_that_made_them(network, models, lfw, tmp_path):
    names = [os.path.relpath(path, lfw / "lfw-deepfunneled") for path in sorted((lfw / "lfw-deepfunneled").glob("*/*.jpg"))]
    rows = embeddings(network, [photograph(lfw, name) for name in names], "hidden")
    np.savez(tmp_path / "ordered.npz", embeddings=rows)
    np.savez(tmp_path / "named.npz", embeddings=rows[::-1], names=np.array(names[::-1]))
    for distance in ("squared_l2", "raw_squared_l2"):
        expected = evaluate(config(models / "run", "lfw", f"lfw:{lfw}", distance=distance))
        for name in ("ordered", "named"):
            output = tmp_path / f"{name}_{distance}"
            assert_same_scores(expected, evaluate(config(tmp_path / f"{name}.npz", "lfw", f"lfw:{lfw}", distance=distance), str(output)))
            assert_pictures(output, {"roc.png", "hardest_pairs.png"})
    source = SourceConfig(f"lfw:{lfw}")
    scored = dataclasses.replace(config(tmp_path / "named.npz", "retrieval", f"lfw:{lfw}"), source=source, split=SplitConfig(split_seed=6))
    assert_same_scores(evaluate(dataclasses.replace(scored, model=str(models / "run"))), evaluate(scored))


def test_retrieval_within_a_file(tmp_path):
    random = np.random.RandomState(0)
    rows, people = random.normal(size=[40, 3]), random.randint(0, 12, 40)
    np.savez(tmp_path / "rows.npz", embeddings=rows, identities=np.array([f"person {person}" for person in people]))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = unit @ unit.T - 9 * np.eye(40)
    queries = np.bincount(people)[people] >= 2
    right = people[cosines.argmax(axis=1)] == people
    scores = evaluate(config(tmp_path / "rows.npz", "retrieval", "folder:/nowhere"), str(tmp_path / "scores"))
    assert scores["rank1"] == pytest.approx(100 * np.mean(right[queries]), abs=1e-4)
    assert (scores["queries"], scores["data"]) == (np.sum(queries), str(tmp_path / "rows.npz"))
    assert os.listdir(tmp_path / "scores") == ["metrics.json"]


def test_the_split_that_is_scored(network, models, tmp_path):
    split = SplitConfig(split_seed=3)
    data = open_data(SYNTHETIC, VIEW, split)
    for cache in (None, str(tmp_path / "cache")):
        scores = evaluate(config(models / "run", "classification", "synthetic", split=split, image_cache=cache))
        expected = score_network(network, data.test, VIEW, ("classification",))
        assert scores == {"protocol": "classification", "model": str(models / "run"), "data": data.test.source.name} | expected


@pytest.mark.parametrize(
    ("flags", "scored", "warned"),
    [
        ("--data=lfw:/elsewhere", None, True),
        ("--data=folder:/elsewhere", None, False),
        ("", None, False),
        ("--data=lfw:/elsewhere --split=official --test_folds=1", (1,), False),
        ("--data=lfw:/elsewhere --split=official --test_folds=1,3", (1,), False),
        # The last fold of the pairs is the second.
        ("--data=lfw:/elsewhere --split=official", (2,), False),
        ("--data=lfw:/elsewhere --split=official", (1,), True),
        ("--data=lfw:/elsewhere --split=official --test_folds=1", (2,), True),
        ("--data=lfw:/elsewhere --split=official --test_folds=1", None, True),
        ("--data=lfw:/elsewhere --split=official --test_folds=12", (1,), True),
        ("--data=lfw:/elsewhere --split=random", (2,), True),
    ],
)
def test_shared_people_are_warned_of(network, lfw, tmp_path, caplog, flags, scored, warned):
    save_network(network, str(tmp_path / "student.keras"))
    if flags:
        write_text(tmp_path / "flags.txt", flags.replace(" ", "\n") + "\n")
    with caplog.at_level(logging.WARNING, "kd_tf"):
        evaluate(config(tmp_path, "lfw", f"lfw:{lfw}", test_folds=scored))
    assert any("was trained on lfw:/elsewhere: it may know people of these pairs" in message for message in caplog.messages) == warned


def test_pixels_retrieve_as_the_baseline():
    data = open_data(SYNTHETIC, VIEW, SplitConfig(split_seed=3))
    scores = evaluate(config("pixels", "retrieval", "synthetic", split=SplitConfig(split_seed=3)))
    rank1 = pixel_baseline(data.train, data.test, VIEW)["rank1"]
    assert scores["rank1"] == pytest.approx(rank1, abs=1e-4) and 20 < rank1 < 100
    assert (scores["model"], scores["data"]) == ("pixels", data.test.source.name)


@pytest.mark.parametrize("distance", [None, "raw_squared_l2"])
def test_pixels_of_pairs_by_hand(lfw, tmp_path, monkeypatch, caplog, distance):
    # The folder that it is called from is a run of people of these pairs, and none of it.
    write_text(tmp_path / "flags.txt", "--data=lfw:/elsewhere\n")
    monkeypatch.chdir(tmp_path)
    images, same, folds = lfw_pairs(lfw)
    crops = [evaluation_view(make_canvas(image, VIEW), tf.zeros([5, 2]), VIEW)[0] for image in images]
    rows = np.array([tf.image.resize(seen, [32, 32], method="area").numpy().ravel() for seen in crops], np.float64)
    mean, std = accuracy(squared(rows, distance), same, folds)
    with caplog.at_level(logging.WARNING, "kd_tf"):
        scores = evaluate(config("pixels", "lfw", f"lfw:{lfw}", distance=distance), str(tmp_path / "scores"))
    assert [scores[key] for key in ("lfw_accuracy", "lfw_std")] == pytest.approx([mean, std], abs=1e-3)
    assert not any("was trained on" in message for message in caplog.messages)
    assert_pictures(tmp_path / "scores", {"roc.png", "hardest_pairs.png"})


@pytest.mark.parametrize(
    ("protocol", "changes", "message"),
    [
        ("classification", {}, "the model 'pixels', scored under --protocol=classification, lacks the output 'logits'"),
        ("retrieval", {"cross": True}, "--cross needs a run and its projection.npz: --model=pixels is no network"),
    ],
)
def test_what_pixels_cannot_do(protocol, changes, message):
    with pytest.raises(InputError, match=f"^{message}"):
        evaluate(config("pixels", protocol, "synthetic", **changes))


def test_rates_that_the_pairs_do_not_suffice_for_are_told(models, lfw, caplog):
    with caplog.at_level(logging.INFO, "kd_tf"):
        scores = evaluate(config(models / "run", "lfw", f"lfw:{lfw}"))
    assert not [key for key in scores if key.startswith("tar_at_far")]
    assert "TAR at FAR 0.01 needs 1,000 negative pairs; there are 4" in caplog.messages


@pytest.mark.parametrize(
    ("protocol", "data", "changes", "message"),
    [
        ("speed", "synthetic", {}, "--protocol=speed is unknown; known: classification, landmarks, retrieval, lfw, bin"),
        (
            "classification",
            "synthetic",
            {"flip": True},
            "--flip has no effect with --protocol=classification; it is for retrieval, lfw, bin",
        ),
        ("retrieval", "synthetic", {"distance": "angular"}, "--distance has no effect with --protocol=retrieval; it is for lfw, bin"),
        ("lfw", "synthetic", {}, "--protocol=lfw scores --data=lfw:PATH, found --data=synthetic"),
        ("bin", "lfw:/nowhere", {}, "--protocol=bin scores --data=bin:FILE, found --data=lfw:/nowhere"),
        ("bin", "bin:/nowhere", {}, "/nowhere cannot be read: No such file or directory"),
        ("retrieval", "bin:/nowhere", {}, "--data=bin:/nowhere holds pairs, for --protocol=bin; --protocol=retrieval needs a data set"),
        ("lfw", "lfw:/nowhere", {}, "/nowhere is not LFW"),
        ("bin", "bin:/nowhere", {"test_folds": (2,)}, "--test_folds has no effect with --protocol=bin; it is for lfw"),
        ("retrieval", "synthetic", {"test_folds": (2,)}, "--test_folds has no effect with --protocol=retrieval; it is for lfw"),
    ],
)
def test_what_does_not_fit_together(models, protocol, data, changes, message):
    with pytest.raises(InputError, match=message):
        evaluate(config(models / "run", protocol, data, **changes))


@pytest.mark.parametrize(
    ("test_folds", "message"),
    [
        ((2, 3), "--test_folds=2,3: lfw:LFW has nobody in fold 3; there are folds 1, 2"),
        ((0,), "--test_folds=0: lfw:LFW has nobody in fold 0; there are folds 1, 2"),
        ((1, 2), "--test_folds=1,2: lfw:LFW has no other fold"),
    ],
)
def test_folds_that_cannot_be_held_out(models, lfw, test_folds, message):
    with pytest.raises(InputError) as error:
        evaluate(config(models / "run", "lfw", f"lfw:{lfw}", test_folds=test_folds))
    assert str(error.value) == message.replace("LFW", str(lfw))


def test_outputs_that_are_missing(models, lfw, tmp_path):
    np.savez(tmp_path / "rows.npz", embeddings=np.eye(60))
    with pytest.raises(
        InputError, match=r"rows.npz, scored under --protocol=landmarks, lacks the output 'landmarks' \(it has: embedding, hidden\)"
    ):
        evaluate(config(tmp_path / "rows.npz", "landmarks", "synthetic"))
    with pytest.raises(InputError, match="exported, scored under --protocol=lfw and --distance=raw_squared_l2, lacks the output 'hidden'"):
        evaluate(config(models / "exported", "lfw", f"lfw:{lfw}", distance="raw_squared_l2"))


def test_other_identities(models):
    for model in ("run", "exported"):
        scored = config(models / model, "classification", "synthetic")
        with pytest.raises(InputError, match="knows 3 identities, synthetic .* has 4"):
            evaluate(dataclasses.replace(scored, source=dataclasses.replace(SYNTHETIC, identities=4)))


@pytest.mark.parametrize(("protocol", "key"), [("classification", "probability"), ("landmarks", "landmarks"), ("lfw", "embedding")])
def test_a_network_whose_answers_are_no_numbers(lfw, tmp_path, protocol, key):
    images = tf.keras.Input([16, 16, 3])
    broken = tf.keras.layers.GlobalAveragePooling2D()(images) * np.nan
    outputs = {"logits": broken, "embedding": broken, "landmarks": tf.keras.layers.Reshape((5, 2))(tf.keras.layers.Dense(10)(broken))}
    save_network(tf.keras.Model(images, outputs), str(tmp_path / "student.keras"))
    data = f"lfw:{lfw}" if protocol == "lfw" else "synthetic"
    with pytest.raises(InputError, match=f"its {key} is not finite for .* images, the first is .*_"):
        evaluate(config(tmp_path, protocol, data))


def test_outputs_that_cannot_be_written(models, tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "scores"):
        with pytest.raises(InputError, match=f"--output={output} cannot be written: {tmp_path}/file is not a folder"):
            evaluate(config("/nowhere", "classification", "synthetic"), str(output))


def test_a_run_keeps_its_metrics(models, tmp_path):
    write_text(tmp_path / "flags.txt", "--data=synthetic\n")
    with pytest.raises(InputError, match=f"--output={tmp_path} is a run directory, whose own metrics.json would be lost"):
        evaluate(config("/nowhere", "classification", "synthetic"), str(tmp_path))

import json
import os
import zipfile

import numpy as np
import pytest

from kd_tf.data.image_cache import cache_images
from kd_tf.data.packed.pack import PackConfig, pack
from kd_tf.data.sources import SourceConfig, open_source
from kd_tf.data.subset import Subset
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from tests.data.celeba.files import NAMES, write_celeba
from tests.data.ms_celeb_1m.tsv import jpeg, people_rows, write_rows
from tests.data.packed_files import make_source
from tests.data.recordio.writer import face_pack, write_pack
from tests.images import smooth_image, write_image, write_people, write_text

NAMED = ("casia_webface", "celeba", "folder", "lfw", "ms_celeb_1m", "packed", "recordio")
# Which data sets take which flag.
TAKEN = {"clean_list": ("casia_webface", "ms_celeb_1m"), "index_dir": ("ms_celeb_1m", "recordio")}
BODIES = [b"first", b"second", b"third", b"fourth"]


def refusal(data, **changes):
    with pytest.raises(InputError) as error:
        open_source(SourceConfig(data, **changes))
    return str(error.value)


def names_of(source):
    """The name of each record's identity."""
    return [source.identity_names[identity] for identity in source.identities]


def test_synthetic():
    source = open_source(SourceConfig("synthetic", identities=3, pictures=2, picture_size=32, data_seed=9))
    assert source.name == "synthetic (3 identities x 2 pictures of 32 pixels, seed 9)"
    assert source.identities.tolist() == [0, 0, 1, 1, 2, 2]


def test_folder(tmp_path):
    write_people(tmp_path, {"ann": 1, "bob": 2})
    source = open_source(SourceConfig(f"folder:{tmp_path}"))
    assert (source.name, names_of(source)) == (f"folder:{tmp_path}", ["ann", "bob", "bob"])


def test_lfw(tmp_path):
    write_people(tmp_path / "lfw-deepfunneled", {"ann": 1, "bob": 2})
    source = open_source(SourceConfig(f"lfw:{tmp_path}"))
    assert (source.name, names_of(source)) == (f"lfw:{tmp_path}", ["ann", "bob", "bob"])


def test_casia_webface(tmp_path):
    write_people(tmp_path / "CASIA-WebFace", {"0000045": 2, "0000099": 1})
    source = open_source(SourceConfig(f"casia_webface:{tmp_path}"))
    assert (source.name, names_of(source)) == (f"casia_webface:{tmp_path}", ["0000045", "0000045", "0000099"])
    path = write_text(tmp_path / "clean.txt", "0000045/0000045_0002.jpg 0\n")
    cleaned = open_source(SourceConfig(f"casia_webface:{tmp_path}", clean_list=str(path)))
    assert (cleaned.paths, names_of(cleaned)) == (["0000045/0000045_0002.jpg"], ["0000045"])


def test_celeba(tmp_path):
    source = open_source(SourceConfig(f"celeba:{write_celeba(tmp_path)}"))
    assert (source.name, source.paths) == (f"celeba:{tmp_path}", NAMES)
    assert names_of(source) == ["2880", "2937", "2880", "10", "5"]
    assert source.official_test.tolist() == [False, True, False, True, False]
    assert source.landmarks.shape == (5, 5, 2)


def test_ms_celeb_1m(tmp_path):
    file = write_rows(tmp_path / "data" / "faces.tsv", people_rows())
    source = open_source(SourceConfig(f"ms_celeb_1m:{file}", index_dir=f"{tmp_path}/index"))
    assert source.name == f"ms_celeb_1m:{file}"
    assert names_of(source) == ["m.0b_c", "m.0b_c", "m.0109kg", "m.0zz", "m.0109kg", "m.0b_c"]
    assert source.read([4]) == [jpeg(4)]
    # The index is where it was wanted, and only there.
    assert os.listdir(tmp_path / "data") == ["faces.tsv"] and len(os.listdir(tmp_path / "index")) == 1
    path = write_text(tmp_path / "clean.txt", "m.0b_c/11-FaceId-0.jpg 7\nm.0zz/2-FaceId-0.jpg 3\n")
    cleaned = open_source(SourceConfig(f"ms_celeb_1m:{file}", clean_list=str(path), index_dir=f"{tmp_path}/index"))
    assert sorted(cleaned.read(range(len(cleaned)))) == sorted([jpeg(1), jpeg(3)])
    assert len(set(names_of(cleaned))) == 2


def test_recordio(tmp_path):
    write_pack(tmp_path / "pack", face_pack(BODIES, [7, 7, 3, 40]))
    source = open_source(SourceConfig(f"recordio:{tmp_path}/pack", index_dir=f"{tmp_path}/index"))
    assert (source.name, names_of(source)) == (f"recordio:{tmp_path}/pack", ["7", "7", "3", "40"])
    assert source.read([2, 0]) == [b"third", b"first"]
    assert sorted(os.listdir(tmp_path / "pack")) == ["train.idx", "train.rec"] and len(os.listdir(tmp_path / "index")) == 1


def test_packed(tmp_path):
    packed = make_source()
    pack(packed, PackConfig(f"{tmp_path}/pack"))
    source = open_source(SourceConfig(f"packed:{tmp_path}/pack"))
    assert (source.name, names_of(source)) == (f"packed:{tmp_path}/pack", ["person 0"] * 4 + ["person 1"] * 4 + ["person 2"] * 3)
    assert source.read([10, 2]) == [packed.images[10], packed.images[2]]


def every_source(folder):
    """A small one of each kind, as `--data` has it, with the names of those who have two images or more."""
    write_people(folder / "photos" / "lfw-deepfunneled", {"ann": 1, "bob": 2})
    write_celeba(folder / "celeba")
    rows = write_rows(folder / "faces.tsv", people_rows())
    write_pack(folder / "pack", face_pack(BODIES, [7, 7, 3, 40]))
    pack(make_source(4), PackConfig(f"{folder}/packed"))
    return {
        f"folder:{folder}/photos/lfw-deepfunneled": ["bob"],
        f"lfw:{folder}/photos": ["bob"],
        f"casia_webface:{folder}/photos/lfw-deepfunneled": ["bob"],
        f"celeba:{folder}/celeba": ["2880"],
        f"ms_celeb_1m:{rows}": ["m.0b_c", "m.0109kg"],
        f"recordio:{folder}/pack": ["7"],
        f"packed:{folder}/packed": ["person 0"],
    }


def test_people_of_every_source_are_left_out(tmp_path):
    """By number of images, and by name."""
    sources = every_source(tmp_path)
    assert sorted(data.partition(":")[0] for data in sources) == sorted(NAMED)
    for data, names in sources.items():
        kept = open_source(SourceConfig(data, min_images=2))
        assert sorted(kept.identity_names) == sorted(names)
        path = write_text(tmp_path / "list.txt", "\n".join(names))
        others = open_source(SourceConfig(data, exclude_identities=str(path)))
        whole = open_source(SourceConfig(data))
        assert list(others.identity_names) == [name for name in whole.identity_names if name not in names]
        assert len(others) + len(kept) == len(whole)
        assert sorted(others.read(range(len(others))) + kept.read(range(len(kept)))) == sorted(whole.read(range(len(whole))))


def test_which_sources_are_known_to_decode(tmp_path):
    """What is drawn, and what was checked when it was packed."""
    trusted = {data.partition(":")[0]: open_source(SourceConfig(data)).trusted for data in (*every_source(tmp_path), "synthetic")}
    assert {name for name, known in trusted.items() if known is True} == {"packed", "synthetic"}
    assert {name for name, known in trusted.items() if known is False} == set(NAMED) - {"packed"}


def test_drawn_people_can_be_left_out_too(tmp_path):
    path = write_text(tmp_path / "list.txt", "synthetic_000001\n")
    source = open_source(SourceConfig(identities=3, pictures=2, exclude_identities=str(path)))
    assert names_of(source) == ["synthetic_000000"] * 2 + ["synthetic_000002"] * 2


def test_a_path_may_hold_a_colon(tmp_path):
    write_people(tmp_path / "a:b", {"ann": 1})
    assert len(open_source(SourceConfig(f"folder:{tmp_path}/a:b"))) == 1


@pytest.mark.parametrize("data", ["celebs:photos", "Celeba:photos", "bin:faces.bin", ""])
def test_unknown_name(data):
    known = "casia_webface:PATH, celeba:PATH, folder:PATH, lfw:PATH, ms_celeb_1m:PATH, packed:PATH, recordio:PATH"
    assert refusal(data) == f"--data={data} is unknown; known: synthetic, {known}"


def test_synthetic_takes_no_path():
    assert refusal("synthetic:photos") == "--data=synthetic:photos: synthetic takes no path"


@pytest.mark.parametrize("name", NAMED)
def test_no_path(name):
    assert (
        refusal(name)
        == refusal(f"{name}:").replace(f"{name}: lacks", f"{name} lacks")
        == f"--data={name} lacks the path: --data={name}:PATH"
    )


@pytest.mark.parametrize("name", NAMED)
def test_a_path_that_is_not_there(tmp_path, name):
    assert refusal(f"{name}:{tmp_path}/nowhere") == f"--data={name}:{tmp_path}/nowhere: {tmp_path}/nowhere does not exist"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", NAMED)
def test_an_archive_is_not_what_was_in_it(tmp_path, name):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ann/1.jpg", b"picture")
    assert str(path) in refusal(f"{name}:{path}")
    assert os.listdir(tmp_path) == ["photos.zip"]


@pytest.mark.parametrize(
    ("flag", "name"), [(flag, name) for flag, takers in TAKEN.items() for name in (*NAMED, "synthetic") if name not in takers]
)
def test_a_flag_of_another_data_set(flag, name):
    """Said before the path is looked at."""
    data = name if name == "synthetic" else f"{name}:/nowhere"
    assert refusal(data, **{flag: "/files"}) == f"--{flag}=/files has no effect on --data={data}"


def test_nobody_is_left(tmp_path):
    write_people(tmp_path, {"ann": 1, "bob": 2})
    assert refusal(f"folder:{tmp_path}", min_images=3) == f"folder:{tmp_path}: no identity has --min_images=3 images; the most is 2"


def test_all_sources_of_people_are_labelled(tmp_path):
    assert {open_source(SourceConfig(data)).labelled for data in (*every_source(tmp_path), "synthetic")} == {True}


def test_what_has_no_labels_has_none_in_another_form(tmp_path):
    """Packed, in parts, or decoded once."""
    for number in range(6):
        write_image(tmp_path / "photos" / f"{number}.png", smooth_image(number))
    source = open_source(SourceConfig(f"folder:{tmp_path}/photos"))
    pack(source, PackConfig(f"{tmp_path}/packed"))
    packed = open_source(SourceConfig(f"packed:{tmp_path}/packed"))
    assert packed.labelled is False and packed.identity_names == [f"{number}.png" for number in range(6)]
    cached, _ = cache_images(source, ViewConfig(image_size=16), str(tmp_path / "cache"))
    assert (cached.labelled, Subset(source, np.array([1, 4])).labelled) == (False, False)


def test_a_pack_of_an_earlier_version_has_labels(tmp_path):
    pack(make_source(4), PackConfig(str(tmp_path)))
    manifest = json.loads((tmp_path / "packed.json").read_text())
    assert manifest.pop("labelled") is True
    (tmp_path / "packed.json").write_text(json.dumps(manifest))
    assert open_source(SourceConfig(f"packed:{tmp_path}")).labelled is True

import numpy as np
import pytest

from kd_tf.data.ms_celeb_1m import clean_list
from kd_tf.data.ms_celeb_1m.source import FILE, open_ms_celeb_1m
from kd_tf.errors import InputError
from tests.data.ms_celeb_1m.tsv import PEOPLE, jpeg, mutate, people_rows, write_rows

# Of the rows m.0b_c/0, m.0b_c/11, m.0109kg/14, m.0zz/2, m.0109kg/3, m.0b_c/12 in the file these are records 2, 0, 5.
LIST = "m.0109kg/14-FaceId-0.jpg 3\nm.0b_c/12-FaceId-0.jpg 20\nm.0b_c/0-FaceId-0.jpg 20\n"


@pytest.fixture(name="path")
def make_path(tmp_path):
    return write_rows(tmp_path / FILE, people_rows())


def open_list(path, text):
    file = path.parent / "clean.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_ms_celeb_1m(str(path), clean_list=str(file))


def refusal(path, text):
    with pytest.raises(InputError) as error:
        open_list(path, text)
    return str(error.value)


@pytest.mark.parametrize(
    "data",
    [
        LIST.encode(),
        LIST.replace("\n", "\r\n").encode(),
        LIST.replace(" ", "\t").encode(),
        LIST.replace(" ", " \t  ").encode(),
        b"\xef\xbb\xbf" + LIST.encode(),
        LIST.rstrip().encode(),
        LIST.replace("\n", " \n\n  \r\n").encode(),
        LIST.replace(" 3", " 0003").encode(),
        (LIST + LIST).encode(),
        "".join(f"{label} {image}\n" for image, label in (line.split() for line in LIST.splitlines())).encode(),
    ],
)
def test_only_listed_rows_are_records(path, data):
    source = open_list(path, data)
    assert len(source) == 3
    assert source.identity_names == ["m.0109kg", "m.0b_c"]
    assert source.identities.tolist() == [1, 0, 1]
    assert source.identities.dtype == np.int32
    assert source.read([0, 1, 2]) == [jpeg(0), jpeg(2), jpeg(5)]
    assert source.describe(2) == f"{path} line 6 (m.0b_c/12-FaceId-0)"


def _lines(*labels):
    return "".join(f"{mid}/{rank}-FaceId-0.jpg {label}\n" for (mid, rank), label in zip(PEOPLE, labels, strict=True) if label is not None)


@pytest.mark.parametrize(
    ("labels", "names", "identities"),
    [
        # The order is the numbers', not their texts' nor the MIDs'.
        ([9, 9, 100, 10, 100, 9], ["m.0b_c", "m.0zz", "m.0109kg"], [0, 0, 2, 1, 2, 0]),
        # 7 merges m.0b_c and m.0zz.
        ([7, 7, 1, 7, 1, 7], ["m.0109kg", "class 7"], [1, 1, 0, 1, 0, 1]),
        # m.0b_c is split in two.
        ([7, 8, 1, 2, 1, 8], ["m.0109kg", "m.0zz", "class 7", "class 8"], [2, 3, 0, 1, 0, 3]),
        # Of m.0b_c one image is somebody else's.
        ([7, 7, 1, 2, 1, 2], ["m.0109kg", "class 2", "class 7"], [2, 2, 0, 1, 0, 1]),
        # A split that is not seen among the listed.
        ([7, 7, 1, None, 1, None], ["m.0109kg", "m.0b_c"], [1, 1, 0, 0]),
        # The list names MIDs, and has moved an image of m.0b_c to m.0zz.
        (
            ["m.0b_c", "m.0b_c", "m.0109kg", "m.0zz", "m.0109kg", "m.0zz"],
            ["m.0109kg", "m.0b_c", "m.0zz"],
            [1, 1, 0, 2, 0, 2],
        ),
    ],
)
def test_names_of_classes(path, labels, names, identities):
    source = open_list(path, _lines(*labels))
    assert source.identity_names == names
    assert source.identities.tolist() == identities


def test_of_rows_with_one_name_the_first_counts(path):
    write_rows(path, people_rows() + people_rows()[::-1])
    source = open_list(path, LIST)
    assert source.describe(0) == f"{path} line 1 (m.0b_c/0-FaceId-0)"
    assert len(source) == 3


def test_missing_rows(path):
    text = LIST + "m.0b_c/99-FaceId-0.jpg 20\nm.0zz/2-FaceId-0.jpg 5\nm.0b_c/0-FaceId-1.jpg 20\n"
    expected = f"line 4: {path} has no row for 'm.0b_c/99-FaceId-0.jpg 20'; 2 of the 6 images listed are missing: take them out of the list"
    assert refusal(path, text) == f"{path.parent}/clean.txt {expected}"
    text = "\ufeff20 m.0b_c/99-FaceId-0.jpg \r\n"
    expected = f"line 1: {path} has no row for '20 m.0b_c/99-FaceId-0.jpg'; 1 of the 1 images listed are missing: take them out of the list"
    assert refusal(path, text) == f"{path.parent}/clean.txt {expected}"


def test_an_image_in_two_classes(path):
    """The same line twice is no harm."""
    assert len(open_list(path, LIST + LIST)) == 3
    expected = "(line 2: 'm.0b_c/12-FaceId-0.jpg 20'; line 4: 'm.0b_c/12-FaceId-0.jpg 4'): take one out"
    assert refusal(path, LIST + "m.0b_c/12-FaceId-0.jpg 4\n") == f"{path.parent}/clean.txt has an image in two classes {expected}"


@pytest.mark.parametrize(
    "line",
    [
        "m.0zz/2-FaceId-0.jpg",
        "m.0zz/2-FaceId-0.jpg 1 2",
        "m.0zz/2-FaceId-0.jpg one",
        "m.0zz/2-FaceId-0.jpg -1",
        "m.0zz/2-FaceId-0.jpg 1.5",
        "m.0zz/2-FaceId-0.jpg 1234567890",
        "m.0zz/2-FaceId-0.png 1",
        "2-FaceId-0.jpg 1",
        "data/m.0zz/2-FaceId-0.jpg 1",
        "m.0zz\\2-FaceId-0.jpg 1",
        "m.0zz/2-FaceId-0.jpg ٣",
        "<html><body>",
        "m.0zz/2-FaceId-0.jpg,1",
    ],
)
def test_broken_line(path, line):
    message = refusal(path, LIST + line + "\n" + LIST)
    shown = ascii(line.encode().decode("latin-1"))
    assert message == f"{path.parent}/clean.txt line 4: expected something like 'm.0109kg/14-FaceId-0.jpg 17', found {shown}"


@pytest.mark.parametrize("data", [LIST.encode("utf-16"), bytes(1 << 20), b"x" * (1 << 20), b"\xff\xd8\xff"])
def test_something_else(path, data):
    assert refusal(path, data).startswith(f"{path.parent}/clean.txt line 1: expected something like")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf \r\n"])
def test_an_empty_list(path, data):
    assert refusal(path, data) == f"{path.parent}/clean.txt is empty: expected lines like 'm.0109kg/14-FaceId-0.jpg 17'"


def test_a_missing_list(path):
    with pytest.raises(InputError) as error:
        open_ms_celeb_1m(str(path), clean_list=f"{path.parent}/none.txt")
    assert str(error.value) == f"{path.parent}/none.txt cannot be read: No such file or directory"


def test_fingerprint(path):
    """Other records, labels or names make another; spaces and the order of lines do not."""
    same = [LIST, LIST.replace(" ", "\t"), "".join(reversed(LIST.splitlines(keepends=True))), LIST.replace(" 20", " 21")]
    other = [LIST.replace("/12-", "/11-"), LIST.replace(" 3", " 30"), LIST.replace("0.jpg 3", "0.jpg 20"), _lines(1, 1, 2, 3, 2, 1)]
    assert len({open_list(path, text).fingerprint() for text in same}) == 1
    fingerprints = [open_list(path, text).fingerprint() for text in [LIST, *other]]
    assert len({*fingerprints, open_ms_celeb_1m(str(path)).fingerprint()}) == 6


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_joined_in_pieces(at_once, monkeypatch):
    """Against a dictionary."""
    monkeypatch.setattr(clean_list, "_JOINED_AT_ONCE", at_once)
    random = np.random.default_rng(at_once)
    # Few values a byte, so that names repeat and digests end in zeros.
    digests = np.frombuffer(random.integers(0, 2, (300, 16), np.uint8).tobytes() + bytes(16) + b"\1" + bytes(15), "S16")
    digests = np.concatenate([digests, digests[:50]])
    wanted = np.concatenate([random.permutation(digests)[:120], np.frombuffer(bytes(14) + b"\1\0" + random.bytes(160), "S16")])
    first = {}
    for place, digest in enumerate(digests.view("V16").tolist()):
        first.setdefault(digest, place)
    expected = [first.get(digest, -1) for digest in wanted.view("V16").tolist()]
    assert clean_list._find_rows(wanted, digests).tolist() == expected
    assert min(expected) == -1


def _deal(lines, random):
    """Some of the lines in any order, some of them twice, and now and then one in another class."""
    ends = [b"\n", b"\r\n", b"\n \n", b"\t \n"]
    other = [line.split()[0] + b" 33" for line in lines[:2]]
    return b"".join((lines * 3 + other)[at] + ends[at % 4] for at in random.integers(0, 3 * len(lines) + 2, random.integers(1, 9)))


def test_fuzz(path):
    """400 mutations: refused, or the lines that are still as they were make records of the classes that they name."""
    whole = _lines(7, 7, 1, 2, 1, 7).encode()
    images = dict(zip(whole.splitlines(), ((mid, rank, place) for place, (mid, rank) in enumerate(PEOPLE)), strict=True))
    outcomes = []
    for seed in range(400):
        random = np.random.default_rng(seed)
        data = _deal(whole.splitlines(), random) if seed % 2 else mutate(whole, random)
        try:
            source = open_list(path, data)
        except InputError as error:
            assert "clean.txt" in str(error)
            outcomes.append("refused")
            continue
        outcomes.append("opened")
        labels = {source.describe(record): label for record, label in enumerate(source.identities.tolist())}
        records = {source.describe(record): record for record in range(len(source))}
        classes = {}
        for line in {line.strip() for line in data.split(b"\n")} & set(images):
            mid, rank, place = images[line]
            described = f"{path} line {place + 1} ({mid}/{rank}-FaceId-0)"
            assert source.read([records[described]]) == [jpeg(place)]
            classes.setdefault(line.split()[1], set()).add(labels[described])
        found = list(classes.values())
        assert all(len(label) == 1 for label in found)
        assert len(set.union(set(), *found)) == len(found)
    assert min(outcomes.count("opened"), outcomes.count("refused")) > 30

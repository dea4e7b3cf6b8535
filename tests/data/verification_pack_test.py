import os
import pickle
import struct
import time
import zlib

import numpy as np
import pytest

from kd_tf.data.verification_pack import PackSource, open_pack, read_pack
from kd_tf.errors import InputError

# Bytes of all values, quotes, backslashes and line ends among them, as in a JPEG.
IMAGES = [bytes([0xFF, 0xD8, 0x27, 0x22, 0x5C, 0x0A, number]) + bytes(range(256)) for number in range(24)]
SAME = [number % 3 != 1 for number in range(12)]
FOLDS_OF_12 = [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def _write(folder, data):
    path = folder / "pack.bin"
    path.write_bytes(data)
    return str(path)


def _error(folder, data):
    path = _write(folder, data)
    with pytest.raises(InputError) as error:
        read_pack(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{path} ")
    return str(error.value)[len(path) + 1 :]


def _arrays(images):
    return [np.frombuffer(image, np.uint8) for image in images]


def _object_array(items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _python2(images, same, protocol):
    """What Python 2's pickle makes of lists of str and bool."""
    if protocol == 0:
        strings = [b"S" + ascii(image)[1:].encode() + b"\np%d\n" % (place + 2) for place, image in enumerate(images)]
        lists = b"(lp1\n" + b"".join(string + b"a" for string in strings)
        return b"(" + lists + b"(lp99\n" + b"".join(b"I0%d\na" % flag for flag in same) + b"tp100\n."
    strings = [b"T" + struct.pack("<i", len(image)) + image + b"q" + bytes([place + 2]) for place, image in enumerate(images)]
    flags = b"".join(b"\x88" if flag else b"\x89" for flag in same)
    return b"\x80\x02]q\x01(" + b"".join(strings) + b"e]q\x63(" + flags + b"e\x86q\x64."


def _assert_read(path):
    images, pairs = read_pack(path)
    assert images == IMAGES
    assert all(type(image) is bytes for image in images)
    assert pairs.first.tolist() == list(range(0, 24, 2))
    assert pairs.second.tolist() == list(range(1, 24, 2))
    assert pairs.same.tolist() == SAME
    assert pairs.folds.tolist() == FOLDS_OF_12
    assert (pairs.first.dtype, pairs.second.dtype, pairs.same.dtype, pairs.folds.dtype) == (np.int64, np.int64, bool, np.int64)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("make_images", [list, tuple, _arrays, _object_array, lambda images: _object_array(_arrays(images))])
@pytest.mark.parametrize(
    "make_flags",
    [
        list,
        tuple,
        lambda flags: [int(flag) for flag in flags],
        lambda flags: [np.bool_(flag) for flag in flags],
        lambda flags: [np.int64(flag) for flag in flags],
        np.array,
        lambda flags: np.array(flags, ">i4"),
        _object_array,
    ],
)
def test_all_ways_to_write_a_pack(tmp_path, protocol, make_images, make_flags):
    _assert_read(_write(tmp_path, pickle.dumps((make_images(IMAGES), make_flags(SAME)), protocol)))


@pytest.mark.parametrize("protocol", [0, 2])
def test_packs_of_python_2(tmp_path, protocol):
    data = _python2(IMAGES, SAME, protocol)
    assert pickle.loads(data, encoding="bytes") == (IMAGES, SAME)
    _assert_read(_write(tmp_path, data))


def test_arrays_of_python_2(tmp_path):
    # There, the strings within an array's state are bytes.
    image = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I3\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntR"
    image += b"(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\xff\\xd8.'\ntb"
    data = b"((l" + (image + b"a") * 20 + b"(l" + b"I01\na" * 10 + b"t."
    assert read_pack(_write(tmp_path, data))[0] == [b"\xff\xd8."] * 20


@pytest.mark.parametrize("protocol", range(6))
def test_packs_of_numpy_2(tmp_path, protocol):
    flags = [np.bool_(flag) for flag in SAME]
    data = pickle.dumps((_arrays(IMAGES), flags), protocol).replace(b"numpy.core", b"numpy._core")
    for module in ("multiarray", "numeric"):
        old, new = (bytes([len(name)]) + name for name in (f"numpy.core.{module}".encode(), f"numpy._core.{module}".encode()))
        data = data.replace(b"\x8c" + old[:1] + new[1:], b"\x8c" + new)
    if protocol >= 4:
        # The frame is longer now; frames are optional.
        data = data[:2] + data[11:]
    assert b"numpy._core" in data and b"numpy.core" not in data
    _assert_read(_write(tmp_path, data))


def test_images_that_are_there_twice(tmp_path):
    images = [IMAGES[0], IMAGES[1]] * 10
    assert read_pack(_write(tmp_path, pickle.dumps((images, [True] * 10))))[0] == images


@pytest.mark.parametrize(("pairs", "sizes"), [(10, [1] * 10), (19, [2] * 9 + [1]), (6000, [600] * 10)])
def test_ten_runs_of_pairs(tmp_path, pairs, sizes):
    _, found = read_pack(_write(tmp_path, pickle.dumps(([b"x"] * (2 * pairs), [True] * pairs))))
    assert found.folds.tolist() == [fold for fold, size in enumerate(sizes) for _ in range(size)]


def test_a_pack_as_a_source(tmp_path):
    path = _write(tmp_path, pickle.dumps((IMAGES, SAME)))
    source, pairs = open_pack(path)
    assert source.name == f"bin:{path}"
    assert list(source.identity_names) == ["unknown"]
    assert source.identities.tolist() == [0] * 24
    assert source.identities.dtype == np.int32
    assert source.official_test is None
    # Aligned to the template: the nose of every face is at (56.0252, 71.7366) of 112 pixels.
    np.testing.assert_allclose(source.landmarks[:, 2], [[56.5252 / 112, 72.2366 / 112]] * 24, rtol=1e-6)
    assert len(source) == 24
    assert source.read([5, np.int64(3)]) == [IMAGES[5], IMAGES[3]]
    assert source.describe(17) == f"{path} entry 17"
    assert pairs.second[8] == 17


def test_the_fingerprint_is_of_the_images(tmp_path):
    path = _write(tmp_path, pickle.dumps((IMAGES, SAME)))
    first = open_pack(path)[0].fingerprint()
    _write(tmp_path, pickle.dumps((_arrays(IMAGES), SAME), 2))
    assert open_pack(path)[0].fingerprint() == first
    assert PackSource("/elsewhere", IMAGES).fingerprint() == first
    _write(tmp_path, pickle.dumps(([*IMAGES[:23], IMAGES[23] + b"\0"], SAME)))
    assert open_pack(path)[0].fingerprint() != first


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        ((IMAGES, SAME, SAME), "holds a tuple of 3: expected a tuple of 2, (images, flags)"),
        (IMAGES, "holds a list of 24: expected a tuple of 2, (images, flags)"),
        (7, "holds int: expected a tuple of 2, (images, flags)"),
        (np.zeros([4, 2], np.uint8), "holds an array of uint8 [4, 2]: expected a tuple of 2, (images, flags)"),
        ((IMAGES, 12), "has int for its flags: expected a list"),
        ((np.zeros([2, 3, 4], np.uint8), SAME), "has an array of uint8 [2, 3, 4] for its images: expected a list"),
        ((IMAGES[:23], SAME), "has 23 images and 12 flags: expected two images for each flag"),
        ((IMAGES, SAME[:11]), "has 24 images and 11 flags: expected two images for each flag"),
        ((IMAGES[:18], SAME[:9]), "has 9 pairs: 10 folds need 10 or more"),
        (([], []), "has 0 pairs: 10 folds need 10 or more"),
        ((IMAGES, [*SAME[:4], 2, *SAME[5:]]), "flag 4 is another number: expected True or False, 1 or 0"),
        ((IMAGES, [*SAME[:4], -(10**5000), *SAME[5:]]), "flag 4 is another number: expected True or False, 1 or 0"),
        ((IMAGES, [*SAME[:4], None, *SAME[5:]]), "flag 4 is NoneType: expected True or False, 1 or 0"),
        ((IMAGES, [*SAME[:4], b"1", *SAME[5:]]), "flag 4 is bytes: expected True or False, 1 or 0"),
        ((IMAGES, np.linspace(0, 1, 12)), "flag 0 is float: expected True or False, 1 or 0"),
        ((IMAGES, [np.float32(1)] * 12), "flag 0 is float: expected True or False, 1 or 0"),
    ],
)
def test_other_shapes(tmp_path, pack, message):
    assert _error(tmp_path, pickle.dumps(pack)) == message


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (np.zeros([112, 110, 3], np.uint8), "an array of uint8 [112, 110, 3]"),
        (np.zeros([1, 40], np.uint8), "an array of uint8 [1, 40]"),
        (np.array(5, np.uint8), "an array of uint8 []"),
        (np.zeros([7], np.float32), "an array of float32 [7]"),
        (np.array([b"image"]), "an array of |S5 [1]"),
        (_object_array([b"image"]), "an array of object [1]"),
        (np.uint8(5), "a scalar"),
        ("text", "str"),
        (3, "int"),
        (None, "NoneType"),
        ([1, 2, 3], "a list of 3"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_entries_that_are_no_encoded_images(tmp_path, entry, kind, protocol):
    message = _error(tmp_path, pickle.dumps(([*IMAGES[:17], entry, *IMAGES[18:]], SAME), protocol))
    assert message == f"entry 17 is {kind}: expected an encoded image, as bytes or a uint8 array of one axis"


def test_files_that_are_no_pickles(tmp_path):
    assert _error(tmp_path, b"\xef\xbb\xbf\n<!DOCTYPE html><html>Quota exceeded") == "is an HTML page, not the data"
    assert _error(tmp_path, b"<HTML lang=en>") == "is an HTML page, not the data"
    assert _error(tmp_path, b"PK\x03\x04\x14") == "is a ZIP archive, not the data"
    assert _error(tmp_path, b"\x1f\x8b\x08") == "is a gzip archive, not the data"
    assert _error(tmp_path, b"") == "is empty: copy it again"
    for data in (b"\xff\xd8\xff\xe0", b"hello", b"\x00" * 100, b"."):
        assert _error(tmp_path, data).startswith("is not a whole pickle of (images, flags) (")


def test_files_that_are_not_there(tmp_path):
    for path, reason in ((tmp_path / "none.bin", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError) as error:
            read_pack(str(path))
        assert str(error.value) == f"{path} cannot be read: {reason}"


class _Runs:
    """A pickle that makes a file when it is read by an unpickler that lets it."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _hostile(name, trace):
    command = f"touch {trace}"
    module, _, function = name.rpartition(".")
    return {
        "instance": f"(S'{command}'\ni{module}\n{function}\n.".encode(),
        "global": f"c{module}\n{function}\n(S'{command}'\ntR.".encode(),
        "object": f"(c{module}\n{function}\nS'{command}'\no.".encode(),
        "stack": b"\x80\x04\x8c" + bytes([len(module)]) + module.encode() + b"\x8c" + bytes([len(function)]) + function.encode() + b"\x93.",
    }


@pytest.mark.parametrize("way", ["instance", "global", "object", "stack"])
@pytest.mark.parametrize(
    "name",
    [
        "posix.system",
        "os.system",
        "builtins.eval",
        "__builtin__.eval",
        "builtins.getattr",
        "subprocess.Popen",
        "copyreg._reconstructor",
        "copy_reg._reconstructor",
        "copyreg.add_extension",
        "numpy.load",
        "numpy.core.multiarray.fromfile",
        "numpy.testing._private.utils.runstring",
        "_codecs.lookup",
        "_codecs.decode",
        "codecs.encode",
        "builtins.bytearray",
        "collections.OrderedDict",
        "nowhere.at_all",
    ],
)
def test_names_that_packs_do_not_need(tmp_path, name, way):
    message = _error(tmp_path, _hostile(name, tmp_path / "trace")[way])
    assert message == f"asks for {name}, which image packs do not need: refused, nothing was run"
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrap", [lambda call: call, lambda call: ([call] * 24, SAME), lambda call: (IMAGES, [*SAME[:11], call])])
def test_commands_are_not_run(tmp_path, protocol, wrap):
    trace = tmp_path / "trace"
    calls = [(os.system, f"touch {trace}"), (eval, f"open({str(trace)!r}, 'w')"), (open, str(trace), "w")]
    for function, *arguments in calls:
        data = pickle.dumps(wrap(_Runs(function, *arguments)), protocol)
        message = _error(tmp_path, data)
        assert message.endswith("which image packs do not need: refused, nothing was run")
        assert not trace.exists()
        # An unpickler that lets it does run it.
        pickle.loads(data)
        assert trace.exists()
        trace.unlink()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "core.multiarray.fromfile"),
        ("numpy", "core.multiarray._reconstruct"),
        ("numpy", "ndarray.tofile"),
        ("numpy.core", "multiarray._reconstruct"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
        ("_codecs", "encode.__self__"),
        ("", "numpy.ndarray"),
    ],
)
def test_names_within_names(tmp_path, module, name):
    strings = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
    message = _error(tmp_path, b"\x80\x04" + strings + b"\x93.")
    assert message == f"asks for {module}.{name}, which image packs do not need: refused, nothing was run"


def test_names_that_are_shown_on_one_line(tmp_path):
    strings = b"\x8c\x03a\nb\x8c\xff" + b"\x1b" * 255
    assert _error(tmp_path, b"\x80\x04" + strings + b"\x93.").startswith("asks for a\\nb.\\x1b\\x1b")


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ("PERSID", b"Pid\n."),
        ("BINPERSID", b"Nq\x00Q."),
        ("EXT1", b"\x82\x01."),
        ("EXT4", b"\x84\x01\x00\x00\x00."),
        ("EMPTY_DICT", b"\x80\x02}."),
        ("NEWOBJ", b"\x80\x02cnumpy\nndarray\n)\x81."),
        ("NEXT_BUFFER", b"\x80\x05\x97."),
        ("DUP", b"N2."),
    ],
)
def test_operations_that_packs_do_not_need(tmp_path, operation, data):
    message = _error(tmp_path, data)
    assert message == f"asks for the pickle operation {operation}, which image packs do not need: refused, nothing was run"


@pytest.mark.parametrize("encoding", ["rot13", "zlib", "hex", "utf-8", "unicode_escape"])
def test_other_encodings(tmp_path, encoding):
    message = _error(tmp_path, f"c_codecs\nencode\n(Vtext\nV{encoding}\ntR.".encode())
    assert message == "asks for an encoding other than latin1 of a text, which image packs do not need: refused, nothing was run"


NUMPY_NAMES = b"cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01cnumpy\ndtype\nq\x02c_codecs\nencode\nq\x03"
ARRAY = b"h\x00h\x01K\x00\x85C\x01b\x87R"
DTYPE = b"h\x02U\x02%s\x85R(K\x03U\x01%sNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def _array_pack(shape, code, content, order=b"|"):
    image = ARRAY + b"(K\x01" + shape + DTYPE % (code, order) + b"\x89" + content + b"tb"
    return b"\x80\x03" + NUMPY_NAMES + b"](" + image * 20 + b"e](" + b"\x88" * 10 + b"e\x86."


def test_the_arrays_of_the_next_test(tmp_path):
    assert read_pack(_write(tmp_path, _array_pack(b"K\x03\x85", b"u1", b"C\x03abc")))[0] == [b"abc"] * 20


@pytest.mark.parametrize(
    "data",
    [
        _array_pack(b"K\x04\x85", b"u1", b"C\x03abc"),
        _array_pack(b"J\xff\xff\xff\xff\x85", b"u1", b"C\x03abc"),
        _array_pack(b"J\xff\xff\xff\x7f\x85", b"u1", b"C\x03abc"),
        _array_pack(b"J\xff\xff\xff\x7f\x85", b"O8", b"]"),
        _array_pack(b"K\x03\x85", b"u1", b"]"),
        _array_pack(b"K\x03\x85", b"u1", b"X\x03\x00\x00\x00abc"),
        _array_pack(b"K\x03\x85", b"O8", b"C\x03abc"),
        _array_pack(b"K\x03", b"u1", b"C\x03abc"),
        _array_pack(b"](" + b"K\x01" * 100 + b"K\x03e", b"u1", b"C\x03abc"),
        _array_pack(b"K\x03\x85", b",,", b"C\x03abc"),
        _array_pack(b"K\x03\x85", b"u1", b"C\x03abc", b","),
    ],
)
def test_arrays_that_are_not_what_they_say(tmp_path, data):
    assert _error(tmp_path, data).startswith("is not a whole pickle of (images, flags) (")


@pytest.mark.parametrize(
    "data",
    [
        # Memo places, lengths and frames far beyond the file.
        b"Nr\xff\xff\xff\xff.",
        b"Np4294967295\n.",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**36) + b"abc.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
        b"B\xff\xff\xff\x7fabc",
        b"\x8b\xff\xff\xff\x7f\x01.",
        b"I" + b"9" * 1_000_000 + b"\n.",
        # The product of thirty lengths of a megabyte.
        _array_pack(b"](\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6 + b"q\x09" + b"h\x09" * 29 + b"e", b"u1", b"C\x03abc"),
        # Depth: each list, tuple or call within another.
        b"]" * 200_000 + b"a" * 199_999 + b".",
        b")" + b"\x85" * 200_000 + b".",
        b"\x80\x02" + NUMPY_NAMES + b"(" * 2 + b")" + b"h\x00h\x01\x85R" * 10_000 + b"t.",
        # Attributes of what the names stand for.
        b"\x80\x02cnumpy\nndarray\nN\x88\x86b.",
        b"\x80\x02c_codecs\nencode\nN\x88\x86b.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00a\x85b.",
        b"\x80\x02c_codecs\nencode\nK\x01K\x02\x86R.",
    ],
)
def test_files_that_ask_for_much(tmp_path, data):
    started = time.monotonic()
    _error(tmp_path, data)
    assert time.monotonic() - started < 20


def test_a_text_that_is_encoded_often_is_kept_once(tmp_path):
    # A hundred thousand times a megabyte would be 100 GB.
    text = b"X" + struct.pack("<i", 1_000_000) + b"x" * 1_000_000
    data = b"\x80\x03](c_codecs\nencode\nq\x00" + text + b"q\x01X\x06\x00\x00\x00latin1\x86q\x02R" + b"h\x00h\x02R" * 99_999
    images, _ = read_pack(_write(tmp_path, data + b"e](" + b"\x88" * 50_000 + b"e\x86."))
    assert len(images) == 100_000 and images[0] == b"x" * 1_000_000
    assert len({id(image) for image in images}) == 1


def _read_or_refuse(path):
    """Reads a damaged pack; what comes back must be a pack."""
    try:
        images, pairs = read_pack(path)
    except InputError as error:
        assert "\n" not in str(error)
        return False
    assert all(type(image) is bytes for image in images)
    assert len(images) == 2 * len(pairs.same) and pairs.same.dtype == bool
    assert pairs.folds.max() == 9
    return True


DAMAGED = {
    "lists": lambda protocol: pickle.dumps((IMAGES, SAME), protocol),
    "arrays": lambda protocol: pickle.dumps((_arrays(IMAGES), [np.bool_(flag) for flag in SAME]), protocol),
    "python2": lambda protocol: _python2(IMAGES, SAME, 0 if protocol == 0 else 2),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", DAMAGED)
def test_files_that_are_cut_short(tmp_path, kind, protocol):
    data = DAMAGED[kind](protocol)
    assert _read_or_refuse(_write(tmp_path, data))
    for length in [*range(1, 60), *range(61, len(data), 251), len(data) - 1]:
        assert not _read_or_refuse(_write(tmp_path, data[:length])), length


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", DAMAGED)
def test_files_with_other_bytes(tmp_path, kind, protocol):
    data = DAMAGED[kind](protocol)
    random = np.random.default_rng([protocol, zlib.crc32(kind.encode())])
    read = 0
    for _ in range(200):
        damaged = np.frombuffer(data, np.uint8).copy()
        # Half of them at the head, where the structure is.
        places = random.integers(0, len(data) if random.random() < 0.5 else 400, random.integers(1, 4))
        damaged[places] ^= random.integers(1, 256, len(places), np.uint8)
        read += _read_or_refuse(_write(tmp_path, damaged.tobytes()))
    assert 0 < read < 200

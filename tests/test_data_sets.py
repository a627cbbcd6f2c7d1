"""The image sets from files: in every form, damaged, hostile and absent."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from autograd_cnn import data
from autograd_cnn.data.file_kinds import BatchArchive, BatchFile, IdxFile, NpzFile
from autograd_cnn.data.image_sets import load
from autograd_cnn.data.sources import CIFAR10, FASHION_MNIST, KMNIST, MNIST, Source

NAMES = [file.name for file in MNIST.forms[0]]
SHAPES = [(6, 4, 3), (6,), (2, 4, 3), (2,)]
BATCH_NAMES = [file.name for file in CIFAR10.forms[1]]
TAR = CIFAR10.forms[0][0].name


def idx(array: np.ndarray) -> bytes:
    """An IDX file of uint8 values, written here byte by byte."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def tar(batches: dict[str, bytes]) -> bytes:
    """The published archive: a folder with the batches, among other files."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, inside in {"batches.meta.txt": b"airplane\n", **batches}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(inside)
            archive.addfile(member, io.BytesIO(inside))
    return content.getvalue()


RNG = np.random.default_rng(0)
ARRAYS = [RNG.integers(0, 256 if len(s) > 1 else 10, s).astype(np.uint8) for s in SHAPES]
PLAIN = dict(zip(NAMES, map(idx, ARRAYS)))
PACKED = {name: gzip.compress(content) for name, content in PLAIN.items()}
PACKED_FILES = {f"{name}.gz": content for name, content in PACKED.items()}
RECORDS = RNG.integers(0, 256, (6, 2, 3073)).astype(np.uint8)
RECORDS[:, :, 0] %= 10
BATCHES = {name: records.tobytes() for name, records in zip(BATCH_NAMES, RECORDS)}


def idx_files(packed: bool) -> tuple[IdxFile, ...]:
    """The made-up files, with the SHA-256 of the plain or the MD5 of the packed ones."""
    sums = [
        hashlib.md5(PACKED[n]).hexdigest() if packed else hashlib.sha256(PLAIN[n]).hexdigest()
        for n in NAMES
    ]
    return tuple(map(IdxFile, NAMES, SHAPES, sums))


def cifar10(content: bytes) -> Source:
    """The source whose archive has this content."""
    files = tuple(BatchFile(name, (2, 3073)) for name in BATCH_NAMES)
    archive = BatchArchive(TAR, checksum=hashlib.md5(content).hexdigest(), parts=files)
    return CIFAR10._replace(forms=((archive,), files))


class Made(NamedTuple):
    """A set like a published one, with made-up content: its source and the files of a mirror."""

    published: Source
    offered: dict[str, bytes]

    def source(self, *mirrors: str, timeout: float = 2.0) -> Source:
        return self.published._replace(mirrors=mirrors, timeout=timeout)


MADE_MNIST = idx_files(packed=False)
ARCHIVE = tar(BATCHES)
MADE = {
    "mnist": Made(
        MNIST._replace(forms=(MADE_MNIST, (NpzFile("mnist.npz", parts=MADE_MNIST),))), PACKED_FILES
    ),
    "fashion": Made(FASHION_MNIST._replace(forms=(idx_files(packed=True),)), PACKED_FILES),
    "cifar10": Made(cifar10(ARCHIVE), {TAR: ARCHIVE}),
}


def source(*mirrors: str, timeout: float = 2.0) -> Source:
    return MADE["mnist"].source(*mirrors, timeout=timeout)


@pytest.fixture(autouse=True)
def no_other_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test looks at, or writes to, the user's own folders."""
    monkeypatch.delenv("AUTOGRAD_CNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")


def folder(tmp_path: Path, files: dict[str, bytes], name: str = "files") -> Path:
    path = tmp_path / name
    path.mkdir()
    for file, content in files.items():
        (path / file).parent.mkdir(exist_ok=True)
        (path / file).write_bytes(content)
    return path


def check(dataset: data.TrainTest, made: str = "mnist") -> None:
    (x, y), (u, v) = dataset
    if made == "cifar10":
        train = RECORDS[:5].reshape(10, 3073)
        expected = [train[:, 1:], train[:, 0], RECORDS[5, :, 1:], RECORDS[5, :, 0]]
        assert x.shape == (10, 3, 32, 32)
    else:
        expected = ARRAYS
        assert x.shape == (6, 1, 4, 3)
    for found, wanted in zip((x, y, u, v), expected):
        assert np.array_equal(found.reshape(wanted.shape), wanted)
        assert found.flags.c_contiguous
    assert (x.dtype, y.dtype) == (np.uint8, np.int64)
    assert dataset.train.images is x


# ------------------------------------------------------------------------------------------- forms

KERAS = ("x_train", "y_train", "x_test", "y_test")


def npz(**changed: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **{**dict(zip(KERAS, ARRAYS)), **changed})
    return content.getvalue()


FORMS = {
    "plain": PLAIN,
    "packed": PACKED_FILES,
    "dotted": {n.replace("-idx", ".idx"): c for n, c in PLAIN.items()},
    "mixed": {NAMES[0]: PLAIN[NAMES[0]], **{f"{n}.gz": PACKED[n] for n in NAMES[1:]}},
    "npz of Keras": {"mnist.npz": npz()},
    "npz of wide integers": {"mnist.npz": npz(y_train=ARRAYS[1].astype(np.int64))},
}
BINARY_FORMS = {
    "archive": {TAR: ARCHIVE},
    "batches": BATCHES,
    "unpacked folder": {f"cifar-10-batches-bin/{n}": c for n, c in BATCHES.items()},
}
EVERY_FORM = [
    *(("mnist", form) for form in FORMS),
    *(("fashion", form) for form in FORMS if "npz" not in form),
    *(("cifar10", form) for form in BINARY_FORMS),
]


@pytest.mark.parametrize(("made", "form"), EVERY_FORM)
def test_every_form_gives_the_same(tmp_path: Path, made: str, form: str) -> None:
    path = folder(tmp_path, {**FORMS, **BINARY_FORMS}[form])
    check(load(MADE[made].source(), path), made)
    assert sorted(p.name for p in path.rglob("*.bin")) == sorted(BATCHES) * (
        form in ("batches", "unpacked folder")
    )  # the archive is not extracted


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = folder(tmp_path, {"mnist.pkl.gz": b"anything"})
    with pytest.raises(data.DataUnavailable, match="no MNIST files"):
        load(source(), path)
    path = folder(tmp_path, {"cifar-10-batches-py/data_batch_1": b"anything"}, "python")
    with pytest.raises(data.DataUnavailable, match="no CIFAR-10 files"):
        load(MADE["cifar10"].source(), path)


# ------------------------------------------------------------------------------------ damaged files


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


IMAGES, LABELS, NPZ = NAMES[0], NAMES[1], "mnist.npz"
BARE = io.BytesIO()
np.savez(BARE, x_train=ARRAYS[0])
DAMAGES = {
    "truncated": (IMAGES, PLAIN[IMAGES][:-5], r"expected 72 bytes .*found 67"),
    "too long": (IMAGES, PLAIN[IMAGES] + b"x", r"expected 72 bytes .*found more"),
    "cut in the header": (IMAGES, PLAIN[IMAGES][:9], "expected the sizes of 3 axes, found 5 bytes"),
    "empty": (IMAGES, b"", "expected an IDX file.*an empty file"),
    "not IDX": (IMAGES, b"<html>not found</html>", "expected an IDX file.*found the bytes 3c 68"),
    "images as labels": (LABELS, PLAIN[IMAGES], r"expected uint8 \(6,\), found uint8 \(6, 4, 3\)"),
    "label of 11": (LABELS, idx(np.full(6, 11, np.uint8)), r"expected labels 0\.\.9, found 11"),
    "a changed pixel": (IMAGES, flipped(PLAIN[IMAGES], 30), "SHA-256 [0-9a-f]{64}, found"),
    "broken gzip": (f"{IMAGES}.gz", PACKED[IMAGES][:-12], "damaged gzip file"),
    "flipped gzip": (f"{IMAGES}.gz", flipped(PACKED[IMAGES], 40), "gzip|SHA-256|MD5"),
    "packed again": (
        f"{IMAGES}.gz",
        gzip.compress(flipped(PLAIN[IMAGES], 30)),
        r"SHA-256 [0-9a-f]{64}, found|train-images-idx3-ubyte with MD5 [0-9a-f]{32}, found",
    ),
    "floats in an npz": (NPZ, npz(x_train=ARRAYS[0] / 255.0), "expected integers in x_train"),
    "large numbers in an npz": (NPZ, npz(x_train=ARRAYS[0].astype(int) * 2), r"0\.\.255 in x_tr"),
    "a changed npz": (NPZ, npz(y_train=1 - ARRAYS[1] % 2), "SHA-256"),
    "half an npz": (NPZ, npz()[:-30], "expected an npz file with the arrays x_train"),
    "an npz without labels": (NPZ, BARE.getvalue(), "no item named 'y_train.npy'"),
    "an npz bomb": (NPZ, npz(x_test=np.zeros(1 << 18, int)), r"x_test of at most .* found 2,097,"),
}


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.marker,)


def test_objects_in_an_npz_are_not_unpickled(tmp_path: Path) -> None:
    objects = np.array([Malicious(tmp_path / "executed")] * 6, dtype=object)
    with pytest.raises(data.DataError, match=r"mnist\.npz"):
        load(source(), folder(tmp_path, {NPZ: npz(y_train=objects)}))
    assert not (tmp_path / "executed").exists()


FIRST = BATCH_NAMES[0]
BINARY_DAMAGES = {
    "short": (FIRST, BATCHES[FIRST][:-9], r"expected 6,146 bytes of \(2, 3073\), found 6,137"),
    "long": (FIRST, BATCHES[FIRST] + b"x", "found more"),
    "label of 11": (FIRST, b"\x0b" + BATCHES[FIRST][1:], r"expected labels 0\.\.9, found 11"),
    "half an archive": (TAR, ARCHIVE[:-100], "cifar-10-binary.tar.gz with MD5 [0-9a-f]{32}, found"),
    "flipped archive": (TAR, flipped(ARCHIVE, 500), "MD5"),
    "no archive": (TAR, b"<html>not found</html>", "MD5"),
}
EVERY_DAMAGE = [
    *(("mnist", damage) for damage in DAMAGES),
    *(("fashion", d) for d in DAMAGES if "npz" not in d and d != "a changed pixel"),
    *(("cifar10", damage) for damage in BINARY_DAMAGES),
]


@pytest.mark.parametrize(("made", "damage"), EVERY_DAMAGE)
def test_a_damaged_file_is_named_with_expected_found_and_fix(
    tmp_path: Path, made: str, damage: str
) -> None:
    binary = made == "cifar10"
    name, content, message = (BINARY_DAMAGES if binary else DAMAGES)[damage]
    others = {
        n: c for n, c in (BATCHES if binary else PLAIN).items() if name.removesuffix(".gz") != n
    }
    path = folder(tmp_path, {**(others if name not in (NPZ, TAR) else {}), name: content})
    with pytest.raises(data.DataError, match=message) as caught:
        load(MADE[made].source(), path)
    assert str(path / name) in str(caught.value)
    assert "Delete the file" in str(caught.value)


def test_of_plain_files_without_a_checksum_the_form_is_checked(tmp_path: Path) -> None:
    path = folder(tmp_path, {**PLAIN, IMAGES: flipped(PLAIN[IMAGES], 30)})
    assert load(MADE["fashion"].source(), path).train.images.shape == (6, 1, 4, 3)


ARCHIVES = {
    "a short batch": ({**BATCHES, FIRST: BATCHES[FIRST][1:]}, "data_batch_1.bin: .*found 6,145"),
    "a long batch": ({**BATCHES, FIRST: bytes(10**6)}, "data_batch_1.bin: .*found more"),
    "no test batch": ({n: BATCHES[n] for n in BATCH_NAMES[:5]}, "expected .*test_batch.bin in it"),
    "a label of 11": ({**BATCHES, FIRST: b"\x0b" * 6146}, "found 11"),
    "nothing": ({}, "expected .*data_batch_1.bin, .* in it"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_of_other_content_is_refused(tmp_path: Path, case: str) -> None:
    """Also with the right checksum."""
    batches, message = ARCHIVES[case]
    content = tar(batches)
    with pytest.raises(data.DataError, match=message):
        load(cifar10(content), folder(tmp_path, {TAR: content}))


def test_an_archive_that_is_none_or_has_links_is_refused(tmp_path: Path) -> None:
    linked = io.BytesIO()
    with tarfile.open(fileobj=linked, mode="w:gz") as archive:
        link = tarfile.TarInfo(f"cifar-10-batches-bin/{FIRST}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    wrong = (b"text", gzip.compress(b"text" * 999), ARCHIVE[:-100], linked.getvalue())
    for k, content in enumerate(wrong):
        with pytest.raises(data.DataError, match=r"cifar-10-binary\.tar\.gz.*Delete the file"):
            load(cifar10(content), folder(tmp_path, {TAR: content}, str(k)))


# ------------------------------------------------------------------------------------------- places


@pytest.mark.parametrize("made", MADE)
def test_root_then_the_variable_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    source, files = MADE[made].source(), MADE[made].offered
    own = "" if made == "mnist" else f"{source.folder}/"
    good = folder(tmp_path, files, "good")
    kept = folder(tmp_path, {f"{own}{n}": c for n, c in files.items()}, "kept")
    empty = folder(tmp_path, {}, "empty")
    bad = folder(tmp_path, {f"{own}{n}": b"bad" for n in files}, "bad")
    monkeypatch.setenv("AUTOGRAD_CNN_DATA", str(bad))
    check(load(source, good), made)
    with pytest.raises(data.DataError, match="bad"):
        load(source, empty)
    monkeypatch.setenv("AUTOGRAD_CNN_DATA", str(kept))
    check(load(source, None), made)
    monkeypatch.setenv("AUTOGRAD_CNN_DATA", str(empty))
    cache = tmp_path / "cache" / "autograd_cnn"
    cache.mkdir(parents=True)
    good.rename(cache / source.folder)
    check(load(source, None), made)


def test_nothing_found_says_where_it_looked_what_failed_and_what_to_do(tmp_path: Path) -> None:
    some = folder(tmp_path, {NAMES[0]: PLAIN[NAMES[0]], NAMES[1]: PLAIN[NAMES[1]]})
    with pytest.raises(data.DataUnavailable) as caught:
        load(source("http://127.0.0.1:9/"), some)
    text = str(caught.value)
    assert f"{some} (root): {NAMES[2]}, {NAMES[3]} missing" in text
    assert "127.0.0.1:9: " in text
    assert "AUTOGRAD_CNN_DATA" in text
    assert "data.digits()" in text
    assert isinstance(caught.value, OSError)


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    some = folder(tmp_path, {name: BATCHES[name] for name in BATCH_NAMES[1:]})
    message = f"CIFAR-10 is not on this machine(.|\n)*root.: {FIRST} missing(.|\n)*download {TAR}:"
    with pytest.raises(data.DataUnavailable, match=message):
        load(MADE["cifar10"].source("http://127.0.0.1:9/"), some)


def test_a_user_without_a_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(data.DataUnavailable, match="no home folder.*AUTOGRAD_CNN_DATA"):
        load(source(), None)
    check(load(source(), folder(tmp_path, PLAIN)))


@pytest.mark.parametrize("function", [data.mnist, data.fashion_mnist, data.kmnist, data.cifar10])
def test_a_root_that_is_not_a_folder(tmp_path: Path, function: Any) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for root, kind in ((tmp_path / "absent", FileNotFoundError), (file, NotADirectoryError)):
        with pytest.raises(kind, match="root: expected a folder, empty or with .* files"):
            function(root)


PUBLISHED = (MNIST, FASHION_MNIST, KMNIST, CIFAR10)


def test_the_published_sources_are_whole() -> None:
    checksums = [file.checksum for source in PUBLISHED for file in source.forms[0]]
    assert len(set(checksums)) == 13
    assert [len(c) for c in checksums] == [64] * 4 + [32] * 9
    assert all(set(c) <= set("0123456789abcdef") for c in checksums)
    mirrors = [mirror for source in PUBLISHED for mirror in source.mirrors]
    assert all(m.startswith(("https://", "http://")) and m.endswith("/") for m in mirrors)
    assert len({source.folder for source in PUBLISHED}) == len({s.name for s in PUBLISHED}) == 4
    for source in PUBLISHED[:3]:
        shapes = [file.shape for file in source.forms[0]]
        assert shapes == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert [file.shape for file in CIFAR10.forms[1]] == [(10000, 3073)] * 6
    # What mirrors offer is within the limits: 26.4 MB of Fashion-MNIST and 170.1 MB of CIFAR-10.
    assert FASHION_MNIST.forms[0][0].largest_download > 26_421_880
    assert 170_052_171 < CIFAR10.forms[0][0].largest_download < 190_000_000

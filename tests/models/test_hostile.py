"""Files that are made to do harm: each fails with one sentence, runs nothing and takes no memory."""

import io
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_sam.errors import UserError
from napari_sam.models.load import load_model
from napari_sam.models.weights_file import read_weights

KEY = "image_encoder.pos_embed"
MEMORY_LIMIT = 6 * 2**30
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class RunsBySystem(Runs):
    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class RunsByEval(Runs):
    def __reduce__(self):
        return eval, (f"open({str(self.path)!r}, 'w')",)


class RunsBySetstate(Runs):
    def __reduce__(self):
        return Runs, (self.path,), {"path": self.path}, iter([Runs(self.path)]), iter([("a", Runs(self.path))])


@pytest.fixture(autouse=True)
def _memory_is_limited():
    """Whatever reserves a great deal of memory fails, even where the system would lend it."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def refused(path):
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        load_model(path, "cpu")
    assert time.monotonic() - began < 20
    sentence = str(caught.value)
    assert sentence.startswith((str(path), "The weights in"))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def archive(path, pickled, records=(), compression=zipfile.ZIP_STORED, folder="archive/"):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr(f"{folder}data.pkl", pickled)
        for name, content in records:
            file.writestr(f"{folder}{name}", content)
    return path


def state_with(storage_count, shape, strides, offset=0):
    """A pickle of a dict with one tensor, as it may be declared by hand."""

    def integer(value):
        return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)

    def integers(values):
        return b"(" + b"".join(map(integer, values)) + b"t"

    reference = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    reference += integer(storage_count) + b"tQ"
    key = KEY.encode()
    tensor = REBUILD + b"(" + reference + integer(offset) + integers(shape) + integers(strides) + b"\x89}tR"
    return b"\x80\x02}X" + struct.pack("<I", len(key)) + key + tensor + b"s."


@pytest.mark.parametrize("attack", [Runs, RunsBySystem, RunsByEval, RunsBySetstate])
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_nothing_in_a_pickle_is_run(tmp_path, attack, protocol):
    touched = tmp_path / "touched"
    pickled = pickle.dumps({KEY: attack(touched), "other": attack(touched)}, protocol)

    refused(archive(tmp_path / "evil.pth", pickled))
    (tmp_path / "bare.pth").write_bytes(pickled)
    refused(tmp_path / "bare.pth")

    assert not touched.exists()


@pytest.mark.parametrize("new", [True, False], ids=["archive", "before torch 1.6"])
def test_nothing_beside_the_weights_is_run(tmp_path, new):
    touched = tmp_path / "touched"
    path = tmp_path / "evil.pth"
    content = {"model_state": {KEY: torch.ones(1, 2, 2, 3)}, "other": [RunsBySystem(touched), RunsByEval(touched)]}
    torch.save(content, path, _use_new_zipfile_serialization=new)

    refused(path)

    assert not touched.exists()


def test_headers_of_the_old_form_run_nothing(tmp_path):
    touched = tmp_path / "touched"
    for position in range(5):
        parts = [0x1950A86A20F9469CFC6C, 1001, {}, {KEY: 1}, []]
        parts[position] = RunsBySystem(touched)
        path = tmp_path / "evil.pth"
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
        refused(path)
    assert not touched.exists()


def test_programs_for_torchscript_are_not_loaded(tmp_path):
    path = archive(tmp_path / "script.pth", pickle.dumps({}), [("constants.pkl", pickle.dumps(()))])
    assert "TorchScript" in refused(path)


@pytest.mark.parametrize("depth", [1, 3])
def test_archives_in_archives_are_not_unpacked(tmp_path, depth):
    touched = tmp_path / "touched"
    inner = io.BytesIO()
    torch.save({KEY: torch.ones(1, 2, 2, 3), "other": RunsBySystem(touched)}, inner)
    content = inner.getvalue()
    for _ in range(depth):
        outer = tmp_path / "nested.pth"
        archive(outer, content, [("data/0", content), ("nested.pth", content)])
        content = outer.read_bytes()

    refused(outer)

    assert not touched.exists()


def test_a_name_with_what_is_no_escape_is_damage(tmp_path):
    # By chance, what no pickle is may hold it: an archive with its times and checksums did once.
    assert "damaged" in refused(archive(tmp_path / "evil.pth", b"c\\\xc1\nname\n."))


def test_archive_behind_another_file_is_read_as_what_it_is(tmp_path):
    touched = tmp_path / "touched"
    hidden = archive(tmp_path / "hidden.zip", pickle.dumps({KEY: RunsBySystem(touched)})).read_bytes()
    path = tmp_path / "polyglot.pth"
    path.write_bytes(pickle.dumps(RunsByEval(touched)) + hidden)

    refused(path)

    assert not touched.exists()


def test_two_pickles_in_an_archive_are_ambiguous(tmp_path):
    pickled = pickle.dumps({})
    refused(archive(tmp_path / "two.pth", pickled, [("deeper/data.pkl", pickled)]))


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_records_are_refused(tmp_path, compression):
    bomb = bytes(2**26)
    pickled = state_with(2**24, (1, 2**12, 2**12, 1), (1, 2**12, 1, 1))
    path = archive(tmp_path / "bomb.pth", pickled, [("data/0", bomb)], compression)
    assert path.stat().st_size < 2**20

    assert "compressed" in refused(path)


def test_records_that_share_their_bytes_are_refused(tmp_path):
    path = archive(tmp_path / "overlapping.pth", pickle.dumps({}), [("data/0", bytes(10_000))])
    with zipfile.ZipFile(path, "a") as file:
        file.getinfo("archive/data/0").filename = "archive/data/0"
        for number in range(1, 200):
            twin = zipfile.ZipInfo(f"archive/data/{number}")
            first = file.getinfo("archive/data/0")
            for name in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(twin, name, getattr(first, name))
            file.filelist.append(twin)
        file._didModify = True

    assert "larger than the file" in refused(path)


@pytest.mark.parametrize("size", [2**20, 2**40, 2**61])
def test_declared_sizes_are_not_believed(tmp_path, size):
    records = [("data/0", bytes(400))]
    for count, shape, strides in [
        (size, (1, size, 1, 1), (size, 1, 1, 1)),
        (100, (1, size, 1, 1), (size, 1, 1, 1)),
        (100, (1, size, size, 1), (0, 0, 0, 0)),
        (100, (1, 10, 10, 1), (0, size, 1, 1)),
        (size, (1, 10, 10, 1), (1, 10, 1, 1)),
    ]:
        refused(archive(tmp_path / "large.pth", state_with(count, shape, strides), records))
    refused(archive(tmp_path / "large.pth", state_with(100, (1, 10, 10, 1), (1, 10, 1, 1), offset=size), records))


def test_declared_sizes_in_the_old_form_are_not_believed(tmp_path):
    path = tmp_path / "large.pth"
    headers = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
    state = state_with(2**40, (1, 2**40, 1, 1), (1, 1, 1, 1))
    path.write_bytes(headers + state + pickle.dumps(["0"], 2) + struct.pack("<q", 2**40) + bytes(400))
    refused(path)


def test_one_storage_for_many_tensors_is_not_multiplied(tmp_path):
    path = tmp_path / "many.pth"
    one = torch.ones(2**20)
    torch.save({f"image_encoder.{number}": one for number in range(5000)}, path)
    assert path.stat().st_size < 10_000_000

    assert "larger than the file" in refused(path)


def test_repeated_numbers_are_not_multiplied(tmp_path):
    path = tmp_path / "expanded.pth"
    torch.save({KEY: torch.ones(1).expand(2**20, 2**20)}, path)
    assert "larger than what is stored" in refused(path)


PICKLES = {
    "memo with a huge index": b"\x80\x02}r\xff\xff\xff\xff.",
    "declared bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "declared frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.",
    "declared string": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "declared integer": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "integer of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "deep tuples": b"\x80\x02)" + b"\x85" * 1_000_000 + b".",
    "deep tuples as a key": b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s.",
    "doubling tuples as a key": b"\x80\x02})" + b"2\x86" * 1_000 + b"K\x01s.",
    "doubling tuples in an ordered dict": b"ccollections\nOrderedDict\n((l)" + b"2\x86" * 1_000 + b"K\x01\x86atR.",
    "deep lists": b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b".",
    "marks": b"(" * 1_000_000 + b".",
    "registered extension": b"\x80\x02\x82\x01.",
    "buffer from elsewhere": b"\x80\x05\x97.",
    "nothing": b"",
    "only the end": b".",
    "no end": b"\x80\x02}",
    "pops too much": b"\x80\x0200000.",
    "class of an instance": b"(S'a'\nios\nsystem\n.",
    "reference by name": b"P0\n.",
    "storage as a tensor": REBUILD + b"(NK\x00))tR.",
    "tensor without arguments": REBUILD + b")R.",
    "parameter without arguments": b"ctorch._utils\n_rebuild_parameter\n)R.",
}


@pytest.mark.parametrize("pickled", PICKLES.values(), ids=PICKLES)
def test_pickles_that_would_choke_a_reader(tmp_path, pickled):
    refused(archive(tmp_path / "chokes.pth", pickled))


def test_long_pickles_are_refused(tmp_path):
    assert "too much beside" in refused(archive(tmp_path / "long.pth", b"}" * 9_000_000 + b"."))


def test_damage_anywhere_is_found(tmp_path):
    path = tmp_path / "whole.pth"
    torch.save({KEY: torch.ones(1, 2, 2, 3), "model_state": {"a": [1, "b"]}}, path)
    whole = path.read_bytes()
    damaged = tmp_path / "damaged.pth"
    generator = torch.Generator().manual_seed(0)
    for at in torch.randint(0, len(whole), (200,), generator=generator).tolist():
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        refused(damaged)


def test_safetensors_that_declare_too_much(tmp_path):
    for header in (
        b'{"%s":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}' % KEY.encode(),
        b'{"%s":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4]}}' % KEY.encode(),
        b'{"%s":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}' % KEY.encode(),
        b"[" * 100_000,
    ):
        path = tmp_path / "large.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
        refused(path)
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    refused(path)


def test_tensors_of_no_size_make_no_network(tmp_path):
    path = tmp_path / "empty.safetensors"
    empty = torch.ones(0)
    save_file({KEY: empty, "image_encoder.blocks.0.attn.rel_pos_h": empty}, path)
    refused(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no file without an end")
def test_files_without_an_end_are_not_read():
    with pytest.raises(UserError, match="There is no file"):
        read_weights(Path("/dev/zero"))


def test_reading_imports_nothing_that_the_file_names(tmp_path):
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    path = archive(tmp_path / "imports.pth", b"ctrap\nanything\n)R.")
    code = f"from napari_sam.models.load import load_model; load_model({str(path)!r}, 'cpu')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "UserError" in ended.stderr
    assert "imported" not in ended.stderr

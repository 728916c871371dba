"""A file of `torch.save`, read without torch's own reader, which trusts what it reads."""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from napari_sam.models.tensor_pickle import Storage, StoredTensor, read_pickle

MOST_PICKLED = 8 * 2**20
_MAGIC = 0x1950A86A20F9469CFC6C
# The version of the form, and what kind of machine it was written on.
_HEADERS = 2
_COUNT = struct.Struct("<q")
_MOST_READ = 3


class TorchFile:
    """The content of a file of `torch.save`.

    Attributes
    ----------
    content
        What was saved, as `read_pickle` understands it.
    """

    content: object

    def __init__(self, size: int) -> None:
        # A file whose tensors lie in one storage each, as they should, is read once.
        self._budget = _MOST_READ * size
        self._latest: tuple[Storage, Tensor] | None = None

    def read(self, tensor: StoredTensor) -> Tensor:
        """Read a tensor; it lies in memory of its own.

        Raises
        ------
        ValueError
            If the file does not hold it, or has been read several times over.
        """
        tensor.check()
        self._spend(tensor.size)
        return self._flat(tensor.storage).as_strided(tensor.shape, tensor.strides, tensor.offset).clone()

    def _flat(self, storage: Storage) -> Tensor:
        if self._latest is None or self._latest[0] != storage:
            self._spend(storage.size)
            source = self._open(storage)
            flat = torch.empty(storage.count, dtype=storage.dtype)
            memory = flat.view(torch.uint8).numpy().data
            done = 0
            while done < len(memory):
                count = source.readinto(memory[done:])
                if not count:
                    raise ValueError("it ends too early")
                done += count
            self._latest = storage, flat
        return self._latest[1]

    def _spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise ValueError("its tensors claim to be larger than the file")

    def _open(self, storage: Storage) -> BufferedIOBase:
        """Where the bytes of a storage begin; there are as many as it needs."""
        raise NotImplementedError


@contextmanager
def open_torch_file(path: Path) -> Iterator[TorchFile]:
    """Open a file of `torch.save`, of torch 1.6 and later or of before.

    Raises
    ------
    ValueError
        If the file is damaged, of another kind, or holds more than its size allows.
    OSError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    yield _Archive(archive, path.stat().st_size)
            else:
                file.seek(0)
                yield _Sequence(file, path.stat().st_size)
    except (zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise ValueError(str(error)) from error


class _Archive(TorchFile):
    """A zip archive: ``data.pkl``, and a record for every storage."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        super().__init__(size)
        records = archive.infolist()
        # Records that are compressed, or that share their bytes, may be many times larger than the file.
        if any(record.compress_type != zipfile.ZIP_STORED for record in records):
            raise ValueError("its records are compressed, which torch.save never does")
        if sum(record.file_size for record in records) > size:
            raise ValueError("its records claim to be larger than the file")
        pickles = [record for record in records if record.filename.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise ValueError("it holds no data.pkl, or several")
        if pickles[0].file_size > MOST_PICKLED:
            raise ValueError("it holds too much beside the weights")
        self._archive = archive
        self._folder = pickles[0].filename.removesuffix("data.pkl")
        if f"{self._folder}constants.pkl" in archive.namelist():
            raise ValueError("it is a program for TorchScript")
        byteorder = f"{self._folder}byteorder"
        if byteorder in archive.namelist() and archive.read(byteorder) != b"little":
            raise ValueError("its numbers are stored in big-endian order")
        self.content = read_pickle(BytesIO(archive.read(pickles[0])))

    def _open(self, storage: Storage) -> BufferedIOBase:
        try:
            record = self._archive.getinfo(f"{self._folder}data/{storage.key}")
        except KeyError as error:
            raise ValueError("a tensor is missing") from error
        if record.file_size != storage.size:
            raise ValueError("a tensor is of another size than its record")
        return cast(BufferedIOBase, self._archive.open(record))


class _Sequence(TorchFile):
    """Five pickles, then the storages one after another, each with its count in front (torch before 1.6)."""

    def __init__(self, file: BufferedIOBase, size: int) -> None:
        super().__init__(size)
        pickles = BytesIO(file.read(MOST_PICKLED))
        if read_pickle(pickles) != _MAGIC:
            raise ValueError("it is no file of torch.save")
        for _ in range(_HEADERS):
            read_pickle(pickles)
        storages: dict[str, Storage] = {}
        self.content = read_pickle(pickles, storages)
        keys = read_pickle(pickles)
        if not isinstance(keys, list):
            raise ValueError("it holds no list of its tensors")
        self._file = file
        self._places: dict[Storage, int] = {}
        place = pickles.tell()
        for key in keys:
            storage = storages.get(str(key)) if isinstance(key, str) else None
            if storage is None or place + _COUNT.size + storage.size > size:
                raise ValueError("it does not hold the tensors that it claims")
            self._places[storage] = place
            place += _COUNT.size + storage.size

    def _open(self, storage: Storage) -> BufferedIOBase:
        place = self._places.get(storage)
        if place is None:
            raise ValueError("a tensor is missing")
        self._file.seek(place)
        if _COUNT.unpack(self._file.read(_COUNT.size)) != (storage.count,):
            raise ValueError("a tensor is of another size than it claims")
        return self._file

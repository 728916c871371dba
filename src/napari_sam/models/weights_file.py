"""A file of weights -> a state dict, read without ever doing what a pickle says.

`torch.load(weights_only=True)` runs no foreign code either, but refuses the whole file at the first name in it that is
not on its list (a trainer's settings, a numpy number), as fine-tuning leaves them beside the weights; here such a name
stands for nothing, and the tensors are read all the same.
"""

import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from math import prod
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_sam.errors import UserError

# PyTorch works with no more than 64.
_MOST_DIMENSIONS = 64


@dataclass(frozen=True)
class Storage:
    """A row of numbers in a file.

    Parameters
    ----------
    key
        Its name in the file.
    dtype
        Of the numbers.
    count
        How many there are.
    """

    key: str
    dtype: torch.dtype
    count: int

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class StoredTensor:
    """The place of a tensor's numbers in a storage.

    Parameters
    ----------
    storage
        What they lie in.
    offset
        Of the tensor's first number in the storage.
    shape, strides
        Of the tensor, in numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        """The tensor's size in bytes."""
        return prod(self.shape) * self.storage.dtype.itemsize

    def check(self) -> None:
        """Make sure that the tensor lies within its storage.

        Raises
        ------
        ValueError
            If it does not, or repeats what is stored.
        """
        if self.size > self.storage.size:
            raise ValueError("a tensor is larger than what is stored of it")
        last = self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True))
        if self.size and last >= self.storage.count:
            raise ValueError("a tensor reaches beyond what is stored of it")


@dataclass(frozen=True)
class _Name:
    """A class or function that the pickle names; it is never looked up."""

    full: str


class _Unknown:
    """Anything else in a pickle: optimisers, settings, functions; it does nothing."""


_UNKNOWN = _Unknown()
_MARK = object()

_STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"
_ORDERED_DICT = "collections.OrderedDict"

_PLAIN = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "EMPTY_SET": _UNKNOWN,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(pickle: BytesIO, storages: dict[str, Storage] | None = None) -> object:
    """Follow a pickle as far as tensors, their names and the dicts around them go.

    The pickle is only read, instruction by instruction: nothing that it names is imported, and nothing is called.
    Sets and objects of other kinds, which may stand beside the weights, are passed over.

    Parameters
    ----------
    pickle
        Where it begins; afterwards, where it ends.
    storages
        Takes all storages by key, also those of what is passed over.

    Returns
    -------
    A dict by name, a list, a number, a `StoredTensor`, or something without a meaning here.

    Raises
    ------
    ValueError
        If the pickle is damaged.
    """
    try:
        return _Machine({} if storages is None else storages).run(pickle)
    # A deprecation is raised where warnings are errors: `pickletools` reads what is no escape as one.
    except (IndexError, KeyError, TypeError, AttributeError, DeprecationWarning) as error:
        raise ValueError("the pickle is damaged") from error


class _Machine:
    """The pickle's stack and memo."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self._storages = storages
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}
        self._do: dict[str, Callable[[], None]] = {
            "MARK": lambda: self._stack.append(_MARK),
            "POP": self._pop,
            "POP_MARK": lambda: self._discard(self._since_mark()),
            "DUP": lambda: self._stack.append(self._stack[-1]),
            "EMPTY_DICT": lambda: self._stack.append({}),
            "DICT": self._dict,
            "TUPLE": lambda: self._stack.append(tuple(self._since_mark())),
            "EMPTY_LIST": lambda: self._stack.append([]),
            "LIST": lambda: self._stack.append(self._since_mark()),
            "FROZENSET": self._object_since_mark,
            "OBJ": self._object_since_mark,
            "INST": self._object_since_mark,
            "APPEND": lambda: self._extend([self._stack.pop()]),
            "APPENDS": lambda: self._extend(self._since_mark()),
            "BUILD": self._pop,
            "ADDITEMS": lambda: self._discard(self._since_mark()),
            "SETITEM": lambda: self._set(reversed([self._stack.pop(), self._stack.pop()])),
            "SETITEMS": lambda: self._set(iter(self._since_mark())),
            "MEMOIZE": lambda: self._memo.__setitem__(len(self._memo), self._stack[-1]),
            "STACK_GLOBAL": self._global,
            "REDUCE": self._reduce,
            "NEWOBJ": self._reduce,
            "NEWOBJ_EX": self._new_with_names,
            "BINPERSID": self._persistent,
        }

    def run(self, pickle: BytesIO) -> object:
        """Run the pickle and return what it leaves on the stack."""
        argument: Any
        for opcode, argument, _ in pickletools.genops(pickle):
            name = opcode.name
            if name == "STOP":
                return self._stack.pop()
            if name in _PLAIN:
                self._stack.append(argument)
            elif name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name])
            elif name in _TUPLES:
                self._tuple(_TUPLES[name])
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                self._stack.append(self._memo[argument])
            elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                self._memo[argument] = self._stack[-1]
            elif name == "GLOBAL":
                self._stack.append(_Name(argument.replace(" ", ".")))
            elif name in self._do:
                self._do[name]()
            elif name not in ("PROTO", "FRAME"):
                raise ValueError(f"the pickle holds {name}, which no file of weights does")
        raise ValueError("the pickle does not end")

    def _pop(self) -> None:
        self._stack.pop()

    def _since_mark(self) -> list[object]:
        """Take what lies above the last mark off the stack, and the mark."""
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:
            at -= 1
        if at < 0:
            raise IndexError("no mark")
        taken = self._stack[at + 1 :]
        del self._stack[at:]
        return taken

    def _discard(self, _values: list[object]) -> None:
        """Forget values."""

    def _extend(self, values: list[object]) -> None:
        goal = self._stack[-1]
        if isinstance(goal, list):
            goal.extend(values)

    def _object_since_mark(self) -> None:
        self._since_mark()
        self._stack.append(_UNKNOWN)

    def _tuple(self, length: int) -> None:
        taken = tuple(self._stack[-length:])
        if len(taken) < length:
            raise IndexError("too few values")
        del self._stack[-length:]
        self._stack.append(taken)

    def _dict(self) -> None:
        values = self._since_mark()
        self._stack.append({})
        self._set(iter(values))

    def _set(self, values: Iterator[object]) -> None:
        """Put keys and values into the dict on top of the stack; keys that are not names are passed over."""
        goal = self._stack[-1]
        for key, value in zip(values, values, strict=True):
            if isinstance(goal, dict) and isinstance(key, str):
                goal[key] = value

    def _global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(_Name(f"{module}.{name}") if isinstance(module, str) and isinstance(name, str) else _UNKNOWN)

    def _new_with_names(self) -> None:
        del self._stack[-3:]
        self._stack.append(_UNKNOWN)

    def _persistent(self) -> None:
        storage = _storage(self._stack.pop())
        if isinstance(storage, Storage):
            self._storages[storage.key] = storage
        self._stack.append(storage)

    def _reduce(self) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        name = called.full if isinstance(called, _Name) else None
        result: object = _UNKNOWN
        if isinstance(arguments, tuple):
            if name == _TENSOR:
                result = _tensor(*arguments)
            elif name == _PARAMETER:
                result = arguments[0]
            elif name == _ORDERED_DICT:
                result = {}
        self._stack.append(result)


def _storage(reference: object) -> object:
    """Resolve a reference to a storage: ("storage", type, key, device, count)."""
    match reference:
        case ("storage", _Name(full=full), str(key), _, int(count), *_) if full in _STORAGES and count >= 0:
            return Storage(key, _STORAGES[full], count)
    return _UNKNOWN


def _tensor(storage: object, offset: object, shape: object, strides: object, *_ignored: object) -> object:
    """Make a tensor on a storage, which is not checked: most are never read."""
    sizes, steps, first = _naturals(shape), _naturals(strides), _naturals((offset,))
    if not isinstance(storage, Storage) or sizes is None or steps is None or first is None or len(sizes) != len(steps):
        return _UNKNOWN
    return StoredTensor(storage, first[0], sizes, steps)


def _naturals(values: object) -> tuple[int, ...] | None:
    """Return the values if they can be a shape, else None."""
    if not isinstance(values, tuple) or len(values) > _MOST_DIMENSIONS:
        return None
    whole = tuple(value for value in values if isinstance(value, int) and 0 <= value < 2**62)
    return whole if len(whole) == len(values) else None


# Bytes. Chosen, not measured: names and shapes of weights; their numbers are apart.
MOST_PICKLED = 8 * 2**20
_MAGIC = 0x1950A86A20F9469CFC6C
# The version of the form, and what kind of machine it was written on.
_HEADERS = 2
_COUNT = struct.Struct("<q")
# So many times a file's size may be read of it; chosen: whatever asks for more was made to keep a reader busy.
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
        """Open the file where the bytes of a storage begin; there are as many as it needs."""
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


T = TypeVar("T")
PARTS = ("image_encoder.", "prompt_encoder.", "mask_decoder.")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the parameters and buffers of a network.

    Parameters
    ----------
    path
        A ``.safetensors`` file, or what `torch.save` wrote: a state dict, or a dict with one under ``model_state``
        whose names may start with ``sam.`` (as fine-tuning with micro-sam leaves them). No code in the file is run.

    Returns
    -------
    The tensors of the image encoder, prompt encoder and mask decoder by name, on the CPU; floats are float32.

    Raises
    ------
    UserError
        If the file is missing, cannot be read or holds no such tensors.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    try:
        if path.suffix == ".safetensors":
            return _weights(path, load_file(path), Tensor, Tensor.clone)
        with open_torch_file(path) as file:
            return _weights(path, file.content, StoredTensor, file.read)
    except (SafetensorError, KeyError) as error:
        raise UserError(f"{path} cannot be read as safetensors; it may be damaged or of another kind.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UserError:
        raise
    except ValueError as error:
        raise UserError(
            f"{path} cannot be read as a file of weights ({error}); it may be damaged or of another kind."
        ) from error


def _weights(path: Path, stored: object, kind: type[T], read: Callable[[T], Tensor]) -> dict[str, Tensor]:
    """Read the parameters and buffers of the networks out of a file's content.

    Parameters
    ----------
    path
        The file.
    stored
        Its content.
    kind
        Of its tensors.
    read
        Makes a tensor that does not depend on the file, which may be replaced while the network is in use.
    """
    state = stored.get("model_state", stored) if isinstance(stored, Mapping) else None
    if not isinstance(state, Mapping):
        where = " under model_state" if isinstance(stored, Mapping) else ""
        raise UserError(f"{path} holds no weights of a Segment Anything network{where}.")
    weights = {}
    for key, tensor in state.items():
        name = str(key).removeprefix("sam.")
        if isinstance(tensor, kind) and name.startswith(PARTS):
            own = read(tensor)
            weights[name] = own.to(torch.float32) if own.is_floating_point() else own
    if not weights:
        raise UserError(f"{path} holds no weights of a Segment Anything network.")
    return weights

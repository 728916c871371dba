"""What a pickle of `torch.save` says, read without ever doing what it says."""

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Any

import torch

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
    """Where a tensor's numbers lie.

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
    """Whatever else there is: optimisers, settings, functions; it does nothing."""


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
        """What the pickle leaves on the stack."""
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
    """What a reference to a storage means: ("storage", type, key, device, count)."""
    match reference:
        case ("storage", _Name(full=full), str(key), _, int(count), *_) if full in _STORAGES and count >= 0:
            return Storage(key, _STORAGES[full], count)
    return _UNKNOWN


def _tensor(storage: object, offset: object, shape: object, strides: object, *_ignored: object) -> object:
    """A tensor on a storage, which is not checked: most are never read."""
    sizes, steps, first = _naturals(shape), _naturals(strides), _naturals((offset,))
    if not isinstance(storage, Storage) or sizes is None or steps is None or first is None or len(sizes) != len(steps):
        return _UNKNOWN
    return StoredTensor(storage, first[0], sizes, steps)


def _naturals(values: object) -> tuple[int, ...] | None:
    """Values that can be a shape, else None."""
    if not isinstance(values, tuple) or len(values) > _MOST_DIMENSIONS:
        return None
    whole = tuple(value for value in values if isinstance(value, int) and 0 <= value < 2**62)
    return whole if len(whole) == len(values) else None

"""The pickle machine: the opcodes of protocols 0 to 5, interpreted without Python's unpickler.

The opcodes and their arguments are documented in Python's ``pickletools``.
"""

from __future__ import annotations

import codecs
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pickletools import opcodes
from sys import getsizeof
from typing import Any

from ponytaco.io.torchfile.budget import ITEM_BYTES, OBJECT_BYTES, Budget
from ponytaco.io.torchfile.errors import TorchFileError, damaged
from ponytaco.io.torchfile.foreign import ForeignObject
from ponytaco.io.torchfile.names import Names, NumpyType

# The states of random generators have numbers of 16 bytes.
_MOST_INT_BYTES = 128
_MOST_INT_DIGITS = 308


class Machine:
    """A machine for one pickle; one opcode after another changes its stack.

    Args:
        content: bytes that contain the pickle.
        names: the meanings of classes and functions.
        budget: pays for what is built.
        at: where the pickle begins.

    Attributes:
        at: after ``run``, where it ended.
    """

    def __init__(self, content: bytes, names: Names, budget: Budget, at: int = 0) -> None:
        self.at = at
        self._content = content
        self._names = names
        self._budget = budget
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._is_running = True

    def run(self) -> Any:
        """Return the pickle's value.

        Raises:
            TorchFileError: if it is damaged, or spends more than the budget.
            Exception: others, as IndexError, if it is damaged.
        """
        while self._is_running:
            self._budget.spend(OBJECT_BYTES)
            opcode = self._content[self.at]
            self.at += 1
            _HANDLERS[opcode](self)
        if len(self._stack) != 1 or self._marks:
            raise damaged()
        return self._stack[0]

    # Arguments

    def _take(self, n_bytes: int) -> bytes:
        start, self.at = self.at, self.at + n_bytes
        if self.at > len(self._content):
            raise TorchFileError("it claims more than it holds")
        return self._content[start : self.at]

    def _number(self, n_bytes: int, signed: bool = False) -> int:
        return int.from_bytes(self._take(n_bytes), "little", signed=signed)

    def _line(self) -> bytes:
        end = self._content.index(b"\n", self.at)
        line = self._content[self.at : end]
        self.at = end + 1
        return line

    def _integer(self) -> int:
        line = self._line()
        if len(line) > _MOST_INT_DIGITS:
            raise _too_long()
        return int(line.removesuffix(b"L"))

    # The stack

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _build(self, value: Any) -> None:
        self._budget.spend(getsizeof(value))
        self._stack.append(value)

    def _above_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        self._budget.spend(getsizeof(items))
        del self._stack[start:]
        return items

    def _text(self, content: bytes) -> None:
        self._build(content.decode("utf-8", "surrogatepass"))

    def _string(self, content: bytes) -> None:
        # A text of Python 2, which is bytes for both.
        try:
            self._build(content.decode("utf-8"))
        except UnicodeDecodeError:
            self._build(content.decode("latin-1"))

    def _long(self, n_bytes: int) -> None:
        if n_bytes > _MOST_INT_BYTES:
            raise _too_long()
        self._build(self._number(n_bytes, signed=True))

    def _remember(self, place: int) -> None:
        self._budget.spend(ITEM_BYTES)
        self._memo[place] = self._stack[-1]

    def _set_items(self, target: Any, flat: Sequence[Any]) -> None:
        if len(flat) % 2:
            raise damaged()
        if isinstance(target, ForeignObject):
            if target.table is None:
                target.table = {}
                self._budget.spend(OBJECT_BYTES)
            target = target.table
        if not isinstance(target, dict):
            raise damaged()
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            self._budget.key(key)
            target[key] = value

    def _add_items(self, items: Sequence[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, ForeignObject):
            return
        if type(target) is not list:
            raise damaged()
        self._budget.spend(16 * len(items))
        target.extend(items)

    # Opcodes of more than one line

    def _proto(self) -> None:
        if self._number(1) > 5:
            raise TorchFileError("it was written by a newer Python")

    def _stop(self) -> None:
        self._is_running = False

    def _pop(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _flag_or_integer(self) -> None:
        line = self._content[self.at : self.at + 3]
        if line in (b"00\n", b"01\n"):
            self.at += 3
            self._push(line == b"01\n")
        else:
            self._build(self._integer())

    def _quoted_string(self) -> None:
        line = self._line().strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise damaged()
        self._string(codecs.escape_decode(line[1:-1])[0])  # type: ignore[attr-defined, unused-ignore]

    def _tuple(self, length: int) -> None:
        items = self._stack[-length:]
        if len(items) != length:
            raise damaged()
        del self._stack[-length:]
        self._build(tuple(items))

    def _dict(self) -> None:
        table: dict[Any, Any] = {}
        self._set_items(table, self._above_mark())
        self._build(table)

    def _frozenset(self) -> None:
        members = self._above_mark()
        for member in members:
            self._budget.key(member)
        self._build(frozenset(members))

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items(self._stack[-1], [key, value])

    def _set_items_above_mark(self) -> None:
        items = self._above_mark()
        self._set_items(self._stack[-1], items)

    def _add_members(self) -> None:
        items, target = self._above_mark(), self._stack[-1]
        if isinstance(target, ForeignObject):
            return
        if type(target) is not set:
            raise damaged()
        for item in items:
            self._budget.key(item)
            target.add(item)

    def _find(self) -> Any:
        module = self._line().decode()
        return self._names.find(module, self._line().decode())

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise damaged()
        self._push(self._names.find(module, name))

    def _call(self) -> None:
        args = self._stack.pop()
        self._push(self._names.call(self._stack.pop(), args))

    def _call_with_keywords(self) -> None:
        if self._stack.pop() != {}:
            raise damaged()
        self._call()

    def _call_above_mark(self) -> None:
        function, *args = self._above_mark()
        self._push(self._names.call(function, tuple(args)))

    def _set_state(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, ForeignObject):
            target.state = state
        elif isinstance(target, NumpyType):
            if type(state) is not tuple or state[1] not in ("<", "|"):
                raise TorchFileError("it was written on a big-endian machine")
        elif not isinstance(target, OrderedDict):  # a state dict's is the versions of its layers
            raise damaged()


def _too_long() -> TorchFileError:
    return TorchFileError("one of its numbers has hundreds of digits")


_OPCODES: Mapping[str, Callable[[Machine], object]] = {
    "PROTO": Machine._proto,
    "FRAME": lambda m: m._take(8),
    "STOP": Machine._stop,
    "MARK": lambda m: m._marks.append(len(m._stack)),
    "POP": Machine._pop,
    "POP_MARK": lambda m: m._above_mark(),
    "DUP": lambda m: m._push(m._stack[-1]),
    # plain values
    "NONE": lambda m: m._push(None),
    "NEWTRUE": lambda m: m._push(True),
    "NEWFALSE": lambda m: m._push(False),
    "INT": Machine._flag_or_integer,
    "LONG": lambda m: m._build(m._integer()),
    "BININT": lambda m: m._push(m._number(4, signed=True)),
    "BININT1": lambda m: m._push(m._number(1)),
    "BININT2": lambda m: m._push(m._number(2)),
    "LONG1": lambda m: m._long(m._number(1)),
    "LONG4": lambda m: m._long(m._number(4)),
    "FLOAT": lambda m: m._push(float(m._line()[:100])),
    "BINFLOAT": lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
    "STRING": Machine._quoted_string,
    "BINSTRING": lambda m: m._string(m._take(m._number(4))),
    "SHORT_BINSTRING": lambda m: m._string(m._take(m._number(1))),
    "UNICODE": lambda m: m._build(m._line().decode("raw-unicode-escape")),
    "BINUNICODE": lambda m: m._text(m._take(m._number(4))),
    "SHORT_BINUNICODE": lambda m: m._text(m._take(m._number(1))),
    "BINUNICODE8": lambda m: m._text(m._take(m._number(8))),
    "BINBYTES": lambda m: m._build(m._take(m._number(4))),
    "SHORT_BINBYTES": lambda m: m._build(m._take(m._number(1))),
    "BINBYTES8": lambda m: m._build(m._take(m._number(8))),
    "BYTEARRAY8": lambda m: m._build(bytearray(m._take(m._number(8)))),
    # containers
    "EMPTY_LIST": lambda m: m._build([]),
    "EMPTY_TUPLE": lambda m: m._push(()),
    "EMPTY_DICT": lambda m: m._build({}),
    "EMPTY_SET": lambda m: m._build(set()),
    "LIST": lambda m: m._push(m._above_mark()),
    "TUPLE": lambda m: m._build(tuple(m._above_mark())),
    "TUPLE1": lambda m: m._tuple(1),
    "TUPLE2": lambda m: m._tuple(2),
    "TUPLE3": lambda m: m._tuple(3),
    "DICT": Machine._dict,
    "FROZENSET": Machine._frozenset,
    "APPEND": lambda m: m._add_items([m._stack.pop()]),
    "APPENDS": lambda m: m._add_items(m._above_mark()),
    "SETITEM": Machine._set_item,
    "SETITEMS": Machine._set_items_above_mark,
    "ADDITEMS": Machine._add_members,
    # the memo
    "GET": lambda m: m._push(m._memo[m._integer()]),
    "BINGET": lambda m: m._push(m._memo[m._number(1)]),
    "LONG_BINGET": lambda m: m._push(m._memo[m._number(4)]),
    "PUT": lambda m: m._remember(m._integer()),
    "BINPUT": lambda m: m._remember(m._number(1)),
    "LONG_BINPUT": lambda m: m._remember(m._number(4)),
    "MEMOIZE": lambda m: m._remember(len(m._memo)),
    # classes and objects
    "GLOBAL": lambda m: m._push(m._find()),
    "STACK_GLOBAL": Machine._stack_global,
    "REDUCE": Machine._call,
    "NEWOBJ": Machine._call,
    "NEWOBJ_EX": Machine._call_with_keywords,
    "OBJ": Machine._call_above_mark,
    "INST": lambda m: m._push(m._names.call(m._find(), tuple(m._above_mark()))),
    "BUILD": Machine._set_state,
    "BINPERSID": lambda m: m._push(m._names.persistent(m._stack.pop())),
}
_HANDLERS = {
    ord(opcode.code): _OPCODES[opcode.name] for opcode in opcodes if opcode.name in _OPCODES
}

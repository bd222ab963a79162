"""The pickle machine: the opcodes of protocols 0 to 5, interpreted without Python's unpickler.

The opcodes and their arguments are documented in Python's ``pickletools``.
"""

from __future__ import annotations

import codecs
import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
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
    """A machine for one pickle; each opcode is a method named after it.

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
            handle = _HANDLERS[self._content[self.at]]
            self.at += 1
            handle(self)
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

    # Opcodes

    def _op_proto(self) -> None:
        if self._number(1) > 5:
            raise TorchFileError("it was written by a newer Python")

    def _op_frame(self) -> None:
        self._take(8)

    def _op_stop(self) -> None:
        self._is_running = False

    def _op_mark(self) -> None:
        self._marks.append(len(self._stack))

    def _op_pop(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _op_pop_mark(self) -> None:
        self._above_mark()

    def _op_dup(self) -> None:
        self._push(self._stack[-1])

    def _op_none(self) -> None:
        self._push(None)

    def _op_newtrue(self) -> None:
        self._push(True)

    def _op_newfalse(self) -> None:
        self._push(False)

    def _op_int(self) -> None:
        line = self._content[self.at : self.at + 3]
        if line in (b"00\n", b"01\n"):
            self.at += 3
            self._push(line == b"01\n")
        else:
            self._op_long()

    def _op_long(self) -> None:
        self._build(self._integer())

    def _op_binint(self) -> None:
        self._push(self._number(4, signed=True))

    def _op_binint1(self) -> None:
        self._push(self._number(1))

    def _op_binint2(self) -> None:
        self._push(self._number(2))

    def _op_long1(self) -> None:
        self._long(self._number(1))

    def _op_long4(self) -> None:
        self._long(self._number(4))

    def _op_float(self) -> None:
        self._push(float(self._line()[:100]))

    def _op_binfloat(self) -> None:
        self._push(struct.unpack(">d", self._take(8))[0])

    def _op_string(self) -> None:
        line = self._line().strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise damaged()
        self._string(codecs.escape_decode(line[1:-1])[0])  # type: ignore[attr-defined, unused-ignore]

    def _op_binstring(self) -> None:
        self._string(self._take(self._number(4)))

    def _op_short_binstring(self) -> None:
        self._string(self._take(self._number(1)))

    def _op_unicode(self) -> None:
        self._build(self._line().decode("raw-unicode-escape"))

    def _op_binunicode(self) -> None:
        self._text(self._take(self._number(4)))

    def _op_short_binunicode(self) -> None:
        self._text(self._take(self._number(1)))

    def _op_binunicode8(self) -> None:
        self._text(self._take(self._number(8)))

    def _op_binbytes(self) -> None:
        self._build(self._take(self._number(4)))

    def _op_short_binbytes(self) -> None:
        self._build(self._take(self._number(1)))

    def _op_binbytes8(self) -> None:
        self._build(self._take(self._number(8)))

    def _op_bytearray8(self) -> None:
        self._build(bytearray(self._take(self._number(8))))

    def _op_empty_list(self) -> None:
        self._build([])

    def _op_empty_tuple(self) -> None:
        self._push(())

    def _op_empty_dict(self) -> None:
        self._build({})

    def _op_empty_set(self) -> None:
        self._build(set())

    def _op_list(self) -> None:
        self._push(self._above_mark())

    def _op_tuple(self) -> None:
        self._build(tuple(self._above_mark()))

    def _op_tuple1(self) -> None:
        self._build((self._stack.pop(),))

    def _op_tuple2(self) -> None:
        second = self._stack.pop()
        self._build((self._stack.pop(), second))

    def _op_tuple3(self) -> None:
        third, second = self._stack.pop(), self._stack.pop()
        self._build((self._stack.pop(), second, third))

    def _op_dict(self) -> None:
        table: dict[Any, Any] = {}
        self._set_items(table, self._above_mark())
        self._build(table)

    def _op_frozenset(self) -> None:
        members = self._above_mark()
        for member in members:
            self._budget.key(member)
        self._build(frozenset(members))

    def _op_append(self) -> None:
        self._add_items([self._stack.pop()])

    def _op_appends(self) -> None:
        self._add_items(self._above_mark())

    def _op_setitem(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items(self._stack[-1], [key, value])

    def _op_setitems(self) -> None:
        items = self._above_mark()
        self._set_items(self._stack[-1], items)

    def _op_additems(self) -> None:
        items, target = self._above_mark(), self._stack[-1]
        if isinstance(target, ForeignObject):
            return
        if type(target) is not set:
            raise damaged()
        for item in items:
            self._budget.key(item)
            target.add(item)

    def _op_get(self) -> None:
        self._push(self._memo[self._integer()])

    def _op_binget(self) -> None:
        self._push(self._memo[self._number(1)])

    def _op_long_binget(self) -> None:
        self._push(self._memo[self._number(4)])

    def _op_put(self) -> None:
        self._remember(self._integer())

    def _op_binput(self) -> None:
        self._remember(self._number(1))

    def _op_long_binput(self) -> None:
        self._remember(self._number(4))

    def _op_memoize(self) -> None:
        self._remember(len(self._memo))

    def _op_global(self) -> None:
        module = self._line().decode()
        self._push(self._names.find(module, self._line().decode()))

    def _op_stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise damaged()
        self._push(self._names.find(module, name))

    def _op_reduce(self) -> None:
        args = self._stack.pop()
        self._push(self._names.call(self._stack.pop(), args))

    def _op_newobj(self) -> None:
        self._op_reduce()

    def _op_newobj_ex(self) -> None:
        if self._stack.pop() != {}:
            raise damaged()
        self._op_reduce()

    def _op_obj(self) -> None:
        function, *args = self._above_mark()
        self._push(self._names.call(function, tuple(args)))

    def _op_inst(self) -> None:
        module = self._line().decode()
        function = self._names.find(module, self._line().decode())
        self._push(self._names.call(function, tuple(self._above_mark())))

    def _op_build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, ForeignObject):
            target.state = state
        elif isinstance(target, NumpyType):
            if type(state) is not tuple or state[1] not in ("<", "|"):
                raise TorchFileError("it was written on a big-endian machine")
        elif not isinstance(target, OrderedDict):  # a state dict's is the versions of its layers
            raise damaged()

    def _op_binpersid(self) -> None:
        self._push(self._names.persistent(self._stack.pop()))

    def _op_unknown(self) -> None:
        raise damaged()


def _too_long() -> TorchFileError:
    return TorchFileError("one of its numbers has hundreds of digits")


def _handlers() -> list[Callable[[Machine], None]]:
    unknown = Machine._op_unknown
    handlers: list[Callable[[Machine], None]] = [unknown] * 256
    for opcode in opcodes:
        handlers[ord(opcode.code)] = getattr(Machine, f"_op_{opcode.name.lower()}", unknown)
    return handlers


_HANDLERS = _handlers()

"""An assembler of WebAssembly, for as much of it as the engine needs: functions of whole numbers over one memory, with SIMD.

https://webassembly.github.io/spec/core/binary
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

CODES = {
    **{"block": 0x02, "loop": 0x03, "if": 0x04, "else": 0x05, "end": 0x0B, "br_if": 0x0D},
    **{"local.get": 0x20, "local.set": 0x21, "local.tee": 0x22, "i32.const": 0x41, "f32.const": 0x43},
    **{"i32.add": 0x6A, "i32.sub": 0x6B, "i32.mul": 0x6C, "i32.shl": 0x74},
    **{"f32.add": 0x92, "f32.div": 0x95, "f32.max": 0x97},
}
SIMD = {
    **{"v128.load": 0x00, "v128.load32_splat": 0x09, "v128.store": 0x0B, "f32x4.splat": 0x13, "f32x4.extract_lane": 0x1F},
    **{"f32x4.nearest": 0x6A, "i32x4.shl": 0xAB, "i32x4.add": 0xAE, "i32x4.splat": 0x11, "i32x4.trunc_sat_f32x4_s": 0xF8},
    **{"f32x4.add": 0xE4, "f32x4.sub": 0xE5, "f32x4.mul": 0xE6, "f32x4.div": 0xE7, "f32x4.min": 0xE8, "f32x4.max": 0xE9},
    "f32x4.relaxed_madd": 0x105,
}
I32, V128, EMPTY = 0x7F, 0x7B, 0x40


def leb(n: int, signed: bool = False) -> bytes:
    """A whole number in WebAssembly's variable length (LEB128)."""
    out = b""
    while True:
        byte, n = n & 0x7F, n >> 7
        done = n == (-(byte >> 6) if signed else 0)
        out += bytes([byte if done else byte | 0x80])
        if done:
            return out


def vector(items: Sequence[bytes]) -> bytes:
    """Items, after their number."""
    return leb(len(items)) + b"".join(items)


def assembled(parameters: Sequence[str], source: str) -> bytes:
    """The body of a function of i32 `parameters` that returns nothing, from words such as `local.get a` or `v128.load 16`.
    A name that is set and is no parameter is a local number: v128 if it begins with "v", else i32."""
    words = source.split()
    given = [name for word, name in pairwise(words) if word in ("local.set", "local.tee")]
    local = [name for name in dict.fromkeys(given) if name not in parameters]
    place = {name: leb(i) for i, name in enumerate([*parameters, *local])}
    code, rest = b"", iter(words)
    for word in rest:
        code += bytes([CODES[word]]) if word in CODES else b"\xfd" + leb(SIMD[word])
        if word.startswith("local."):
            code += place[next(rest)]
        elif word == "i32.const":
            code += leb(int(next(rest)), signed=True)
        elif word == "f32.const":
            code += struct.pack("<f", float(next(rest)))
        elif word in ("block", "loop", "if"):
            code += bytes([EMPTY])
        elif word in ("br_if", "f32x4.extract_lane"):
            code += leb(int(next(rest)))
        elif word.startswith("v128."):
            code += leb(2) + leb(int(next(rest)))  # aligned to 4 bytes, at this offset
    kinds = [leb(1) + bytes([V128 if name.startswith("v") else I32]) for name in local]
    body = vector(kinds) + code + bytes([CODES["end"]])
    return leb(len(body)) + body


def module(functions: Mapping[str, tuple[Sequence[str], str]]) -> bytes:
    """A module that exports these functions (parameters, source) over a memory that it is given as `engine.memory`."""

    def text(name: str) -> bytes:
        return vector([bytes([letter]) for letter in name.encode()])

    def section(number: int, items: Iterable[bytes]) -> bytes:
        content = vector(list(items))
        return bytes([number]) + leb(len(content)) + content

    types = [b"\x60" + vector([bytes([I32])] * len(parameters)) + vector([]) for parameters, _ in functions.values()]
    return b"".join(
        [
            b"\0asm" + struct.pack("<I", 1),
            section(1, types),
            section(2, [text("engine") + text("memory") + b"\x02\x00" + leb(1)]),
            section(3, map(leb, range(len(functions)))),
            section(7, [text(name) + b"\x00" + leb(i) for i, name in enumerate(functions)]),
            section(10, [assembled(*function) for function in functions.values()]),
        ]
    )

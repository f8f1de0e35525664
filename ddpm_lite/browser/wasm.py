"""The engine's inner loops as a WebAssembly module: three functions, written out by Python and assembled by `assembler`.

A browser on a plain CPU draws with these: the matrix product, to which convolutions, linear layers and attention come down, and
what is done to each number on its own. Everything is float32, four numbers at a time (SIMD); addresses and steps are bytes.
"""

import base64
from functools import cache

from .assembler import module

ROWS, COLUMNS = 4, 8  # of a tile of the product, which stays in registers: 8 sums of 4 numbers, of 16 registers
UNROLLED = 4  # numbers of a row that one turn of the innermost loop takes


def repeated(times: str, body: str, count: str) -> str:
    """The body, `times` times; there is at least one. `count` is the local that counts."""
    return f"""
    local.get {times} local.set {count}
    loop {body} local.get {count} i32.const 1 i32.sub local.tee {count} br_if 0 end
    """


def moved(name: str, by: str) -> str:
    """name += by."""
    return f"local.get {name} {by} i32.add local.set {name}\n"


PRODUCT = (
    *("a", "b", "c", "bias", "panels", "images", "groups", "tiles", "segments", "quads"),
    *("row", "group", "image", "skip", "c_row", "bias_image", "onto"),
)


def product(fused: bool) -> str:
    """c = a b + bias, or c += a b + bias with `onto`, by tiles of 4 rows and 8 columns.

    b stands in panels of 8 columns, each row by row. A row of a is `segments` runs of 4 `quads` numbers, with `skip` between
    the end of one and the start of the next. So a convolution of 3 x 3 reads its rows in a padded picture, 3 runs of 3 pixels
    each, and nothing is copied for it. The rows of a come in images, groups (rows of pixels) and tiles; those of c follow one
    another.
    """
    multiply_add = "f32x4.relaxed_madd" if fused else "f32x4.mul f32x4.add"
    rows, halves = range(ROWS), range(COLUMNS // 4)

    def one(k: int) -> str:
        code = "".join(f"local.get bp v128.load {4 * COLUMNS * k + 16 * j} local.set vb{j}\n" for j in halves)
        for i in rows:
            code += f"local.get a{i} v128.load32_splat {4 * k} local.set va\n"
            for j in halves:
                factors = f"local.get va local.get vb{j}"
                sums = f"{factors} local.get v{i}{j}" if fused else f"local.get v{i}{j} {factors}"
                code += f"{sums} {multiply_add} local.set v{i}{j}\n"
        return code

    quad = "".join(map(one, range(UNROLLED))) + moved("bp", f"i32.const {4 * COLUMNS * UNROLLED}")
    quad += "".join(moved(f"a{i}", f"i32.const {4 * UNROLLED}") for i in rows)
    segment = repeated("quads", quad, "q") + "".join(moved(f"a{i}", "local.get skip") for i in rows)
    places = "local.get cp local.set c0\n" + "".join(
        f"local.get c{i - 1} local.get c_row i32.add local.set c{i}\n" for i in rows[1:]
    )
    cells = [(i, j) for i in rows for j in halves]
    added = "".join(f"local.get c{i} v128.load {16 * j} local.get v{i}{j} f32x4.add local.set v{i}{j}\n" for i, j in cells)
    tile = (
        places
        + "".join(f"local.get vbias{j} local.set v{i}{j}\n" for i, j in cells)
        + f"local.get onto if {added} end\n"
        + "local.get at local.set a0\n"
        + "".join(f"local.get a{i - 1} local.get row i32.add local.set a{i}\n" for i in rows[1:])
        + "local.get b local.set bp\n"
        + repeated("segments", segment, "s")
        + "".join(f"local.get c{i} local.get v{i}{j} v128.store {16 * j}\n" for i, j in cells)
        + f"local.get c{ROWS - 1} local.get c_row i32.add local.set cp\n"
        + moved("at", f"local.get row i32.const {ROWS} i32.mul")
    )
    line = "local.get ag local.set at\n" + repeated("tiles", tile, "t") + moved("ag", "local.get group")
    image = (
        "".join(f"local.get bi v128.load {16 * j} local.set vbias{j}\n" for j in halves)
        + "local.get ai local.set ag\n"
        + repeated("groups", line, "g")
        + moved("ai", "local.get image")
        + moved("bi", "local.get bias_image")
    )
    panel = (
        "local.get c local.set cp local.get bias local.set bi local.get a local.set ai\n"
        + repeated("images", image, "i")
        + "local.get bp local.set b\n"  # where the next panel begins
        + "".join(moved(name, f"i32.const {4 * COLUMNS}") for name in ("c", "bias"))
    )
    return repeated("panels", panel, "p")


def const(value: float) -> str:
    """Four times the same number."""
    return f"f32.const {value!r} f32x4.splat "


def exponential(x: str) -> str:
    """exp of the vector in the local x, within 2e-7 of it: x = n ln 2 + r, 2^n as the exponent's bits, a polynomial in r."""
    poly = const(1 / 720)
    for factor in (1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        poly += f"local.get vr f32x4.mul {const(factor)} f32x4.add\n"
    return f"""
    local.get {x} {const(-87.0)} f32x4.max {const(88.0)} f32x4.min local.tee vr
    {const(1.4426950408889634)} f32x4.mul f32x4.nearest local.set vn
    local.get vr local.get vn {const(0.693359375)} f32x4.mul f32x4.sub
    local.get vn {const(-2.12194440e-4)} f32x4.mul f32x4.sub local.set vr
    {poly}
    local.get vn i32x4.trunc_sat_f32x4_s i32.const 127 i32x4.splat i32x4.add i32.const 23 i32x4.shl f32x4.mul
    """


NORMALISE = ("x", "out", "scale", "shift", "quads", "pixels", "lines", "skip", "image", "out_image", "change", "images", "silu")


def normalise() -> str:
    """out = scale x + shift for each channel of each image, then x sigmoid(x) with `silu`; after each line of pixels, out has
    `skip` bytes that stay as they are. From image to image the scales and shifts lie `change` bytes apart."""
    quad = f"""
    local.get x v128.load 0 local.get sc v128.load 0 f32x4.mul local.get sh v128.load 0 f32x4.add local.set vx
    local.get silu if
      {const(0.0)} local.get vx f32x4.sub local.set vy
      local.get vx {exponential("vy")} {const(1.0)} f32x4.add f32x4.div local.set vx
    end
    local.get out local.get vx v128.store 0
    """ + "".join(moved(name, "i32.const 16") for name in ("x", "out", "sc", "sh"))
    pixel = "local.get scale local.set sc local.get shift local.set sh\n" + repeated("quads", quad, "q")
    line = repeated("pixels", pixel, "p") + moved("out", "local.get skip")
    return repeated(
        "images",
        "local.get x local.set x0 local.get out local.set o0\n"
        + repeated("lines", line, "l")
        + "local.get x0 local.get image i32.add local.set x local.get o0 local.get out_image i32.add local.set out\n"
        + moved("scale", "local.get change")
        + moved("shift", "local.get change"),
        "i",
    )


SOFTMAX = ("x", "quads", "rows")


def softmax() -> str:
    """Each row becomes exp(x - its largest), divided by their sum."""

    def across(name: str, operation: str) -> str:
        lanes = [f"local.get {name} f32x4.extract_lane {i} " for i in range(4)]
        return lanes[0] + "".join(f"{lane} {operation} " for lane in lanes[1:])

    def each(body: str) -> str:
        return "local.get x local.set at\n" + repeated("quads", body + moved("at", "i32.const 16"), "q")

    row = (
        f"local.get x v128.load 0 local.set vm {const(0.0)} local.set vs\n"
        + each("local.get vm local.get at v128.load 0 f32x4.max local.set vm\n")
        + across("vm", "f32.max")
        + "f32x4.splat local.set vm\n"
        + each(
            "local.get at v128.load 0 local.get vm f32x4.sub local.set vx\n"
            + exponential("vx")
            + "local.set vx local.get at local.get vx v128.store 0 local.get vs local.get vx f32x4.add local.set vs\n"
        )
        + across("vs", "f32.add")
        + "f32x4.splat local.set vs\n"
        + each("local.get at local.get at v128.load 0 local.get vs f32x4.div v128.store 0\n")
        + "local.get at local.set x\n"
    )
    return repeated("rows", row, "r")


@cache
def engine(fused: bool) -> bytes:
    """The module: with fused multiply-add (relaxed SIMD), which rounds once where the plain one rounds twice, or without."""
    functions = {"product": (PRODUCT, product(fused)), "normalise": (NORMALISE, normalise()), "softmax": (SOFTMAX, softmax())}
    return module(functions)


def script() -> str:
    """Both modules in base64, as the JavaScript constant MODULES: the faster first."""
    return f"const MODULES = {[base64.b64encode(engine(fused)).decode() for fused in (True, False)]};\n"

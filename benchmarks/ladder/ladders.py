"""What each ladder computes: its inputs, the answer in NumPy's float64, and the shipped kernel."""

from __future__ import annotations

import pathlib
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import weft
from weft import _C, ops

FOLDER = pathlib.Path(__file__).parent
Array = np.ndarray[Any, Any]
Sizes = tuple[int, ...]

# Errors relative to the largest result, by what factors are rounded to: float32 keeps 23 bits of
# them, tf32 10, bfloat16 7, and shipped kernels round its results, too.
TOLERANCES = {"float32": 1e-5, "tf32": 2e-3, "bfloat16": 1.6e-2}


@dataclass(frozen=True)
class Rung:
    """One kernel. `launch` computes on tensors of a GPU; `idea` is the file's first comment."""

    number: int
    title: str
    idea: str
    launch: Callable[..., weft.Tensor]
    arithmetic: str = "float32"  # what it rounds factors to
    file: pathlib.Path | None = None

    @property
    def tolerance(self) -> float:
        """Of the result, relative to the largest."""
        return TOLERANCES[self.arithmetic]

    def inputs(self, arrays: Sequence[Array], device: str) -> list[weft.Tensor]:
        """The arrays as the rung takes them: halves, if it multiplies halves."""
        dtype = weft.bfloat16 if self.arithmetic == "bfloat16" else weft.float32
        return [weft.tensor(a, device=device).astype(dtype) for a in arrays]


@dataclass(frozen=True)
class Ladder:
    """One problem and its kernels.

    Attributes:
        sizes: What the letters of `--size` mean.
        small: Sizes for the simulated device.
        large: Sizes for a GPU.
        shapes: Of the inputs, and last of the result, for given sizes.
        reference: The result from float64 inputs.
        shipped: Title, call and arithmetic of weft's own ways to do it, and the name of the kernel
            where it is not the one that weft would choose.
        flops: Arithmetic for given sizes.
        arithmetic: Of the rungs, by number, that round factors.
        hopper: Numbers of the rungs that need a GPU of compute capability 9.0.
    """

    name: str
    computes: str
    sizes: str
    small: Sizes
    large: Sizes
    shapes: Callable[[Sizes], list[Sizes]]
    reference: Callable[..., Array]
    shipped: Sequence[tuple[str, Callable[..., weft.Tensor], str, str]]
    flops: Callable[[Sizes], float]
    arithmetic: Mapping[int, str] = field(default_factory=dict)
    hopper: Sequence[int] = ()

    def inputs(self, sizes: Sizes) -> list[Array]:
        """Random inputs, the same for every rung."""
        rng = np.random.default_rng(0)
        return [rng.normal(size=shape).astype("float32") for shape in self.shapes(sizes)[:-1]]

    def moved(self, sizes: Sizes) -> float:
        """Bytes that must be read and written at least."""
        return 4.0 * sum(int(np.prod(shape)) for shape in self.shapes(sizes))

    def rungs(self, device: str = "sim") -> list[Rung]:
        """The files of the ladder in order, and then what weft ships, as far as the device can."""
        files = (FOLDER / self.name).glob("[0-9]*.cu")
        found = sorted((self._rung(file) for file in files), key=lambda rung: rung.number)
        shipped = list(enumerate(self.shipped, len(found) + 1))
        if self.hopper and not self._is_available("wgmma_128x128", device):
            found = [rung for rung in found if rung.number not in self.hopper]
        for number, (title, call, arithmetic, variant) in shipped:
            if not variant or self._is_available(variant, device):
                launch = self._with_variant(call, variant) if variant else call
                found.append(Rung(number, f"shipped: {title}", "", launch, arithmetic))
        return found

    def _is_available(self, variant: str, device: str) -> bool:
        known = getattr(weft.kernels, self.name).variants(device)
        return any(v.name == variant and not v.unavailable for v in known)

    def _with_variant(
        self, call: Callable[..., weft.Tensor], variant: str
    ) -> Callable[..., weft.Tensor]:
        def chosen(*inputs: weft.Tensor) -> weft.Tensor:
            with getattr(weft.kernels, self.name).use(variant):
                return call(*inputs)

        return chosen

    def _rung(self, file: pathlib.Path) -> Rung:
        number, words = file.stem.split("_", 1)
        comment = re.match(r"(?://.*\n)+", file.read_text())
        assert comment is not None, f"{file} should begin with the idea of the rung"
        idea = " ".join(line.removeprefix("//").strip() for line in comment[0].splitlines())
        shapes, index = self.shapes, int(number)

        def launch(*inputs: weft.Tensor) -> weft.Tensor:
            sizes = self.sizes_of([x.shape for x in inputs])
            result = ops.empty(shapes(sizes)[-1], device=inputs[0].device)
            _C.ladder_run(self.name, index, [x._data for x in inputs], result._data)
            return result

        arithmetic = self.arithmetic.get(index, "float32")
        return Rung(index, words.replace("_", " "), idea, launch, arithmetic, file)

    def sizes_of(self, shapes: Sequence[Sizes]) -> Sizes:
        """The sizes that inputs of these shapes have."""
        if self.name == "matmul":
            return shapes[0][0], shapes[1][1], shapes[0][1]
        if self.name == "conv2d":
            return (*shapes[0], shapes[1][3])
        return tuple(shapes[0])


def _tf32(call: Callable[..., weft.Tensor]) -> Callable[..., weft.Tensor]:
    def rounded(*inputs: weft.Tensor) -> weft.Tensor:
        before = weft.matmul_precision()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a process without cuda, which sim is no less
            weft.set_matmul_precision("tf32")
        try:
            return call(*inputs)
        finally:
            weft.set_matmul_precision(before)

    return rounded


def _same(x: weft.Tensor, w: weft.Tensor) -> weft.Tensor:
    return ops.conv2d(x, w, padding="same")


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _conv2d(x: Array, w: Array) -> Array:
    around = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
    return np.einsum("nhwcrs,rsck->nhwk", windows, w, optimize=True)


LADDERS = {
    ladder.name: ladder
    for ladder in (
        Ladder(
            name="matmul",
            computes="c (m, n) = a (m, k) @ b (k, n), float32, rows contiguous",
            sizes="m n k",
            small=(128, 256, 128),
            large=(4096, 4096, 4096),
            shapes=lambda s: [(s[0], s[2]), (s[2], s[1]), (s[0], s[1])],
            reference=np.matmul,
            shipped=[
                ("float32 on the ordinary units", ops.matmul, "float32", ""),
                ("tf32 on the tensor cores", _tf32(ops.matmul), "tf32", "mma_128x128"),
                ("tf32 by warpgroups", _tf32(ops.matmul), "tf32", "wgmma_128x128"),
                ("bfloat16 by warpgroups", ops.matmul, "bfloat16", "wgmma_128x256"),
            ],
            flops=lambda s: 2.0 * s[0] * s[1] * s[2],
            arithmetic={7: "tf32", 8: "tf32"} | dict.fromkeys((9, 10, 11, 12), "bfloat16"),
            hopper=(10, 11, 12),
        ),
        Ladder(
            name="softmax",
            computes="y = exp(x - max) / sum of every row of x (rows, columns), float32",
            sizes="rows columns",
            small=(32, 1024),
            large=(65536, 1024),
            shapes=lambda s: [s, s],
            reference=_softmax,
            shipped=[("the row in registers", ops.softmax, "float32", "")],
            flops=lambda s: 20.0 * s[0] * s[1],
        ),
        Ladder(
            name="reduce",
            computes="the sum of n float32 values",
            sizes="n",
            small=(65536,),
            large=(1 << 28,),
            shapes=lambda s: [s, (1,)],
            reference=lambda x: x.sum(keepdims=True),
            shipped=[("sums in float64", lambda x: ops.sum(x, keepdims=True), "float32", "")],
            flops=lambda s: float(s[0]),
        ),
        Ladder(
            name="conv2d",
            computes="y (N, H, W, K) = 3 x 3 windows of x (N, H, W, C) with w (3, 3, C, K), "
            "zeros around, float32",
            sizes="N H W C K",
            small=(1, 16, 16, 16, 64),
            large=(128, 28, 28, 128, 128),
            shapes=lambda s: [s[:4], (3, 3, s[3], s[4]), (*s[:3], s[4])],
            reference=_conv2d,
            shipped=[
                ("an implicit product", _same, "float32", ""),
                ("tf32 on the tensor cores", _tf32(_same), "tf32", "mma_64x64"),
            ],
            flops=lambda s: 18.0 * float(np.prod(s)),
            arithmetic={6: "tf32"},
        ),
    )
}

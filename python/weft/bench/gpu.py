"""``python -m weft.bench.gpu``: the kernels on a GPU against PyTorch (cuBLAS, cuDNN) there.

Agreement first. Then both are timed in turns with device events, over inputs that rotate through
more memory than the caches hold, with random data; the median of many counts. Beside each ratio
stands the share of what the device was measured to do: bytes a second of a copy, and FLOP/s of the
largest matrix product.

On ``sim`` the same code runs on small sizes without a peer, which is how it is tested: its times
are those of the simulation and say nothing about a GPU.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import itertools
import json
import pathlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import weft
from weft import ops

CACHE_BYTES = 256 << 20  # rotating inputs hold more than any L2 of today, several times over
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Work:
    """One comparison: the same function of the same inputs in both libraries.

    Attributes:
        name: Operation and sizes.
        inputs: Shapes of the random inputs.
        own: The call in weft.
        peer: The call in PyTorch; gets the module and its tensors.
        flops: Arithmetic of one call.
        moved: Bytes that must be read and written at least.
        dtype: Of the inputs.
        tolerance: Allowed difference relative to the largest result.
    """

    name: str
    inputs: Sequence[tuple[int, ...]]
    own: Callable[..., Any]
    peer: Callable[..., Any]
    flops: float
    moved: float
    dtype: str = "float32"
    tolerance: float = 1e-4


@dataclass
class Row:
    """One measurement; times are medians, in seconds."""

    name: str
    weft: float
    torch: float | None
    tflops: float
    gbytes: float
    share: float  # of the measured copy or matrix product, whichever is nearer

    @property
    def ratio(self) -> float | None:
        """How many times faster weft is."""
        return None if self.torch is None else self.torch / self.weft


def works(scale: float = 1.0) -> Iterator[Work]:
    """The comparisons; `scale` shrinks the first axis of every input."""

    def n(size: int) -> int:
        return max(8, int(size * scale))

    big, rows = n(64 << 20), n(8192)
    yield Work("copy 64M", [(big,)], ops.copy, lambda torch, x: x.clone(), 0, 8.0 * big)
    yield Work("add 64M", [(big,)] * 2, ops.add, lambda torch, a, b: a + b, big, 12.0 * big)
    yield Work(
        "gelu 64M", [(big,)], ops.gelu,
        lambda torch, x: torch.nn.functional.gelu(x), 20.0 * big, 8.0 * big,
    )  # fmt: skip
    for columns in (1024, 4096, 16384):
        size = float(rows * columns)
        yield Work(
            f"softmax {rows}x{columns}", [(rows, columns)], ops.softmax,
            lambda torch, x: torch.softmax(x, -1), 20 * size, 8 * size,
        )  # fmt: skip
        yield Work(
            f"layer_norm {rows}x{columns}", [(rows, columns), (columns,), (columns,)],
            ops.layer_norm,
            lambda torch, x, g, b: torch.nn.functional.layer_norm(x, x.shape[-1:], g, b),
            8 * size, 8 * size, tolerance=1e-3,
        )  # fmt: skip
        yield Work(
            f"sum {rows}x{columns} axis 1", [(rows, columns)], lambda x: ops.sum(x, 1),
            lambda torch, x: x.sum(1), size, 4 * size,
        )  # fmt: skip
        yield Work(
            f"sum {rows}x{columns} axis 0", [(rows, columns)], lambda x: ops.sum(x, 0),
            lambda torch, x: x.sum(0), size, 4 * size,
        )  # fmt: skip
        yield Work(
            f"transpose {rows}x{columns}", [(rows, columns)],
            lambda x: ops.copy(ops.transpose(x)),
            lambda torch, x: x.t().contiguous(), 0, 8 * size,
        )  # fmt: skip
    for size in (1024, 4096, 8192):
        m = n(size)
        for dtype, tolerance in (("float32", 1e-4), ("float16", 1e-2), ("bfloat16", 5e-2)):
            bytes_each = 4.0 if dtype == "float32" else 2.0
            yield Work(
                f"matmul {m}x{size}x{size} {dtype}", [(m, size), (size, size)], ops.matmul,
                lambda torch, a, b: a @ b, 2.0 * m * size * size,
                bytes_each * (2 * m * size + size * size), dtype, tolerance,
            )  # fmt: skip
    batch = n(128)
    for side, c, k in ((56, 64, 64), (28, 128, 128), (14, 256, 256)):
        outputs = float(batch * side * side * k)
        yield Work(
            f"conv2d 3x3 {batch}x{side}x{side}x{c} -> {k}",
            [(batch, side, side, c), (3, 3, c, k)],
            lambda x, w: ops.conv2d(x, w, padding="same"),
            _torch_conv2d, 18.0 * c * outputs, 4.0 * (batch * side * side * c + outputs),
            tolerance=1e-3,
        )  # fmt: skip


def _torch_conv2d(torch: Any, x: Any, w: Any) -> Any:
    y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), padding=1)
    return y.permute(0, 2, 3, 1)


def _runtime(device: str) -> Any:
    return weft.sim if device == "sim" else weft.cuda


class _Clock:
    """Seconds of work between two points of a queue, by the device's own events."""

    def __init__(self, device: str) -> None:
        events = _runtime(device).Event
        self.begin, self.end = events(device), events(device)

    def time(self, call: Callable[[], Any]) -> float:
        self.begin.record()
        call()
        self.end.record()
        self.end.synchronize()
        return float(self.begin.elapsed(self.end)) / 1e3


class _TorchClock:
    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.begin = torch.cuda.Event(enable_timing=True)
        self.end = torch.cuda.Event(enable_timing=True)

    def time(self, call: Callable[[], Any]) -> float:
        self.begin.record()
        call()
        self.end.record()
        self.end.synchronize()
        return float(self.begin.elapsed_time(self.end)) / 1e3


def measure(work: Work, device: str, torch: Any, rounds: int) -> tuple[float, float | None]:
    """Median seconds of weft and of PyTorch (None without it), taken in turns.

    Raises:
        AssertionError: If the results differ by more than the work's tolerance.
    """
    bytes_each = sum(4 * int(np.prod(shape)) for shape in work.inputs)
    copies = max(1, min(8, CACHE_BYTES // max(bytes_each, 1))) if torch is not None else 1
    rng = np.random.default_rng(0)
    arrays = [
        [rng.normal(size=shape).astype("float32") for shape in work.inputs] for _ in range(copies)
    ]
    own = [[weft.tensor(a, dtype=work.dtype, device=device) for a in each] for each in arrays]
    own_turn = itertools.cycle(own)
    clock = _Clock(device)

    def run_own() -> Any:
        return work.own(*next(own_turn))

    if torch is None:
        return statistics.median(clock.time(run_own) for _ in range(rounds)), None
    kind = getattr(torch, work.dtype)
    peers = [[torch.tensor(a, device="cuda").to(kind) for a in each] for each in arrays]
    peer_turn = itertools.cycle(peers)
    peer_clock = _TorchClock(torch)

    def run_peer() -> Any:
        return work.peer(torch, *next(peer_turn))

    _require_agreement(work, work.own(*own[0]), work.peer(torch, *peers[0]))
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        times[0].append(clock.time(run_own))
        times[1].append(peer_clock.time(run_peer))
    return statistics.median(times[0][3:]), statistics.median(times[1][3:])


def _require_agreement(work: Work, own: Any, peer: Any) -> None:
    mine, theirs = own.astype("float32").numpy(), peer.float().cpu().numpy()
    scale = float(np.abs(theirs).max(initial=1e-30))
    worst = float(np.abs(mine - theirs).max(initial=0.0)) / scale
    assert worst <= work.tolerance, (
        f"{work.name}: weft and PyTorch differ by {worst:.1e} of the largest value, allowed are "
        f"{work.tolerance:.1e}"
    )


def limits(device: str, torch: Any, rounds: int, scale: float) -> dict[str, float]:
    """Bytes a second of a copy and FLOP/s of a matrix product, the better of both libraries."""
    chosen = {w.name.split()[0]: w for w in works(scale) if w.name.startswith(("copy", "matmul"))}
    best = {}
    for key, unit in (("copy", "moved"), ("matmul", "flops")):
        times = [t for t in measure(chosen[key], device, torch, rounds) if t]
        best[unit] = getattr(chosen[key], unit) / min(times)
    return best


def run(
    device: str = "cuda", rounds: int = 25, scale: float = 1.0, pattern: str = ""
) -> dict[str, Any]:
    """All comparisons whose name contains `pattern`, as a record for JSON."""
    peer: Any = None
    if device != "sim" and importlib.util.find_spec("torch") is not None:
        import torch

        # float32 means float32 on both sides; PyTorch's convolutions round to TF32 by default.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        peer = torch
    best = limits(device, peer, rounds, scale)
    rows: list[Row] = []
    for work in works(scale):
        if pattern not in work.name:
            continue
        own, theirs = measure(work, device, peer, rounds)
        share = max(work.flops / own / best["flops"], work.moved / own / best["moved"])
        row = Row(work.name, own, theirs, work.flops / own / 1e12, work.moved / own / 1e9, share)
        rows.append(row)
        print(line(row), flush=True)
    return {
        "device": _runtime(device).device_name(device),
        "date": datetime.date.today().isoformat(),
        "torch": None if peer is None else peer.__version__,
        "limits": best,
        "rows": [asdict(row) for row in rows],
    }


def line(row: Row) -> str:
    """One row as text."""
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    return (
        f"{row.name:44s} {row.weft * 1e6:10.1f} us  torch/weft {ratio:>5s}  "
        f"{row.tflops:7.2f} TFLOP/s {row.gbytes:8.1f} GB/s  {100 * row.share:4.0f} %"
    )


def markdown(record: dict[str, Any]) -> str:
    """The record as a table."""
    best = record["limits"]
    head = (
        f"{record['device']}, {record['date']}, PyTorch {record['torch'] or 'not installed'}. "
        f"Measured limits: copy {best['moved'] / 1e9:.0f} GB/s, matrix product "
        f"{best['flops'] / 1e12:.1f} TFLOP/s."
    )
    lines = [
        head,
        "",
        "| work | weft | torch/weft | TFLOP/s | GB/s | share |",
        "|---|---|---|---|---|---|",
    ]
    for values in record["rows"]:
        row = Row(**values)
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append(
            f"| {row.name} | {row.weft * 1e6:.1f} us | {ratio} | {row.tflops:.2f} | "
            f"{row.gbytes:.0f} | {100 * row.share:.0f} % |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write JSON with a table beside it."""
    parser = argparse.ArgumentParser(prog="python -m weft.bench.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=25, help="calls each; the median counts")
    parser.add_argument("--scale", type=float, default=1.0, help="shrink the inputs")
    parser.add_argument("--filter", default="", help="only work whose name contains this")
    parser.add_argument("--output", help="write a JSON file, and a Markdown table beside it")
    options = parser.parse_args()
    if options.rounds < 4:
        parser.error("--rounds must be at least 4: the first three warm up")
    start = time.monotonic()
    record = run(options.device, options.rounds, options.scale, options.filter)
    print(f"{len(record['rows'])} rows in {time.monotonic() - start:.0f} s")
    if options.output:
        path = pathlib.Path(options.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n")
        path.with_suffix(".md").write_text(markdown(record))


if __name__ == "__main__":
    main()

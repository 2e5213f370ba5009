"""Agreement first, then times: both libraries in turns, between device events, by the median."""

from __future__ import annotations

import contextlib
import itertools
import json
import pathlib
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import weft
from weft.bench.gpu import bandwidth, products, steps
from weft.bench.gpu.work import Array, Call, Sizes, Work

CACHE_BYTES = 256 << 20  # rotating inputs hold more than any L2 of today, several times over
MOST_COPIES = 64
PEER_DEVICE = "cuda"  # in PyTorch's words
TURN = 2e-3  # seconds of work between two events, so that the queue is never empty
LAUNCHES = 200  # without waiting: fewer than the queue of a stream holds

FAMILIES = (bandwidth, products, steps)
GROUPS = ("bandwidth", "matmul", "conv2d", "attention", "steps")


def works(scale: float = 1.0) -> Iterator[Work]:
    """All comparisons; `scale` shrinks the lengths of axes, for the simulated device."""
    sizes = Sizes(scale)
    for family in FAMILIES:
        yield from family.works(sizes)


def runtime(device: str) -> Any:
    """`weft.cuda` or `weft.sim`."""
    return weft.sim if device.startswith("sim") else weft.cuda


def peer_module(device: str) -> Any:
    """PyTorch, where it is installed and sees the GPU; else None."""
    if device.startswith("sim"):
        return None
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    torch.backends.cudnn.benchmark = True  # its best algorithm, found before anything is timed
    return torch


@contextlib.contextmanager
def float32_products_as(precision: str, torch: Any) -> Iterator[None]:
    """Both libraries compute products of float32 in float32, or both may round to tf32.

    PyTorch's convolutions round by default, its matrix products do not.
    """
    before = weft.matmul_precision()
    with warnings.catch_warnings():
        # That there is no cuda device: sim, where this is tested, follows the setting all the same.
        warnings.simplefilter("ignore", UserWarning)
        weft.set_matmul_precision(precision)
    switches = [] if torch is None else [torch.backends.cudnn, torch.backends.cuda.matmul]
    allowed = [s.allow_tf32 for s in switches]
    for s in switches:
        s.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        weft.set_matmul_precision("float32")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            weft.set_matmul_precision(before)
        for s, value in zip(switches, allowed, strict=True):
            s.allow_tf32 = value


# --- the same inputs for both ---------------------------------------------------------------------


@dataclass
class Contenders:
    """Calls that are ready to be timed; one for each set of inputs, in turns."""

    own: Sequence[Call]
    peer: Sequence[Call]


def prepare(work: Work, device: str, torch: Any, peer_device: str, sets: int) -> Contenders:
    """Bring the inputs of a work to both devices, `sets` times, and prepare its calls."""
    arrays = [given.array(position) for position, given in enumerate(work.inputs)]
    own: list[Call] = []
    peer: list[Call] = []
    with weft.device(device):
        for _ in range(sets):
            tensors = [
                weft.tensor(a, dtype=given.dtype, device=device)
                for a, given in zip(arrays, work.inputs, strict=True)
            ]
            own.append(work.own(*tensors))
    if torch is not None:
        for tensors in _peer_inputs(work, torch, peer_device, sets):
            peer.append(work.peer(torch, *tensors))
    return Contenders(own, peer)


def _peer_inputs(work: Work, torch: Any, device: str, sets: int) -> Iterator[list[Any]]:
    for _ in range(sets):
        yield [
            torch.from_numpy(given.array(position))
            .to(device)
            .to(getattr(torch, given.dtype))
            .clone()
            for position, given in enumerate(work.inputs)
        ]


def sets_of_inputs(work: Work) -> int:
    """How many it takes to be larger than the caches."""
    if not work.rotates or work.clock == "launch":
        return 1
    each = max(sum(given.size for given in work.inputs), 1)
    return max(1, min(MOST_COPIES, -(-CACHE_BYTES // each)))


# --- agreement ------------------------------------------------------------------------------------


def require_agreement(work: Work, contenders: Contenders) -> float:
    """Compare the results of the first calls; the largest difference, relative to the largest.

    Raises:
        AssertionError: If they differ by more than the work's tolerance.
    """
    worst = 0.0
    for _ in range(work.calls):
        own, peer = _arrays(contenders.own[0](), work), _arrays(contenders.peer[0](), work)
        assert len(own) == len(peer), f"{work.name}: {len(own)} results and {len(peer)}"
        for mine, theirs in zip(own, peer, strict=True):
            assert mine.shape == theirs.shape, f"{work.name}: {mine.shape} and {theirs.shape}"
            assert np.isfinite(mine).all() and np.isfinite(theirs).all(), (
                f"{work.name}: a result is not finite, and none of these inputs asks for that"
            )
            scale = float(np.abs(theirs).max(initial=1e-30))
            worst = max(worst, float(np.abs(mine - theirs).max(initial=0.0)) / scale)
    assert worst <= work.tolerance, (
        f"{work.name}: weft and PyTorch differ by {worst:.1e} of the largest value, allowed are "
        f"{work.tolerance:.1e}"
    )
    return worst


def _arrays(results: Any, work: Work) -> list[Array]:
    found = results if isinstance(results, (list, tuple)) else [results]
    arrays = []
    for x in found:
        if isinstance(x, weft.Tensor):
            array = np.asarray(x.detach().to("cpu").astype("float32").numpy())
        else:
            array = np.asarray(x.detach().float().cpu().numpy())
        arrays.append(array if work.summary is None else work.summary(array))
    return arrays


# --- times ----------------------------------------------------------------------------------------


class Clock:
    """Seconds of a call, by the events of one library or by the CPU's clock."""

    def __init__(self, work: Work, events: Callable[[], Any], elapsed: str, wait: Call) -> None:
        self.begin, self.end = events(), events()
        self.elapsed, self.wait = elapsed, wait
        self.on_cpu = work.clock == "launch"

    def time(self, call: Call, repeats: int) -> float:
        """Of one call, from `repeats` in a row."""
        if self.on_cpu:
            self.wait()
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            return (time.perf_counter() - start) / repeats
        self.begin.record()
        for _ in range(repeats):
            call()
        self.end.record()
        self.end.synchronize()
        return float(getattr(self.begin, self.elapsed)(self.end)) / 1e3 / repeats


def own_clock(work: Work, device: str) -> Clock:
    """By events of weft."""
    library = runtime(device)
    return Clock(
        work, lambda: library.Event(device), "elapsed", lambda: library.synchronize(device)
    )


def peer_clock(work: Work, torch: Any) -> Clock:
    """By events of PyTorch."""
    return Clock(
        work, lambda: torch.cuda.Event(enable_timing=True), "elapsed_time", torch.cuda.synchronize
    )


def check(work: Work, device: str, torch: Any = None) -> float | None:
    """Run a work once, or as often as its results have to agree, and time nothing.

    Returns:
        How far the results are from PyTorch's; None without it.

    Raises:
        AssertionError: If that is more than the work's tolerance.
    """
    with float32_products_as(work.precision, torch), weft.device(device):
        contenders = prepare(work, device, torch, PEER_DEVICE, 1)
        if torch is not None:
            return require_agreement(work, contenders)
        for _ in range(work.calls):
            contenders.own[0]()
        runtime(device).synchronize(device)
    return None


def measure(
    work: Work, device: str, torch: Any = None, rounds: int = 25
) -> tuple[float, float | None, float | None]:
    """Median seconds of weft and of PyTorch, and how far their results differ.

    Without PyTorch the latter are None. Short calls are repeated until a turn takes about 2 ms.

    Raises:
        AssertionError: If the results differ by more than the work's tolerance.
    """
    sets = 1 if device.startswith("sim") else sets_of_inputs(work)
    with float32_products_as(work.precision, torch), weft.device(device):
        contenders = prepare(work, device, torch, PEER_DEVICE, sets)
        error = None if torch is None else require_agreement(work, contenders)
        turns = [(own_clock(work, device), contenders.own)]
        if torch is not None:
            turns.append((peer_clock(work, torch), contenders.peer))
        medians = _medians(work, turns, rounds)
    return medians[0], medians[1] if torch is not None else None, error


def _medians(work: Work, turns: Sequence[tuple[Clock, Sequence[Call]]], rounds: int) -> list[float]:
    rotating = [(clock, _in_turns(calls)) for clock, calls in turns]
    repeats = [_repeats(work, clock, call) for clock, call in rotating]
    times: list[list[float]] = [[] for _ in turns]
    for _ in range(rounds):
        for found, (clock, call), count in zip(times, rotating, repeats, strict=True):
            found.append(clock.time(call, count))
    return [statistics.median(found) for found in times]


def _in_turns(calls: Sequence[Call]) -> Call:
    turn = itertools.cycle(calls)
    return lambda: next(turn)()


def _repeats(work: Work, clock: Clock, call: Call) -> int:
    """Warms up, and says how many calls make one turn."""
    if work.clock == "launch":
        clock.time(call, LAUNCHES)
        return LAUNCHES
    seconds = min(clock.time(call, 1) for _ in range(3))
    return int(min(100, max(1, TURN / max(seconds, 1e-7))))


# --- limits ---------------------------------------------------------------------------------------


def limit_works(scale: float) -> dict[str, Work]:
    """The work that measures each limit: a copy, and the largest product of each arithmetic."""
    sizes = Sizes(scale)
    found = {kind: products.largest(sizes, kind) for kind in products.KINDS}
    return {"bytes": bandwidth.copying(sizes), **found}


def limits(device: str, torch: Any = None, rounds: int = 10, scale: float = 1.0) -> dict[str, Any]:
    """What the device was seen to do, by unit: bytes a second, and FLOP/s of each arithmetic.

    Each is the better of both libraries at the work of `limit_works`; without PyTorch, weft's.
    """
    found = {}
    for unit, work in limit_works(scale).items():
        times: dict[str, float | None] = {}
        try:
            times["weft"], times["PyTorch"], _ = measure(work, device, torch, rounds)
        except AssertionError as error:
            print(f"the limit of {unit} is PyTorch's alone: {error}")
            times["PyTorch"] = _of_peer(work, torch, rounds)
        best, by = min((seconds, name) for name, seconds in times.items() if seconds is not None)
        amount = work.moved if unit == "bytes" else work.flops
        found[unit] = {"per_second": amount / best, "work": work.name, "by": by}
    return found


def _of_peer(work: Work, torch: Any, rounds: int) -> float:
    with float32_products_as(work.precision, torch):
        calls = [
            work.peer(torch, *tensors)
            for tensors in _peer_inputs(work, torch, PEER_DEVICE, sets_of_inputs(work))
        ]
        return _medians(work, [(peer_clock(work, torch), calls)], rounds)[0]


def known_limits(path: pathlib.Path, device: str) -> dict[str, Any] | None:
    """The limits that a file of results holds, if it is of this machine's GPU."""
    if not path.is_file():
        return None
    record = json.loads(path.read_text())
    name = str(runtime(device).device_facts(device)["name"])
    same = record.get("machine", {}).get("gpu") == name
    return record.get("limits") if same else None


def share(work: Work, seconds: float, found: dict[str, Any]) -> tuple[float | None, str | None]:
    """The part of the nearest limit that a work came to in this time, and which limit that is."""
    if work.clock == "launch" or work.moved == 0:
        return None, None
    least = {"bytes": work.moved / found["bytes"]["per_second"]}
    if work.unit is not None:
        least[work.unit] = work.flops / found[work.unit]["per_second"]
    nearest = max(least, key=lambda unit: least[unit])
    return least[nearest] / seconds, nearest


# --- rows -----------------------------------------------------------------------------------------


def row(work: Work, device: str, torch: Any, rounds: int, found: dict[str, Any]) -> dict[str, Any]:
    """One row of the results; what went wrong stands in it as ``error``."""
    result: dict[str, Any] = {"name": work.name, "group": work.group, "milestone": work.milestone}
    result |= dict.fromkeys(
        ("weft", "torch", "ratio", "tflops", "gbytes", "share", "limit", "difference", "error")
    )
    try:
        own, peer, difference = measure(work, device, torch, rounds)
    except Exception as error:  # the other rows are still worth having
        result["error"] = f"{type(error).__name__}: {error}"
        return result
    nearest, unit = share(work, own, found)
    result |= {
        "weft": own,
        "torch": peer,
        "ratio": None if peer is None else peer / own,
        "tflops": work.flops / own / 1e12 if work.flops else None,
        "gbytes": work.moved / own / 1e9 if work.moved and work.clock == "device" else None,
        "share": nearest,
        "limit": unit,
        "difference": difference,
    }
    return result

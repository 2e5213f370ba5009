"""Writes the simulator's output into docs/how-a-gpu-runs-this.md: ``python docs/make_gpu_page.py``.

The page is prose around blocks ``<!-- output: NAME -->``, each filled by the function of that name
here. The test of the page runs them again.
"""

from __future__ import annotations

import pathlib
import re
import textwrap
from collections.abc import Callable

import numpy as np

import weft
from weft import _C

PAGE = pathlib.Path(__file__).parent / "how-a-gpu-runs-this.md"
BLOCK = re.compile(r"(<!-- output: (\w+) -->\n```text\n)(.*?)(```\n)", re.DOTALL)


def step() -> Callable[[], object]:
    """One training step of a small network on 32 handwritten digits, on the simulated device."""
    from sklearn.datasets import load_digits

    weft.random.seed(0)
    images, labels = load_digits(return_X_y=True)
    x, y = (images[:32] / 16).astype("float32"), labels[:32].astype("int64")
    with weft.device("sim"):
        model = weft.Sequential(
            [
                weft.Input((64,)),
                weft.layers.Dense(32, activation="relu"),
                weft.layers.Dense(10),
            ]
        )
        loss = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=weft.optimizers.SGD(0.1), loss=loss, jit_compile=False)

    def train() -> object:
        with weft.device("sim"):
            return model.train_on_batch(x, y)

    train()  # the first step also makes the variables
    return train


def shortened(kernel: str) -> str:
    """A kernel's name without its template arguments."""
    return kernel.split("<")[0]


def launches() -> str:
    """What a step launches."""
    recorded = weft.sim.trace(step())
    rows = []
    for number, launch in enumerate(recorded.launches):
        grid, block = ("x".join(map(str, size)) for size in (launch.grid, launch.block))
        rows.append(f"{number:3d}  {shortened(launch.kernel):34s} grid {grid:9s} block {block}")
    return "\n".join(rows)


def thread() -> str:
    """What lane 1 of the first row of the loss does."""
    recorded = weft.sim.trace(step(), thread=(1, 0, 0))
    number = next(i for i, x in enumerate(recorded.launches) if "rows_sparse" in x.kernel)
    rows = [f"{shortened(recorded.launches[number].kernel)}, block (0, 0, 0), thread (1, 0, 0)"]
    for action in recorded.steps:
        if action.launch == number:
            line, does, _, value = action.cells()
            rows.append(f"  {line:24s} {does:22s} {value}")
    return "\n".join(rows)


def accesses() -> str:
    """The products of a step, line by line."""
    train = step()
    with weft.sim.counters() as counts:
        train()
    rows = ["line                     access          bytes requests  lanes  sectors (ideal)  ways"]
    for c in counts:
        if "simt_kernel" not in c.kernel and "mma_kernel" not in c.kernel:
            continue
        sectors = f"{c.sectors:.1f} ({c.ideal_sectors:.1f})" if c.memory == "global" else ""
        ways = f"{c.ways:.2f}" if c.memory == "shared" else ""
        access = f"{c.memory} {c.operation}".strip()
        rows.append(
            f"{c.line:24s} {access:15s} {c.bytes or '':>5} {c.requests:8d} {c.active_lanes:6.1f}"
            f"  {sectors:15s}  {ways}".rstrip()
        )
    return "\n".join(rows)


def mistake() -> str:
    """What the checker says about a kernel without its barrier."""
    with weft.sim.check(raise_errors=False) as findings:
        _C.sim_run_planted_fault("missing_syncthreads")
    return "\n".join(textwrap.fill(str(f), 95, subsequent_indent="    ") for f in findings)


def filled(page: str) -> str:
    """The page with every block written anew."""
    made = {"launches": launches, "thread": thread, "accesses": accesses, "mistake": mistake}
    return BLOCK.sub(lambda m: f"{m[1]}{made[m[2]]()}\n{m[4]}", page)


if __name__ == "__main__":
    np.random.seed(0)
    PAGE.write_text(filled(PAGE.read_text()))

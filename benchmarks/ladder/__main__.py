"""``python -m benchmarks.ladder matmul --rung 3 --device sim``: run the rungs of a ladder.

Each result is compared with NumPy's in float64 first. On ``sim`` the accesses of every line are
counted; on ``cuda`` the rungs are timed, as a share of what the GPU was measured to do.
"""

from __future__ import annotations

import argparse

from benchmarks.ladder import report
from benchmarks.ladder.ladders import LADDERS, Ladder, Sizes

import weft
from weft import _C


def show_counts(ladder: Ladder, sizes: Sizes, numbers: list[int]) -> None:
    """The rungs on the simulated device."""
    outcomes = []
    for rung in ladder.rungs():
        if not numbers or rung.number in numbers:
            outcomes.append(report.run(ladder, rung, sizes, "sim"))
    for o in outcomes:
        if numbers:
            print(f"\n{o.rung.number} {o.rung.title}\n{o.rung.idea}\n\n{o.counts}")
    print(f"\n{ladder.name}: {ladder.computes}\n")
    print(report.table_of_rungs(ladder, sizes, outcomes))
    print("\nAll agree with NumPy. This ran on the simulated device only: nothing was timed.")


def show_times(ladder: Ladder, sizes: Sizes, numbers: list[int], device: str) -> None:
    """The rungs on a GPU."""
    from weft.bench.gpu import limits

    torch = None  # weft's own copy and product are the yardstick where PyTorch is not asked
    best = limits(device, torch, 10, 1.0)
    flops, moved = ladder.flops(sizes), ladder.moved(sizes)
    print(f"\n{ladder.name}: {ladder.computes}; {ladder.sizes} = {sizes}")
    print(
        f"{weft.cuda.device_name(device)}; measured with weft's own kernels: copy "
        f"{best['moved'] / 1e9:.0f} GB/s, float32 product {best['flops'] / 1e12:.1f} TFLOP/s"
    )
    for rung in ladder.rungs(device):
        if numbers and rung.number not in numbers:
            continue
        o = report.run(ladder, rung, sizes, device)
        assert o.seconds is not None
        share = max(flops / o.seconds / best["flops"], moved / o.seconds / best["moved"])
        print(
            f"{rung.number} {rung.title:40s} {o.seconds * 1e6:10.1f} us "
            f"{flops / o.seconds / 1e12:8.2f} TFLOP/s {moved / o.seconds / 1e9:8.1f} GB/s "
            f"{100 * share:4.0f} %   error {o.error:.0e}"
        )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description=__doc__)
    parser.add_argument("ladder", nargs="*", help=f"of {', '.join(LADDERS)}; all by default")
    parser.add_argument("--rung", type=int, nargs="+", default=[], help="only these, in detail")
    parser.add_argument("--device", default="sim", help="sim (default) or cuda")
    parser.add_argument("--size", type=int, nargs="+", help="e.g. 256 256 128 for matmul's m n k")
    parser.add_argument("--write", action="store_true", help="write the tables into the READMEs")
    options = parser.parse_args()
    if not hasattr(_C, "ladder_run"):
        parser.error("this build of weft lacks the ladders: use `make dev`, or -DWEFT_LADDER=ON")
    names = options.ladder or list(LADDERS)
    if unknown := [name for name in names if name not in LADDERS]:
        parser.error(f"there is no ladder {unknown[0]!r}, but {', '.join(LADDERS)}")
    on_sim = options.device.startswith("sim")
    for name in names:
        ladder = LADDERS[name]
        sizes = tuple(options.size or (ladder.small if on_sim else ladder.large))
        if len(sizes) != len(ladder.small):
            parser.error(f"{name} wants --size with {ladder.sizes}")
        if options.write:
            report.write_readme(ladder)
        elif on_sim:
            show_counts(ladder, sizes, options.rung)
        else:
            show_times(ladder, sizes, options.rung, options.device)


if __name__ == "__main__":
    main()

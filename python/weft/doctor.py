"""``python -m weft doctor``: what weft finds on this machine, and what to do about the rest."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import weft
from weft import _C
from weft.device import available_devices, full_name, is_gpu, usable_cores

DRIVER_FILE = pathlib.Path("/proc/driver/nvidia/version")
DRIVER_NEEDED = 580  # the oldest driver for CUDA 13


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Attributes:
        section: Heading.
        what: What was looked at.
        found: What there is.
        advice: What to do; empty when all is well.
    """

    section: str
    what: str
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """Everything the doctor looks at.

    Example:
        >>> from weft.doctor import examine
        >>> sorted({f.section for f in examine()})
        ['cpu', 'cuda', 'sim', 'versions']
    """
    return [*_versions(), *_cpu(), *_cuda(), *_sim()]


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "weft", f"{weft.__version__} in {pathlib.Path(weft.__file__).parent}")
    yield Finding("versions", "Python", f"{platform.python_version()} at {sys.executable}")
    yield Finding("versions", "system", platform.platform())
    for package in ("numpy", "torch", "keras"):
        try:
            yield Finding("versions", package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            if package == "numpy":
                raise


def _cpu() -> Iterator[Finding]:
    from weft.bench.__main__ import processor

    best, used = _C.best_isa(), _C.isa()
    yield Finding("cpu", "processor", processor())
    advice = "" if used == best else f"kernels for {best} are there: unset WEFT_ISA"
    yield Finding("cpu", "kernels", f"{used} (best here: {best})", advice)
    allowed = usable_cores()
    threads = weft.num_threads()
    advice = "weft.set_num_threads(n) changes it" if threads != allowed else ""
    yield Finding("cpu", "threads", f"{threads} of {allowed} cores", advice)
    memory = _memory_of_the_machine()
    if memory is not None:
        free, total = memory
        advice = "little is left: use smaller batches" if free < total / 10 else ""
        yield Finding("cpu", "memory", f"{_gib(free)} of {_gib(total)} free", advice)


def _cuda() -> Iterator[Finding]:
    built = _C.cuda_versions("cuda") != (0, 0) or weft.cuda.is_available()
    driver, runtime = _C.cuda_versions("cuda")
    if built:
        yield Finding("cuda", "built for", f"CUDA {_version(runtime)}")
        yield Finding(
            "cuda", "driver supports", f"CUDA {_version(driver)}" if driver else "nothing"
        )
    yield Finding("cuda", "driver", _driver_text() or "none is loaded")
    if weft.cuda.is_available():
        for i in range(weft.cuda.device_count()):
            yield from _device(full_name("cuda", i))
        yield from _peers()
        return
    yield Finding("cuda", "GPUs", f"none: {weft.cuda.why_unavailable()}", _what_to_do(built))


def _what_to_do(built: bool) -> str:
    """The next step towards a GPU, in the order in which things have to be right."""
    if _driver_text() is None:
        return (
            "without an NVIDIA GPU: use the device 'sim', which runs the same kernels on the CPU. "
            f"With one: install the NVIDIA driver, {DRIVER_NEEDED} or later, and check that "
            "nvidia-smi lists the GPU (in a container: start it with --gpus all)"
        )
    if not built:
        return (
            "a driver is there, but this build of weft has no CUDA kernels: build it where the "
            "CUDA toolkit 13 is, with WEFT_CUDA=ON"
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        return f"CUDA_VISIBLE_DEVICES={hidden!r} hides GPUs: unset it, or name one"
    return (
        f"install NVIDIA driver {DRIVER_NEEDED} or later, and check that nvidia-smi lists the GPU"
    )


def _sim() -> Iterator[Finding]:
    for i in range(weft.sim.device_count()):
        yield from _device(full_name("sim", i))
    if not weft.sim.is_available():
        name = "WEFT_SIM_DRIVER" if os.environ.get("WEFT_SIM_DRIVER") else "WEFT_SIM_DEVICES"
        advice = f"{name}={os.environ.get(name)} switches them off: unset it"
        yield Finding("sim", "devices", "none", advice)


def _device(name: str) -> Iterator[Finding]:
    section = name.partition(":")[0]
    try:
        facts = _C.device_facts(name)
        free, total = _C.device_memory(name)
        _try_out(name)
    except RuntimeError as error:
        yield Finding(section, name, "does not work", str(error))
        return
    major, minor = facts["compute_capability"]
    found = (
        f"{facts['name']}, compute capability {major}.{minor}, "
        f"{facts['multiprocessors']} multiprocessors, {_gib(free)} of {_gib(total)} free, works"
    )
    advice = ""
    if section == "cuda" and major < 8:
        advice = "weft's kernels need compute capability 8.0 (Ampere) or later"
    elif section == "cuda" and free < total / 10:
        advice = "others hold its memory: nvidia-smi lists them"
    yield Finding(section, name, found, advice)


def _try_out(name: str) -> None:
    """Add two numbers there."""
    total = weft.ops.to_device([1.0], name) + 2.0
    if total.item() != 3.0:
        raise RuntimeError(f"1 + 2 is {total.item()} there; the device or its driver is broken")


def _peers() -> Iterator[Finding]:
    names = [d for d in available_devices() if is_gpu(d) and d.startswith("cuda")]
    pairs = [(a, b) for a in names for b in names if a < b]
    if pairs:
        direct = [f"{a}-{b}" for a, b in pairs if weft.cuda.can_access_peer(a, b)]
        yield Finding("cuda", "direct copies", ", ".join(direct) or "none: they go through the CPU")


def _driver_text() -> str | None:
    """The first line of what the kernel's driver says about itself."""
    try:
        return DRIVER_FILE.read_text().splitlines()[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return None


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _memory_of_the_machine() -> tuple[int, int] | None:
    try:
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
        sizes = {k: int(v.split()[0]) * 1024 for k, _, v in (line.partition(":") for line in lines)}
        return sizes["MemAvailable"], sizes["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        return None


def show(findings: list[Finding]) -> None:
    """Print a table on a terminal, plain lines elsewhere."""
    if sys.stdout.isatty():
        _show_table(findings)
    else:
        for finding in findings:
            print(f"{finding.section}: {finding.what}: {finding.found}")
            if finding.advice:
                print(f"  -> {finding.advice}")
    print(f"devices to use: {', '.join(d for d in available_devices() if d != 'meta')}")


def _show_table(findings: list[Finding]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("", "", "found", "what to do"):
        table.add_column(title, overflow="fold")
    section = None
    for finding in findings:
        if section not in (None, finding.section):
            table.add_section()
        heading = "" if finding.section == section else finding.section
        section = finding.section
        table.add_row(heading, finding.what, finding.found, finding.advice)
    Console(highlight=False).print(table, markup=False)

"""Run a benchmark: ``python -m benchmarks cut``, ``index``, ``clip`` or ``generation``."""

from __future__ import annotations

from ovseg.cli.launch import set_up_process


def main() -> None:
    """Set up the process before torch is imported, then run the command."""
    set_up_process(verbose=0, offline=True)
    from benchmarks.commands import app

    app(prog_name="python -m benchmarks")


if __name__ == "__main__":
    main()

"""The program of the child: an ipykernel that has already imported what a cell needs.

Run as ``python -m omc_agent.sandbox.child -f CONNECTION_FILE`` by the provisioner, never by hand.
"""

from __future__ import annotations

import sys

# debugpy costs 0.1 to 0.2 s of start and nobody attaches a debugger to this kernel.
sys.modules["debugpy"] = None  # type: ignore[assignment]


def main() -> None:
    """Start the kernel; it ends with its parent."""
    from ipykernel.kernelapp import IPKernelApp

    from omc_agent.sandbox import inside

    app = IPKernelApp.instance()
    app.initialize([*sys.argv[1:], "--matplotlib=inline", "--HistoryManager.enabled=False"])  # type: ignore[no-untyped-call]
    inside.settle(app.shell)
    app.start()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()

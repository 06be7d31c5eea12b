"""What a child knows of its surroundings: a clean environment, and nothing of the person's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_KEPT = ("LANG", "LC_ALL", "TZ", "SYSTEMROOT", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


# Not resolved: a link in a virtual environment is what tells the interpreter which environment it is of.
PYTHON = os.path.abspath(sys.executable)


def child_environment(home: str) -> dict[str, str]:
    """A clean environment: a PATH, a home of its own, one thread in each numeric library.

    Parameters
    ----------
    home : str
        The folder the child believes to be its home.

    Returns
    -------
    dict of str to str
        No variable of the host but locale, time zone and the BLAS kernel choice.
    """
    env = {name: os.environ[name] for name in _KEPT if name in os.environ}
    env.update(
        PATH=f"{Path(PYTHON).parent}:/usr/bin:/bin",
        HOME=home,
        IPYTHONDIR=f"{home}/.ipython",
        JUPYTER_PLATFORM_DIRS="1",
        MPLCONFIGDIR=f"{home}/.mpl",
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        PYTHONNOUSERSITE="1",
        PYTHONHASHSEED="0",
        MALLOC_ARENA_MAX="2",
        **dict.fromkeys(THREADS, "1"),
    )
    return env

"""Our filter of system calls: a list of what a cell never needs, as a classic BPF program.

A deny list, not an allow list: numeric libraries use new calls with every release, and namespaces stand behind it.
What only the filter stops: AF_VSOCK (no namespace covers it before Linux 7.0), io_uring, bpf, userfaultfd and
nested user namespaces, which are where holes of the kernel were found.
"""

from __future__ import annotations

import errno
import platform
import struct

KILL, ERRNO, ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
X32_BIT = 0x4000_0000

# Name: (number on x86-64, number on aarch64); None where the architecture does not have it.
DENIED: dict[str, tuple[int | None, int | None]] = {
    # Other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "migrate_pages": (256, 238), "move_pages": (279, 239),
    # Namespaces and mounts
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # Large or young parts of the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "memfd_secret": (447, 447),
    "lookup_dcookie": (212, 18), "modify_ldt": (154, None), "uselib": (134, None), "personality": (135, 92),
    # The machine
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "iopl": (172, None), "ioperm": (173, None), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "syslog": (103, 116), "acct": (163, 89), "sethostname": (170, 161), "setdomainname": (171, 162),
    "vhangup": (153, 58), "nfsservctl": (180, 42),
}  # fmt: skip

# Answered as if the kernel were older, so that libraries fall back.
UNKNOWN: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),  # its flags lie behind a pointer, where no filter can look; glibc falls back to clone
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
}  # fmt: skip

# In the reduced tier also: there are no namespaces, and Landlock does not cover these.
REDUCED: dict[str, tuple[int | None, int | None]] = {
    "connect": (42, 203),  # sockets that are files, such as docker.sock; the kernel only accepts
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466),
    "setsid": (112, 157), "setpgid": (109, 154),  # nothing leaves the process group, so a kill reaches all
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),  # no IPC namespace
}  # fmt: skip

# In the reduced tier answered as done, and not done: honest code copies files with their modes and times, and must
# not fail at that; but Landlock does not keep a child from changing those of the person's own files.
PRETENDED: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "utime": (132, None), "utimes": (235, None), "utimensat": (280, 88), "futimesat": (261, None),
}  # fmt: skip

SOCKET, SOCKETPAIR, CLONE, IOCTL = (41, 198), (53, 199), (56, 220), (16, 29)
AF_UNIX, SOCK_DGRAM, SOCK_TYPE_MASK = 1, 2, 0xF
NEW_NAMESPACES = 0x7E02_0080  # CLONE_NEW* of cgroup, uts, ipc, user, pid, net; mount; time
TIOCSTI, TIOCLINUX = 0x5412, 0x541C  # typing into the terminal of whoever started us

_LD, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data; little endian, so the low word comes first


def _step(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, k)


def _error(number: int) -> bytes:
    return _step(_RET, ERRNO | number)


def _answer(number: int, error: int) -> bytes:
    """If the call is `number`, answer `error`."""
    return _step(_JEQ, number, 0, 1) + _error(error)


def _guarded(number: int, body: bytes) -> bytes:
    """If the call is `number`, go through `body`, which loads arguments; then load the number again."""
    again = _step(_LD, _NUMBER)
    return _step(_JEQ, number, 0, len(body + again) // 8) + body + again


def _only_local_streams(number: int) -> bytes:
    """Unix sockets, but no datagrams, which could be sent to any path without a connect."""
    body = _step(_LD, _ARGS) + _step(_JEQ, AF_UNIX, 1, 0) + _error(errno.EPERM)
    body += _step(_LD, _ARGS + 8) + _step(_AND, SOCK_TYPE_MASK) + _step(_JEQ, SOCK_DGRAM, 0, 1) + _error(errno.EPERM)
    return _guarded(number, body)


def program(machine: str | None = None, *, reduced: bool = False) -> bytes:
    """The filter for `machine` (``x86_64`` or ``aarch64``; default: this one).

    Parameters
    ----------
    machine : str, optional
        As `platform.machine()` names it.
    reduced : bool
        With the calls that only the reduced tier must deny.

    Returns
    -------
    bytes
        Instructions of eight bytes, as ``bwrap --seccomp`` and seccomp(2) take them.

    Raises
    ------
    OSError
        For an architecture that has no table here.
    """
    machine = machine or platform.machine()
    if machine not in ARCH:
        raise OSError(f"seccomp: there is no table of system calls for {machine}")
    column = list(ARCH).index(machine)
    # Another architecture's entry point has other numbers: it would walk past every line below.
    steps = _step(_LD, _ARCH) + _step(_JEQ, ARCH[machine], 1, 0) + _step(_RET, KILL) + _step(_LD, _NUMBER)
    if machine == "x86_64":
        steps += _step(_JGE, X32_BIT, 0, 1) + _step(_RET, KILL)
    tables = [(DENIED, errno.EPERM), (UNKNOWN, errno.ENOSYS)]
    tables += [(REDUCED, errno.EPERM), (PRETENDED, 0)] if reduced else []
    for table, error in tables:
        for numbers in table.values():
            number = numbers[column]
            if number is not None:
                steps += _answer(number, error)
    steps += _only_local_streams(SOCKET[column]) + _only_local_streams(SOCKETPAIR[column])
    steps += _guarded(CLONE[column], _step(_LD, _ARGS) + _step(_JSET, NEW_NAMESPACES, 0, 1) + _error(errno.EPERM))
    for request in (TIOCSTI, TIOCLINUX):
        steps += _guarded(IOCTL[column], _step(_LD, _ARGS + 8) + _step(_JEQ, request, 0, 1) + _error(errno.EPERM))
    return steps + _step(_RET, ALLOW)

"""Attempts to reach what is the host's: files, processes, networks. Rows of the table in docs/security.md's model.

The name of each attempt says what it tries; it passes when the attempt fails.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONNECT = "s = socket.socket({}); s.settimeout(2); s.connect({}); "

ATTEMPTS = {
    # -- secrets and files
    "a secret in the environment": "assert os.environ['OMC_ATTACK_SECRET'] == SECRET",
    "a secret in any process's environment": (
        "import glob\n"
        "found = []\n"
        "for path in glob.glob('/proc/[0-9]*/environ'):\n"
        "    try: found += [path] if SECRET.encode() in open(path, 'rb').read() else []\n"
        "    except OSError: pass\n"
        "assert found"
    ),
    "an inherited descriptor": (
        "import stat\n"
        "found = []\n"
        "for name in os.listdir('/proc/self/fd'):\n"
        "    try:\n"
        "        if not stat.S_ISREG(os.stat(f'/proc/self/fd/{name}').st_mode): continue\n"
        "        if SECRET.encode() in os.pread(int(name), 200, 0): found.append(name)\n"
        "        if SECRET in open(f'/proc/self/fd/{name}').read(200): found.append(name)\n"
        "    except OSError: pass\n"
        "assert found"
    ),
    "a key in the home by its path": "assert SECRET in open(FILE).read()",
    "the same through the root of this process": "assert SECRET in open('/proc/self/root' + FILE).read()",
    "the same through the root of pid 1": "assert SECRET in open('/proc/1/root' + FILE).read()",
    "the same by going up": "assert SECRET in open('../../../../../..' + FILE).read()",
    "the same through the working folder of pid 1": "assert SECRET in open('/proc/1/cwd/..' + FILE).read()",
    "names of people and machines": (
        "found = [p for p in ('/etc/passwd', '/etc/shadow', '/etc/hosts', '/etc/resolv.conf', '/etc/machine-id',"
        " '/etc/hostname') if os.path.exists(p)]\nassert found"
    ),
    "the hardware": "assert os.listdir('/sys')",
    "files of other runs": "assert os.listdir('/run/s')",
    "a setting of the interpreter with tokens": (
        "assert open(sys.prefix + '/pip.conf').read() or open(sys.prefix + '/.condarc').read()"
    ),
    # -- writing
    "a module among the packages": (
        "import pandas\nopen(os.path.join(os.path.dirname(os.path.dirname(pandas.__file__)), 'p.pth'), 'w')"
    ),
    "the standard library": "open(os.path.join(os.path.dirname(os.__file__), 'planted.py'), 'w')",
    "this package": "import omc_agent\nopen(os.path.dirname(omc_agent.__file__) + '/planted.py', 'w')",
    "programs of the system": "open('/usr/bin/planted', 'w')",
    "the loader's list": "os.makedirs('/etc', exist_ok=True)\nopen('/etc/ld.so.preload', 'w')",
    "a file in the root": "open('/planted', 'w')",
    "a file among the devices": "open('/dev/planted', 'w')",
    "the font list that later zygotes read": "open('/run/cache/fontlist-v390.json', 'w')",
    # -- processes
    "the memory of pid 1": "assert open('/proc/1/mem', 'rb').read(1)",
    "a signal to the host": (
        "stat = open(f'/proc/{HOST}/stat').read()\nassert 'pytest' in open(f'/proc/{HOST}/cmdline').read()\n"
        "os.kill(HOST, 0)"
    ),
    "the score by which memory is taken back": "open('/proc/self/oom_score_adj', 'w').write('0')",
    "settings of the kernel": "open('/proc/sys/kernel/core_pattern', 'w')",
    "the system request trigger": "open('/proc/sysrq-trigger', 'w')",
    "rights of root by a set-uid program": (
        "done = subprocess.run(['/usr/bin/su', '-c', 'id -u'], capture_output=True, text=True, timeout=5,"
        " stdin=subprocess.DEVNULL)\nassert done.stdout.strip() == '0'"
    ),
    "new privileges": "assert 'NoNewPrivs:\\t0' in open('/proc/self/status').read()",
    "any capability": (
        "caps = [l.split()[1] for l in open('/proc/self/status') if l.startswith('Cap')]\n"
        "assert any(int(c, 16) for c in caps)"
    ),
    "a device made": "os.mknod('/omc/work/mem', 0o600 | 0o020000, os.makedev(1, 1))",
    "memory, disks and virtual machines": (
        "assert [p for p in ('/dev/mem', '/dev/kvm', '/dev/sda', '/dev/vda', '/dev/nvme0n1', '/dev/fuse')"
        " if os.path.exists(p)]"
    ),
    "typing into a terminal": (
        "import fcntl, pty\nmaster, slave = pty.openpty()\nfcntl.ioctl(slave, 0x5412, b'x')"
    ),
    "the terminal of the host": "open('/dev/tty', 'w')",
    # -- network
    "TCP to the host": CONNECT.format("socket.AF_INET", "('127.0.0.1', TCP4)"),
    "TCP to the host, IPv6": CONNECT.format("socket.AF_INET6", "('::1', TCP6)"),
    "a name": "socket.getaddrinfo('example.org', 80)",
    "UDP to the host": (
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(SECRET.encode(), ('127.0.0.1', UDP))"
    ),
    "an abstract socket": CONNECT.format("socket.AF_UNIX", "ABSTRACT"),
    "a socket that is a file": CONNECT.format("socket.AF_UNIX", "SOCKET"),
    "the system bus": CONNECT.format("socket.AF_UNIX", "'/run/dbus/system_bus_socket'"),
    "datagrams to a path": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', SOCKET)",
    "a pair of datagram sockets": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    **{
        f"socket family {name}": f"socket.socket({number}, {kind})"
        for name, number, kind in (
            ("packet", 17, 3), ("netlink", 16, 3), ("crypto", 38, 5), ("CAN", 29, 3), ("TIPC", 30, 1),
            ("bluetooth", 31, 3), ("vsock", 40, 1), ("XDP", 44, 3),
        )
    },
    "the zygote's line": (
        "import stat\n"
        "found = []\n"
        "for name in os.listdir('/proc/self/fd'):\n"
        "    try:\n"
        "        s = socket.socket(fileno=os.dup(int(name)))\n"
        "        if s.type == socket.SOCK_SEQPACKET and s.send(b'{}'): found.append(name)\n"
        "    except OSError: pass\n"
        "assert found"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_out_of_reach(attempt, name):
    assert not await attempt(ATTEMPTS[name])


@pytest.mark.parametrize(
    "name",
    [
        "a key in the home by its path", "a secret in the environment", "a secret in any process's environment",
        "an inherited descriptor", "the same through the root of this process", "the hardware",
        "names of people and machines", "TCP to the host", "UDP to the host", "an abstract socket",
        "a socket that is a file", "datagrams to a path",
    ],
)  # fmt: skip
async def test_the_same_code_gets_through_where_there_is_no_wall(bait, name):
    """Otherwise the test above could not fail."""
    code = f"import os, sys, socket\n{bait.names()}\n{ATTEMPTS[name]}"
    plain = subprocess.run(
        [sys.executable, "-c", code], pass_fds=[bait.descriptor], capture_output=True, text=True, timeout=20
    )
    # Nobody takes datagrams there: to be refused by the socket is to have reached it.
    assert plain.returncode == 0 or "Protocol wrong type" in plain.stderr, plain.stderr


async def test_inputs_cannot_be_changed(shared, attempt):
    import pandas as pd

    await shared.put("prices", pd.DataFrame({"a": [1, 2]}))
    first = "p = '/omc/in/' + os.listdir('/omc/in')[0]\n"
    for deed in ("open(p, 'r+b').write(b'x')", "os.chmod(p, 0o777)", "os.rename(p, p + 'x')", "os.unlink(p)",
                 "os.utime(p, (1, 1))", "os.link(p, '/omc/work/linked')", "open('/omc/in/new', 'w')",
                 "os.truncate(p, 0)"):  # fmt: skip
        assert not await attempt(first + deed), deed
    assert (await shared.run("int(prices['a'].sum())")).outputs == [{"text/plain": "3"}]


async def test_another_runs_sockets_and_folders_are_out_of_reach(new_box, attempt):
    async with new_box() as other:
        for path in (other.workspace, other.workspace / "k", other.workspace / "work"):
            assert not await attempt(f"os.listdir({str(path)!r})")
        assert not await attempt(CONNECT.format("socket.AF_UNIX", repr(str(other.workspace / "k" / "k-1"))))
        assert (await other.run("1 + 1")).ok

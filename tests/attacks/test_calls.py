"""Every system call that the filter denies, made in a real child; and both tables as programs."""

from __future__ import annotations

import errno
import platform

import pytest

from omc_agent.sandbox.wall import seccomp

pytestmark = pytest.mark.asyncio(loop_scope="session")

COLUMN = {"x86_64": 0, "aarch64": 1}.get(platform.machine(), 0)
NUMBERS = {
    name: numbers[COLUMN]
    for name, numbers in (seccomp.DENIED | seccomp.UNKNOWN).items()
    if numbers[COLUMN] is not None
}
CALL = """
libc = ctypes.CDLL(None, use_errno=True)
ctypes.set_errno(0)
done = libc.syscall({number}, {arguments})
print('said', done, ctypes.get_errno())
"""


# With -1 for every argument none of these calls does anything, should the filter ever let one through.
async def said(box, number: int, arguments: str = "-1, -1, -1, -1, -1, -1") -> tuple[int, int]:
    result = await box.run(CALL.format(number=number, arguments=arguments))
    _, done, number = result.text.split()
    return int(done), int(number)


@pytest.mark.parametrize("name", NUMBERS)
async def test_the_filter_answers_in_place_of_the_kernel(shared, name):
    wanted = errno.ENOSYS if name in seccomp.UNKNOWN else errno.EPERM
    assert await said(shared, NUMBERS[name]) == (-1, wanted)


@pytest.mark.parametrize("flag", [0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000])
async def test_clone_with_a_new_namespace_is_denied(shared, flag):
    assert await said(shared, seccomp.CLONE[COLUMN], f"{flag} | 17, 0, 0, 0, 0") == (-1, errno.EPERM)


async def test_threads_and_processes_still_work(shared):
    code = (
        "import threading, multiprocessing\n"
        "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
        "print(subprocess.run(['/usr/bin/true']).returncode)\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('fork')) as pool:\n"
        "    print(pool.submit(abs, -3).result())"
    )
    assert (await shared.run(code)).text == "thread\n0\n3\n"


async def test_another_entry_to_the_kernel_ends_the_child(new_box):
    """32-bit calls have other numbers: they would walk past every line of the filter."""
    if platform.machine() != "x86_64":
        pytest.skip("the 32-bit entry is one of x86-64 only")
    code = (
        "import mmap\n"
        "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "page.write(bytes.fromhex('b814000000cd80c3'))\n"  # mov eax, 20 (getpid); int 0x80; ret
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()\n"
        "print('WORKED')"
    )
    async with new_box() as box:
        result = await box.run(code)
        assert result.status == "killed"
        assert "WORKED" not in result.text
        assert (await box.run("ctypes.CDLL(None).syscall(0x40000000 + 39)\nprint('WORKED')")).status == "killed"


@pytest.mark.parametrize("machine", list(seccomp.ARCH))
@pytest.mark.parametrize("reduced", [False, True])
async def test_each_table_is_a_program_that_the_kernel_could_take(machine, reduced):
    program = seccomp.program(machine, reduced=reduced)
    steps = [program[at : at + 8] for at in range(0, len(program), 8)]
    assert len(program) % 8 == 0
    assert len(steps) < 4096
    assert steps[-1] == seccomp._step(seccomp._RET, seccomp.ALLOW)
    for number, step in enumerate(steps):
        code, yes, no = int.from_bytes(step[:2], "little"), step[2], step[3]
        if code in (seccomp._JEQ, seccomp._JGE, seccomp._JSET):
            assert number + 1 + max(yes, no) < len(steps)


@pytest.mark.parametrize("machine", list(seccomp.ARCH))
async def test_the_program_decides_as_the_tables_say(machine):
    """An interpreter of classic BPF walks the program for every call and architecture."""
    column = list(seccomp.ARCH).index(machine)
    program = seccomp.program(machine)

    def decide(number: int, *arguments: int, arch: int = seccomp.ARCH[machine]) -> int:
        words = {0: number, 4: arch}
        for place, argument in enumerate(arguments):
            words[16 + 8 * place] = argument & 0xFFFFFFFF
        at, held = 0, 0
        while True:
            code = int.from_bytes(program[at : at + 2], "little")
            yes, no = program[at + 2], program[at + 3]
            k = int.from_bytes(program[at + 4 : at + 8], "little")
            at += 8
            if code == seccomp._LD:
                held = words.get(k, 0)
            elif code == seccomp._AND:
                held &= k
            elif code == seccomp._RET:
                return k
            else:
                taken = {seccomp._JEQ: held == k, seccomp._JGE: held >= k, seccomp._JSET: bool(held & k)}[code]
                at += 8 * (yes if taken else no)

    denied, unknown = seccomp.ERRNO | errno.EPERM, seccomp.ERRNO | errno.ENOSYS
    for numbers in seccomp.DENIED.values():
        assert numbers[column] is None or decide(numbers[column]) == denied
    for numbers in seccomp.UNKNOWN.values():
        assert decide(numbers[column]) == unknown
    sockets = seccomp.SOCKET[column]
    assert decide(sockets, 1, 1) == decide(sockets, 1, 0x80801) == decide(sockets, 1, 5) == seccomp.ALLOW
    for family, kind in ((2, 1), (10, 1), (40, 1), (16, 3), (1, 2), (1, 0x80802)):
        assert decide(sockets, family, kind) == denied
    assert decide(seccomp.CLONE[column], 0x3D0F00) == seccomp.ALLOW  # a thread, as glibc makes it
    assert decide(seccomp.IOCTL[column], 1, 0x5401) == seccomp.ALLOW
    assert decide(seccomp.IOCTL[column], 1, 0x5412) == denied
    assert decide(0, arch=0x40000003) == seccomp.KILL
    with pytest.raises(OSError, match="no table"):
        seccomp.program("mips")

"""The system calls that a jailed command is refused, as a BPF filter: what leaves a jail, or reaches into other processes.

It lists what is refused, where that of judged programs lists what is allowed: an agent may be any program (node, Python, git), and what
it must not reach has no path and no route in its namespaces. The filter takes away the kernel's wider ways out.
Sources: seccomp(2), address_families(7), netlink(7), vsock(7).
"""

from __future__ import annotations

import struct

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
# Numbers on x86_64 and on aarch64 (-1: no such call).
_DENIED = """
ptrace 101 117; process_vm_readv 310 270; process_vm_writev 311 271; process_madvise 440 440; pidfd_getfd 438 438;
kcmp 312 272; bpf 321 280; perf_event_open 298 241; userfaultfd 323 282; io_uring_setup 425 425; io_uring_enter 426
426; io_uring_register 427 427; add_key 248 217; request_key 249 218; keyctl 250 219; mount 165 40; umount2 166 39;
pivot_root 155 41; chroot 161 51; unshare 272 97; setns 308 268; open_by_handle_at 304 265; name_to_handle_at 303 264;
init_module 175 105; finit_module 313 273; delete_module 176 106; kexec_load 246 104; kexec_file_load 320 294; reboot
169 142; swapon 167 224; swapoff 168 225; settimeofday 164 170; clock_settime 227 112; adjtimex 159 171; clock_adjtime
305 266; sethostname 170 161; setdomainname 171 162; acct 163 89; quotactl 179 60; quotactl_fd 443 443; fsopen 430
430; fsconfig 431 431; fspick 433 433; open_tree 428 428; move_mount 429 429; fsmount 432 432; mount_setattr 442 442;
syslog 103 116; personality 135 92; fanotify_init 300 262; lookup_dcookie 212 18; iopl 172 -1; ioperm 173 -1;
modify_ldt 154 -1; msgget 68 186; semget 64 190; shmget 29 194; mq_open 240 180
"""
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_IOCTL = {"x86_64": 16, "aarch64": 29}
_SOCKETS = {"x86_64": (41, 53), "aarch64": (198, 199)}
_NEW_NAMESPACES = 0x7E020080
_TYPING = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: typing on somebody's terminal."""
_LOCAL, _IP4, _IP6, _NETLINK = 1, 2, 10, 16
_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _GIVE = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _EPERM, _ENOSYS, _EAFNOSUPPORT = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026, 0x00050061


def filter_code(machine: str) -> bytes:
    """Returns the BPF program.

    Refused are the calls above, new namespaces, and sockets of any family but local ones, IP, and netlink for routes: virtual machines'
    sockets (vsock), for one, know no network namespace.

    Raises:
        KeyError: no filter is known for `machine`.
    """
    column = 1 if machine == "x86_64" else 2
    entries = (entry.split() for entry in _DENIED.replace("\n", " ").split(";"))
    denied = [int(entry[column]) for entry in entries if int(entry[column]) >= 0]
    body = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _ARCHITECTURES[machine]), (_GIVE, 0, 0, _KILL)]
    body += [(_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, _X32), (_GIVE, 0, 0, _EPERM)]
    for number in denied:
        body += [(_EQUAL, 0, 1, number), (_GIVE, 0, 0, _EPERM)]
    body += [
        (_EQUAL, 0, 1, _CLONE3),
        (_GIVE, 0, 0, _ENOSYS),
    ]  # its flags lie in memory; C libraries fall back to clone
    body += [
        (_EQUAL, 0, 4, _CLONE[machine]),
        (_LOAD, 0, 0, 16),
        (_HAS_BITS, 0, 1, _NEW_NAMESPACES),
        (_GIVE, 0, 0, _EPERM),
    ]
    body += [(_GIVE, 0, 0, _ALLOW)]
    body += [
        (_EQUAL, 0, 5, _IOCTL[machine]),
        (_LOAD, 0, 0, 24),
        (_EQUAL, 1, 0, _TYPING[0]),
        (_EQUAL, 0, 1, _TYPING[1]),
    ]
    body += [(_GIVE, 0, 0, _EPERM), (_GIVE, 0, 0, _ALLOW)]
    for number in _SOCKETS[machine]:
        body += [(_EQUAL, 0, 9, number), (_LOAD, 0, 0, 16)]
        body += [(_EQUAL, 5, 0, _LOCAL), (_EQUAL, 4, 0, _IP4), (_EQUAL, 3, 0, _IP6), (_EQUAL, 0, 3, _NETLINK)]
        body += [(_LOAD, 0, 0, 32), (_EQUAL, 0, 1, 0), (_GIVE, 0, 0, _ALLOW), (_GIVE, 0, 0, _EAFNOSUPPORT)]
    body += [(_GIVE, 0, 0, _ALLOW)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in body)

"""The attacks of the hostile suite, as programs. @NAMES@ are filled in by the arena."""

from __future__ import annotations

# An attempt returns how many of its attempts succeeded: 0 is what must come out.
ATTEMPTS = """
successes = []

def attempt(what, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except (OSError, ImportError, ValueError, AttributeError):
        return
    successes.append(what)
    print("succeeded:", what)
"""

FRUITLESS = {
    "what all processes share": """
        import ctypes, fcntl, mmap, os, resource, signal, time
        def f(x):
            libc = ctypes.CDLL(None, use_errno=True)
            held = os.open(os.__file__, os.O_RDONLY)
            for flags in (8, 0x80, 1):  # RWF_NOWAIT, RWF_DONTCACHE, RWF_HIPRI
                attempt(("preadv2", flags), os.preadv, held, [bytearray(1)], 0, flags)
            size = os.fstat(held).st_size
            mapped = mmap.mmap(held, size, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
            for kind in (12, 20, 21, 25, 100):  # MERGEABLE, COLD, PAGEOUT, COLLAPSE
                attempt(("madvise", kind), mapped.madvise, kind)
            for flag in (getattr(os, "O_DIRECT", 0), os.O_NOATIME):
                attempt(("open", flag), os.open, os.__file__, os.O_RDONLY | flag)
            locked = bytes(128)
            for command in (fcntl.F_GETLK, 36, 1024, 1025):  # F_OFD_GETLK, leases
                attempt(("fcntl", command), fcntl.fcntl, held, command, locked)
            for name in ("SC_AVPHYS_PAGES",):
                if os.sysconf(name) not in (-1, 0) and libc.sysinfo(ctypes.create_string_buffer(128)) == 0:
                    successes.append(name)
            attempt("load", os.getloadavg)
            attempt("free space", os.statvfs, ".")
            if os.uname().machine == "x86_64":
                place = ctypes.create_string_buffer(8192)
                page = ctypes.c_void_p((ctypes.addressof(place) + 4095) // 4096 * 4096)
                calls = {"mincore": (27, page, 4096, place), "readahead": (187, held, 0, 4096),
                         "cachestat": (451, held, place, place, 0), "statx": (332, -100, b".", 0, 0x4000, place),
                         "sysinfo": (99, place), "inotify": (294, 0), "shmget": (29, 7, 4096, 0o1666), "msgget": (68, 7, 0o1666),
                         "semget": (64, 7, 1, 0o1666), "mq_open": (240, b"name", 0o102, 0o666, None), "sync": (162,),
                         "syncfs": (306, held), "getpriority": (140, 2, 0), "ioprio_get": (252, 1, 0), "setaffinity": (203, 0, 8, place),
                         "sync_file_range": (277, held, 0, 0, 0), "futex_waitv": (449, place, 1, 0, None, 0),
                         "wake": (202, place, 1, 1), "clock": (228, (~@JUDGE@ << 3) | 2, place), "getpgid": (121, @PARENT@)}
                for name, (number, *arguments) in calls.items():
                    if libc.syscall(number, *arguments) >= 0:
                        successes.append(name)
            return len(successes)
        """,
    "environment and secrets": """
        import os, sys
        def f(x):
            for name in os.environ:
                if "SECRET" in name or "KEY" in name or "TOKEN" in name:
                    successes.append(name)
            for path in ("@FOLDER@/home/secret", "@FOLDER@/home/open", "@FOLDER@/one_more.py", "/etc/shadow", "/etc/passwd",
                         "/root/.bashrc", "/root/.ssh/id_rsa", "/proc/self/environ", "/proc/self/maps",
                         "/proc/@PARENT@/environ", "/proc/@JUDGE@/environ", "/proc/@JUDGE@/mem", "/proc/@ZYGOTE@/mem",
                         "/proc/@ZYGOTE@/maps", "/proc/@JUDGE@/cmdline", "/proc/1/cmdline", "/dev/mem", "/dev/kmsg"):
                attempt(path, open, path, "rb")
            for path in ("/", "/root", "/proc", "/proc/@JUDGE@/fd", "@FOLDER@", "/tmp", "/home", "/var", "/run"):
                attempt(path, os.listdir, path)
            if "HIDDEN-" + "ANSWER" in repr(sys.modules) or "the hidden" + " cases" in repr(sys.argv):
                successes.append("answers")
            return len(successes)
        """,
    "answers in memory": """
        import ctypes, gc, sys
        def f(x):
            needles = ["HIDDEN-" + "ANSWER", "the hidden " + "cases derive"]
            for item in gc.get_objects():
                if isinstance(item, dict):
                    for value in list(item.values()):
                        if isinstance(value, str) and needles[0] in value or isinstance(value, bytes) and needles[1].encode() in value:
                            successes.append(repr(value)[:80])
            for name in ("score", "cases"):
                for module in list(sys.modules.values()):
                    if hasattr(module, name) and "code_discovery" in getattr(module, "__name__", ""):
                        successes.append(name)
            return len(successes)
        """,
    "sockets": """
        import socket
        def f(x):
            for family, kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM),
                                 (socket.AF_INET6, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_STREAM),
                                 (socket.AF_UNIX, socket.SOCK_DGRAM), (socket.AF_INET, socket.SOCK_RAW),
                                 (socket.AF_NETLINK, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW),
                                 (socket.AF_VSOCK, socket.SOCK_STREAM)):
                attempt((family, kind), socket.socket, family, kind)
            attempt("pair", socket.socketpair)
            attempt("connect", socket.create_connection, ("127.0.0.1", 22), 0.2)
            return len(successes)
        """,
    "writing outside": """
        import os
        def f(x):
            for folder in ("/tmp", "/var/tmp", "/dev/shm", "/root", "/", "/etc", "@FOLDER@", "@FOLDER@/home", "..", "../..",
                           "/proc/self", "/sys"):
                attempt(folder, open, folder + "/discovery-hostile-mark", "w")
                attempt("mkdir " + folder, os.mkdir, folder + "/discovery-hostile-mark")
                attempt("link " + folder, os.symlink, "/etc/passwd", folder + "/discovery-hostile-mark")
            for name in ("secret", "open", "writable"):
                path = "@FOLDER@/home/" + name
                for mode in ("w", "a", "r+"):
                    attempt(mode + name, open, path, mode)
                attempt("truncate " + name, os.truncate, path, 0)
                attempt("unlink " + name, os.unlink, path)
                attempt("chmod " + name, os.chmod, path, 0o777)
                attempt("chown " + name, os.chown, path, os.getuid(), os.getgid())
                attempt("rename " + name, os.rename, path, path + "2")
                attempt("utime " + name, os.utime, path, (0, 0))
                attempt("hard link " + name, os.link, path, "mine")
                attempt("xattr " + name, os.setxattr, path, "user.x", b"1")
            return len(successes)
        """,
    "symlink escape": """
        import os
        def f(x):
            os.symlink("@FOLDER@/home", "door")
            os.symlink("/", "root")
            os.symlink("@FOLDER@/home/writable", "file")
            for path in ("door/secret", "door/open", "root/etc/passwd", "file"):
                attempt(path, open, path)
                attempt("w" + path, open, path, "r+")
            attempt("through", open, "door/new", "w")
            attempt("list", os.listdir, "door")
            attempt("at", lambda: os.open("open", os.O_RDONLY, dir_fd=os.open("door", os.O_PATH)))
            return len(successes)
        """,
    "deleting what is there": """
        import os, shutil, sys
        def f(x):
            for folder in ("/", os.path.dirname(os.__file__), "@FOLDER@", "/tmp", sys.prefix):
                shutil.rmtree(folder, ignore_errors=True)
            for module in list(sys.modules.values()):
                path = getattr(module, "__file__", None)
                if path and path.startswith("/"):
                    attempt("unlink " + path, os.unlink, path)
                    attempt("write " + path, open, path, "r+")
            return len(successes)
        """,
    "signals": """
        import os, signal, ctypes
        def f(x):
            libc = ctypes.CDLL(None, use_errno=True)
            for pid in (@PARENT@, @JUDGE@, @ZYGOTE@, os.getppid() or 2, 1 if os.getpid() != 1 else 2, -1, 0, -os.getppid() or -2):
                for number in (0, signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
                    attempt(("kill", pid, number), os.kill, pid, number)
            attempt("killpg", os.killpg, 0, signal.SIGKILL)
            for pid in set(range(2, 400)) - {os.getpid()}:  # in a container its own is among them
                attempt(("sweep", pid), os.kill, pid, signal.SIGKILL)
            for number in (234, 200, 129, 297, 424):  # tgkill, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal
                if libc.syscall(number, @JUDGE@, 9, 9) == 0:
                    successes.append(number)
            import fcntl
            read, write = os.pipe()
            attempt("F_SETOWN", fcntl.fcntl, read, fcntl.F_SETOWN, @JUDGE@)
            attempt("F_SETSIG", fcntl.fcntl, read, 10, 9)
            attempt("priority", os.setpriority, os.PRIO_USER, 0, 19)
            return len(successes)
        """,
    "ptrace and other calls": """
        import ctypes, os
        def f(x):
            libc = ctypes.CDLL(None, use_errno=True)
            machine = os.uname().machine
            if machine != "x86_64":
                return 0
            buffer = ctypes.create_string_buffer(4096)
            calls = {
                "ptrace attach": (101, 16, @JUDGE@, 0, 0), "ptrace traceme": (101, 0, 0, 0, 0), "process_vm_readv": (310,
                @JUDGE@, buffer, 1, buffer, 1, 0), "pidfd_open": (434, @JUDGE@, 0), "pidfd_getfd": (438, 3, 3, 0),
                "memfd_create": (319, b"x", 0), "bpf": (321, 0, buffer, 64), "userfaultfd": (323, 0), "io_uring_setup": (425,
                8, buffer), "keyctl": (250, 0, 0), "add_key": (248, b"user", b"x", b"x", 1, -3), "mount": (165, b"none",
                b"/tmp", b"tmpfs", 0, 0), "unshare user": (272, 0x10000000), "unshare net": (272, 0x40000000),
                "unshare mount": (272, 0x20000), "setns": (308, 0, 0), "open_by_handle_at": (304, -100, buffer, 0),
                "name_to_handle_at": (303, -100, b"/etc", buffer, buffer, 0), "shmget": (29, 0, 4096, 0o1600), "mq_open":
                (240, b"x", 0o102, 0o600, 0), "msgget": (68, 0, 0o1600), "semget": (64, 0, 1, 0o1600), "perf_event_open":
                (298, buffer, 0, -1, -1, 0), "clone3": (435, buffer, 88), "clone newuser": (56, 0x10000000 | 17, 0, 0, 0, 0),
                "fork": (57,), "vfork": (58,), "clone": (56, 17, 0, 0, 0, 0), "clone parent": (56, 0x8000 | 17, 0, 0, 0, 0),
                "setuid": (105, 0), "setresuid": (117, 0, 0, 0), "capset": (126, buffer, buffer), "chroot": (161, b"/"),
                "pivot_root": (155, b"/", b"/"), "personality": (135, 0x40000), "sethostname": (170, b"x", 1), "settimeofday":
                (164, buffer, 0), "reboot": (169, 1, 2, 3), "init_module": (175, buffer, 0, b""), "kexec": (246, 0, 0, 0, 0),
                "swapon": (167, b"/x", 0), "syslog": (103, 3, buffer, 100), "setrlimit": (160, 7, buffer), "prlimit": (302, 0,
                7, buffer, 0), "sched_setaffinity": (203, 0, 8, buffer), "pdeathsig off": (157, 1, 0, 0, 0, 0), "dumpable":
                (157, 4, 1, 0, 0, 0), "seccomp": (317, 0, 0, 0), "landlock": (444, buffer, 8, 0), "x32 getpid": (0x40000000 |
                39,), "acct": (163, b"x"), "mknod": (133, b"dev", 0o60666, 0), "quotactl": (179, 0, 0, 0, 0), "setsid":
                (112,), "fanotify": (300, 0, 0), "inotify": (294, 0), "execve": (59, b"/bin/true", 0, 0),
            }
            for name, arguments in calls.items():
                if libc.syscall(*map(lambda a: ctypes.c_long(a) if isinstance(a, int) else a, arguments)) >= 0:
                    successes.append(name)
                    print("succeeded:", name)
            return len(successes)
        """,
    "starting processes": """
        import os, subprocess, multiprocessing
        def f(x):
            attempt("fork", os.fork)
            attempt("spawn", os.posix_spawn, "/bin/true", ["true"], {})
            attempt("exec", os.execv, "/bin/true", ["true"])
            attempt("system", subprocess.run, ["/bin/true"])
            if os.system("true") == 0:
                successes.append("system")
            attempt("multiprocessing", lambda: multiprocessing.get_context("fork").Process(target=print).start())
            return len(successes)
        """,
    "inherited descriptors": """
        import os
        def f(x):
            for descriptor in list(range(5, 1024)):
                attempt(descriptor, os.fstat, descriptor)
                attempt(("write", descriptor), os.write, descriptor, b'{"evaluation": {"status": "ok", "score": 999}}')
            return len(successes)
        """,
    "forged result files": """
        import json, os
        def f(x):
            for name in ("result.json", "score.json", "metrics.json", "output.npy", "../result.json", "@FOLDER@/result.json"):
                attempt(name, lambda: open(name, "w").write(json.dumps({"status": "ok", "score": 999.0, "value": 999.0})))
            return len([name for name in successes if name.startswith((".", "/"))])
        """,
}


# name: (program, status, what the reason says)
ENDED = {
    "a report that nobody asked for, then a sleep": (
        """
        import os, time
        from evaluators.sandbox import plain
        from evaluators.sandbox import frames
        def f(x):
            os.write(4, frames.frame(frames.REPORT, plain.encode(999.0)))
            while True: time.sleep(100)
        """,
        "output",
        "reported an output",
    ),
    "a report that nobody asked for, then nothing": (
        """
        import os
        from evaluators.sandbox import plain
        from evaluators.sandbox import frames
        def f(x):
            os.write(4, frames.frame(frames.REPORT, plain.encode(999.0)))
        """,
        "output",
        "reported an output",
    ),
    "a report that nobody asked for, then the CPU limit": (
        """
        import os
        from evaluators.sandbox import plain
        from evaluators.sandbox import frames
        def f(x):
            os.write(4, frames.frame(frames.REPORT, plain.encode(999.0)))
            while True: pass
        """,
        "output",
        "reported an output",
    ),
    "infinite loop": ("def f(x):\n    while True: pass", "timeout", "CPU time|ran longer"),
    "loop that ignores signals": (
        """
        import signal
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        def f(x):
            while True:
                try:
                    while True: pass
                except BaseException: pass
        """,
        "timeout",
        "CPU time|ran longer",
    ),
    "sleep": ("import time\ndef f(x):\n    while True: time.sleep(100)", "timeout", r"ran longer than 1.8 s"),
    "loop while loading": ("while True: pass", "timeout", "CPU time|ran longer"),
    "sixteen busy threads": (
        """
        import threading
        def spin():
            while True: sum(range(10**6))
        def f(x):
            for _ in range(16): threading.Thread(target=spin).start()
            spin()
        """,
        "timeout",
        "CPU time|ran longer",
    ),
    "3 GB": ("def f(x):\n    return len(bytearray(3 << 30))", "memory", "memory"),
    "20 GB in numpy": (
        "import numpy as np\ndef f(x):\n    return float(np.ones(20 << 27).sum())",
        "memory",
        "memory",
    ),
    "3 GB step by step": (
        "def f(x):\n    a = []\n    while True: a.append(bytearray(1 << 20))",
        "memory",
        "memory",
    ),
    "small objects": ("def f(x):\n    a = []\n    while True: a.append([None] * 10000)", "memory", "memory"),
    "200 MB on stdout": (
        "def f(x):\n    for _ in range(200): print('x' * 10**6)",
        "output",
        "printed more than 64 KiB",
    ),
    "stderr by descriptor": (
        "import os\ndef f(x):\n    while True: os.write(2, b'y' * 10**5)",
        "output",
        "printed more than 64 KiB",
    ),
    "1 GB return value": ("def f(x):\n    return 'x' * (1 << 30)", "memory", "memory"),
    "8 MB return value": ("def f(x):\n    return 'x' * (8 << 20)", "output", "the limit is 1048576"),
    "8 MB array": (
        "import numpy as np\ndef f(x):\n    return np.zeros(1 << 20)",
        "output",
        "the limit is 1048576",
    ),
    "deeply nested": (
        "def f(x):\n    v = []\n    for _ in range(10**5): v = [v]\n    return v",
        "output",
        "nested deeper",
    ),
    "itself inside": ("def f(x):\n    v = []\n    v.append(v)\n    return v", "output", "nested deeper"),
    "NaN": ("def f(x):\n    return float('nan')", "invalid", "finite number"),
    "inf": ("def f(x):\n    return -float('inf')", "invalid", "finite number"),
    "object": ("class A: pass\ndef f(x):\n    return A()", "output", "not plain data"),
    "object array": (
        "import numpy as np\ndef f(x):\n    return np.array([object()])",
        "output",
        "dtype object",
    ),
    "huge integer": ("def f(x):\n    return 10 ** 5000", "output", "digits"),
    "too good": ("def f(x):\n    return 10 ** 6", "rejected", "plausible"),
    "lying subclass": (
        """
        class Liar(float):
            def __float__(self): return 999.0
            def __repr__(self): return "999.0"
            def __eq__(self, other): return True
        class List(list):
            def __iter__(self): return iter([999.0])
        def f(x):
            assert List([1.0])
            return Liar("nan")
        """,
        "invalid",
        "finite number",
    ),
    "patched builtins": ("import builtins\nbuiltins.len = lambda *a: 999\ndef f(x): return 1", "timeout", ""),
    "exit code 0": ("import os\ndef f(x):\n    os._exit(0)", "crashed", "exit code 0 without an answer"),
    "exit": ("def f(x):\n    raise SystemExit(0)", "error", "SystemExit"),
    "exit while loading": ("import os\nos._exit(72)", "crashed", "exit code 72 without"),
    "SIGSEGV": ("import ctypes\ndef f(x):\n    return ctypes.string_at(0)", "crashed", "SIGSEGV"),
    "abort": ("import os\ndef f(x):\n    os.abort()", "crashed", "SIGABRT|SIGSEGV|SIGKILL"),
    "C stack": (
        """
        import sys
        sys.setrecursionlimit(10**9)
        def f(x): return f(x)
        """,
        "crashed|memory|error|timeout",
        "",
    ),
    "recursion": ("def f(x):\n    return f(x)", "error", "RecursionError"),
    "error with hostile text": (
        """
        class E(Exception):
            def __str__(self): raise ValueError
        def f(x): raise E
        """,
        "error",
        "cannot be read",
    ),
    "closed channel": (
        "import os, time\ndef f(x):\n    os.close(4)\n    time.sleep(60)",
        "crashed",
        "closed its channel",
    ),
    "half-written frame": (
        "import os\ndef f(x):\n    os.write(4, b'\\x10\\x00\\x00\\x00Oj')\n    os._exit(0)",
        "crashed",
        "without an answer",
    ),
    "half-written frame and waiting": (
        "import os, time\ndef f(x):\n    os.write(4, b'\\x10\\x00\\x00\\x00Oj')\n    time.sleep(60)",
        "timeout",
        "ran longer",
    ),
    "oversized frame": (
        "import os\ndef f(x):\n    os.write(4, b'\\xff\\xff\\xff\\x7fO' + b'x' * 1000)\n    return 1",
        "output",
        "the limit is 1048576",
    ),
    "malformed frame": (
        "import os\ndef f(x):\n    os.write(4, b'GET / HTTP/1.1\\r\\n')\n    return 1",
        "output",
        "no message",
    ),
    "empty frame": (
        "import os\ndef f(x):\n    os.write(4, b'\\x00\\x00\\x00\\x00O')\n    return 1",
        "output",
        "no message",
    ),
    "malformed output": (
        "import os, time\ndef f(x):\n    os.write(4, b'\\x05\\x00\\x00\\x00Oj{[}')\n    time.sleep(60)",
        "output",
        "malformed",
    ),
    "pickle": (
        "import os, pickle, time\ndef f(x):\n    d = pickle.dumps(os.system)\n"
        "    os.write(4, (len(d) + 1).to_bytes(4, 'little') + b'O' + d)\n    time.sleep(60)",
        "output",
        "malformed",
    ),
    "nested bomb": (
        "import os, time\ndef f(x):\n    d = b'j' + b'[' * 900000\n"
        "    d = (len(d) + 1).to_bytes(4, 'little') + b'O' + d\n"
        "    while d: d = d[os.write(4, d):]\n    time.sleep(60)",
        "output",
        "malformed",
    ),
    "lying array": (
        "import os, time\ndef f(x):\n    d = b'a' + (28).to_bytes(4, 'little') + b'[{\"$\":0},[[\"<f8\",[999999]]]]' + b'12345678'\n"
        "    os.write(4, (len(d) + 1).to_bytes(4, 'little') + b'O' + d)\n    time.sleep(60)",
        "output",
        "malformed",
    ),
    "malformed error": (
        "import os, time\ndef f(x):\n    os.write(4, b'\\x03\\x00\\x00\\x00E[]')\n    time.sleep(60)",
        "output",
        "malformed error",
    ),
    "request without an oracle": (
        "import os, time\ndef f(x):\n    os.write(4, b'\\x03\\x00\\x00\\x00Qj1')\n    time.sleep(60)",
        "output",
        "no.*oracle|oracle",
    ),
    "flood of reports": (
        "import os\ndef f(x):\n    while True: os.write(4, b'\\x03\\x00\\x00\\x00Rj1' * 5000)",
        "output|timeout|ok",
        "",
    ),
    "scratch in one file": (
        "def f(x):\n    with open('big', 'wb') as file:\n        for _ in range(100): file.write(b'x' * 10**6); file.flush()",
        "error|output",
        "File too large|No space|scratch",
    ),
    "scratch in many files": (
        """
        import time
        def f(x):
            for i in range(400):
                with open(str(i), 'wb') as file: file.write(b'x' * 10**6)
                time.sleep(0.002)
            time.sleep(1)
        """,
        "error|output",
        "No space|scratch",
    ),
    "scratch in deleted files": (
        """
        import os, time
        def f(x):
            kept = []
            for i in range(50):
                file = open(str(i), 'wb', buffering=0)
                os.unlink(str(i))
                file.write(b'x' * 10**6)
                kept.append(file)
            time.sleep(1)
        """,
        "error|output",
        "No space|scratch",
    ),
    "scratch in empty files": (
        """
        import time
        def f(x):
            for i in range(10**6): open(str(i), 'w').close()
        """,
        "error|output|timeout",
        "",
    ),
    "deep folders": (
        """
        import os, time
        def f(x):
            for i in range(3000):
                os.mkdir('d' * 100); os.chdir('d' * 100)
                open('file', 'w').write('x')
            time.sleep(1)
        """,
        "error|output|timeout",
        "",
    ),
}


HARMLESS = {
    "patched time": "import time\ntime.time = time.monotonic = time.perf_counter = lambda: 0.0\ndef f(x): return 1",
    "patched json": "import json\njson.dumps = lambda *a, **k: '1'\njson.loads = lambda *a, **k: 999\ndef f(x): return 999",
    "patched numpy": "import numpy as np\nnp.array = np.asarray = np.isfinite = lambda *a, **k: 999\ndef f(x): return 1",
    "patched contract": """
        import sys
        import evaluators.contract as c
        c.Invalid = c.Exhausted = Exception
        c.Objective.fitness = lambda self, score: 999
        c.Limits.cpu_s = 10**9
        def f(x): return 1
        """,
    "patched harness": """
        import sys
        from evaluators.sandbox import child, frames
        import evaluators.sandbox.plain as plain
        plain.MAX_DEPTH = 10**9
        child._answer.__globals__["frames"].MAX_TEXT_BYTES = 10**9
        def f(x): return 1
        """,
    "atexit": """
        import atexit
        def late():
            import os
            while True: os.write(4, b"x" * 1000)
        atexit.register(late)
        def f(x): return 1
        """,
    "__del__": """
        class D:
            def __del__(self):
                while True: pass
        keep = D()
        def f(x): return 1
        """,
    "settrace": """
        import sys, threading
        def trace(frame, event, argument): return trace
        sys.settrace(trace); sys.setprofile(lambda *a: None); threading.settrace(trace)
        def f(x): return 1
        """,
    "background threads": """
        import threading, os, time
        def late():
            time.sleep(0.05)
            while True: os.write(4, (9).to_bytes(4, "little") + b"Oj999.0\\n")
        def f(x):
            threading.Thread(target=late, daemon=True).start()
            threading.Thread(target=late).start()
            return 1
        """,
    "poisoned imports": """
        import builtins, sys, os, types
        sys.modules["math"] = types.ModuleType("math")
        sys.path.insert(0, os.getcwd())
        for name in ("numpy.py", "json.py", "sitecustomize.py", "usercustomize.py", "program.py", "evaluators.py", "x.pth"):
            open(name, "w").write("raise SystemExit(1)")
        os.makedirs("__pycache__")
        os.environ["PYTHONPATH"] = os.environ["LD_PRELOAD"] = os.getcwd()
        sys.setrecursionlimit(100)
        import numpy as np
        np.random.seed(99); np.float64 = float
        def f(x): return 1
        """,
    "umask, modes and working folder": """
        import os
        os.umask(0o777)
        os.mkdir("a"); os.mkdir("b")
        open("file", "w").close()
        try: os.chmod("a", 0)
        except OSError: pass
        try: os.chmod(".", 0)
        except OSError: pass
        os.chdir("/")
        def f(x): return 1
        """,
}


FORKS = {
    "fork bomb": """
        import os
        def f(x):
            while True:
                try: os.fork()
                except OSError: pass
        """,
    "200 children that setsid": """
        import os, time
        def f(x):
            for _ in range(200):
                try:
                    if os.fork() == 0:
                        os.setsid()
                        while True: time.sleep(100)
                except OSError: pass
            return 1
        """,
    "double-fork daemon": """
        import os, time
        def f(x):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    for descriptor in range(64):
                        try: os.close(descriptor)
                        except OSError: pass
                    while True: time.sleep(100)
                os._exit(0)
            os.wait()
            return 1
        """,
    "daemon that outlives the timeout": """
        import os, time
        def f(x):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    while True:
                        time.sleep(0.01)
                os._exit(0)
            while True: time.sleep(100)
        """,
    "killing every process": """
        import os, signal
        def f(x):
            if os.fork() == 0:
                os.kill(-1, signal.SIGKILL)
                for pid in (@PARENT@, @JUDGE@, @ZYGOTE@):
                    try: os.kill(pid, signal.SIGKILL)
                    except OSError: pass
                os._exit(0)
            os.wait()
            return 1
        """,
    "executed programs": """
        import subprocess
        def f(x):
            for command in ("cat /etc/shadow", "cat @FOLDER@/home/open", "touch @FOLDER@/mark", "kill -9 @JUDGE@",
                            "cat /proc/@JUDGE@/environ", "ls /root"):
                done = subprocess.run(["/bin/sh", "-c", command], capture_output=True)
                if done.returncode == 0:
                    return 999
            ok = subprocess.run(["/bin/sh", "-c", "echo 1"], capture_output=True)
            return int(ok.stdout)
        """,
}

"""The channels that are tried: for each a sender and a receiver, as programs."""

from __future__ import annotations

from dataclasses import dataclass

COMMON = """
import ctypes, fcntl, mmap, os, struct, threading, time
libc = ctypes.CDLL(None, use_errno=True)
PAGE, STEP = 4096, 64
def quiet(call, *arguments):
    try: return call(*arguments)
    except (OSError, ValueError): return None
def pages(x):
    held = os.open(x["file"], os.O_RDONLY)
    return held, [(7 + STEP * k) * PAGE for k in range(len(x["bits"]))]
def mapped(x):
    held, at = pages(x)
    return mmap.mmap(held, 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED), at
def slots(x):
    start = time.time()
    for k, bit in enumerate(x["bits"]):
        begin = (x["at"] or start) + k * x["slot"]
        time.sleep(max(0.0, begin - time.time()))
        yield bit, begin + 0.8 * x["slot"]
def timed(call, *arguments):
    begin = time.perf_counter_ns()
    quiet(call, *arguments)
    return float(time.perf_counter_ns() - begin)
"""


@dataclass(frozen=True, slots=True)
class Channel:
    """What a sender and a receiver do: bodies of `f(x)`; x has bits, file, and at and slot (when to do what)."""

    name: str
    send: str
    receive: str
    bits: int = 64


CHANNELS = (
    Channel(
        "page residue, seen by a read that must not wait",
        """
        held, at = pages(x)
        quiet(os.posix_fadvise, held, 0, 0, os.POSIX_FADV_RANDOM)
        quiet(os.posix_fadvise, held, 0, 0, os.POSIX_FADV_DONTNEED)
        for bit, place in zip(x["bits"], at):
            if bit: os.pread(held, 1, place)
        """,
        """
        held, at = pages(x)
        return [float(quiet(os.preadv, held, [bytearray(1)], place, 8) is not None) for place in at]
        """,
    ),
    Channel(
        "page residue, seen by the time of a read",
        """
        held, at = pages(x)
        for bit, place in zip(x["bits"], at):
            if bit: os.pread(held, 1, place)
        """,
        "held, at = pages(x)\nreturn [timed(os.pread, held, 1, place) for place in at]",
    ),
    Channel(
        "page residue, seen by mincore",
        """
        area, at = mapped(x)
        for bit, place in zip(x["bits"], at):
            if bit: area[place]
        """,
        """
        area, at = mapped(x)
        libc.mmap.restype = ctypes.c_void_p
        start = libc.mmap(None, ctypes.c_size_t(len(area)), 1, 1, pages(x)[0], ctypes.c_long(0))
        state = ctypes.create_string_buffer(1)
        out = []
        for place in at:
            failed = libc.mincore(ctypes.c_void_p(start + place), ctypes.c_size_t(4096), state)
            out.append(-1.0 if failed else float(state.raw[0] & 1))
        return out
        """,
    ),
    Channel(
        "pages pushed out by advice",
        """
        area, at = mapped(x)
        for place in at: area[place]
        for bit, place in zip(x["bits"], at):
            if bit: quiet(area.madvise, 21, place, 64 * 4096)
        """,
        "held, at = pages(x)\nreturn [timed(os.pread, held, 1, place) for place in at]",
    ),
    Channel(
        "names that are not there, seen by the time of a look",
        """
        for k, bit in enumerate(x["bits"]):
            if bit: quiet(os.stat, f"/usr/lib/{x['name']}-{k}")
        """,
        """
        for k in range(50): timed(os.stat, f"/usr/lib/{x['name']}-warm-{k}")
        return [timed(os.stat, f"/usr/lib/{x['name']}-{k}") for k in range(len(x["bits"]))]
        """,
    ),
    Channel(
        "access times of files",
        """
        names = sorted(name for name in os.listdir(os.path.dirname(os.__file__)) if name.endswith(".py"))
        for bit, name in zip(x["bits"], names):
            if bit: os.read(os.open(os.path.join(os.path.dirname(os.__file__), name), os.O_RDONLY), 1)
        time.sleep(0.05)
        """,
        """
        folder = os.path.dirname(os.__file__)
        names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
        return [os.stat(os.path.join(folder, name)).st_atime for name in names[: len(x["bits"])]]
        """,
        16,
    ),
    Channel(
        "record locks",
        """
        held, _ = pages(x)
        for k, bit in enumerate(x["bits"]):
            if bit: quiet(fcntl.fcntl, held, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, k, 1, 0))
        time.sleep(max(0.0, x["at"] + 0.3 - time.time()))
        """,
        """
        held, _ = pages(x)
        time.sleep(max(0.0, x["at"] + 0.1 - time.time()))
        out = []
        for k in range(len(x["bits"])):
            ask = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, k, 1, 0)
            reply = quiet(fcntl.fcntl, held, fcntl.F_GETLK, ask)
            out.append(-1.0 if reply is None else float(struct.unpack("hhqqi4x", reply)[0]))
        return out
        """,
    ),
    Channel(
        "whole-file locks",
        """
        held, _ = pages(x)
        for bit, end in slots(x):
            quiet(fcntl.flock, held, fcntl.LOCK_EX if bit else fcntl.LOCK_UN)
        """,
        """
        held, _ = pages(x)
        out = []
        for _, end in slots(x):
            time.sleep(x["slot"] / 2)
            out.append(float(quiet(lambda: fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB) or 1) is None))
            quiet(fcntl.flock, held, fcntl.LOCK_UN)
        return out
        """,
        24,
    ),
    Channel(
        "waiters on a word of a shared file",
        """
        area, at = mapped(x)
        libc.mmap.restype = ctypes.c_void_p
        start = libc.mmap(None, ctypes.c_size_t(len(area)), 1, 1, pages(x)[0], ctypes.c_long(0))
        limit = struct.pack("qq", 0, int(x["slot"] * 0.9e9))
        for (bit, end), place in zip(slots(x), at):
            value = struct.unpack_from("I", area, place)[0]
            if bit: libc.syscall(202, ctypes.c_void_p(start + place), 0, value, limit)
        """,
        """
        area, at = mapped(x)
        libc.mmap.restype = ctypes.c_void_p
        start = libc.mmap(None, ctypes.c_size_t(len(area)), 1, 1, pages(x)[0], ctypes.c_long(0))
        out = []
        for (_, end), place in zip(slots(x), at):
            time.sleep(x["slot"] / 2)
            out.append(float(libc.syscall(202, ctypes.c_void_p(start + place), 1, 1)))
        return out
        """,
        24,
    ),
    Channel(
        "scratch folder: inode numbers",
        "for k in range(200 * x['bits'][0]): os.close(os.open(f'f{k % 9}', os.O_CREAT | os.O_RDWR)); os.unlink(f'f{k % 9}')",
        "os.close(os.open('mine', os.O_CREAT | os.O_RDWR))\nreturn [float(os.stat('mine').st_ino - os.stat('.').st_ino)]",
        1,
    ),
    Channel(
        "scratch folder: mode, times, device, contents",
        """
        if x["bits"][0]:
            os.mkdir("left"); open("left/file", "w").close()
            quiet(os.utime, ".", (1, 1)); quiet(os.chmod, ".", 0)
        """,
        """
        state = os.stat(".")
        return [float(state.st_mode + 1e3 * state.st_nlink + 1e6 * len(os.listdir(".")) + (state.st_mtime < 1e6)),
                float(state.st_dev), time.time() - state.st_mtime][:1] * len(x["bits"])
        """,
        1,
    ),
    Channel(
        "scratch folder: device number",
        "if x['bits'][0]: open('left', 'w').close()",
        "return [float(os.stat('.').st_dev)]",
        1,
    ),
    Channel(
        "numbers of processes",
        """
        for _ in range(300 * x["bits"][0]):
            thread = threading.Thread(target=int); thread.start(); thread.join()
        """,
        "return [float(os.getpid() + threading.get_native_id())]",
        1,
    ),
    Channel(
        "count of processes",
        """
        stop = threading.Event()
        for _ in range(40 * x["bits"][0]): threading.Thread(target=stop.wait, daemon=True).start()
        time.sleep(max(0.0, x["at"] + 0.3 - time.time()))
        stop.set()
        """,
        """
        time.sleep(max(0.0, x["at"] + 0.1 - time.time()))
        state = quiet(os.stat, "/proc")
        return [float(state.st_nlink if state else -1)]
        """,
        1,
    ),
    Channel(
        "load figures and free space of the system",
        """
        end = x["at"] + 0.3
        held = bytearray(8 << 20) if x["bits"][0] else b""
        while x["bits"][0] and time.time() < end: pass
        """,
        """
        load, space = quiet(os.getloadavg), quiet(os.statvfs, "/")
        return [float(load[0] if load else -1) + float(space.f_bfree if space else -1)]
        """,
        1,
    ),
    Channel(
        "CPU clocks of other processes",
        """
        end = time.time() + 0.3
        while x["bits"][0] and time.time() < end: pass
        time.sleep(max(0.0, x["at"] + 0.3 - time.time()))
        """,
        """
        time.sleep(max(0.0, x["at"] + 0.25 - time.time()))
        return [sum(quiet(time.clock_gettime, (~(os.getpid() + k) << 3) | 2) or 0.0 for k in range(-40, 40) if k)]
        """,
        1,
    ),
    Channel(
        "named objects: /dev/shm, System V, keyrings, sockets",
        """
        if x["bits"][0]:
            for folder in ("/dev/shm", "/tmp", "/var/tmp", ".."):
                quiet(lambda: open(f"{folder}/{x['name']}", "w"))
            for number, *rest in ((29, 77, 4096, 0o1666), (68, 77, 0o1666), (64, 77, 1, 0o1666), (248, b"user", b"name", b"v", 1, -3)):
                libc.syscall(number, *rest)
        """,
        """
        found = sum(os.path.lexists(f"{folder}/{x['name']}") for folder in ("/dev/shm", "/tmp", "/var/tmp", ".."))
        for number, *rest in ((29, 77, 4096, 0), (68, 77, 0), (64, 77, 1, 0), (249, b"user", b"name", None, 0)):
            found += libc.syscall(number, *rest) >= 0
        return [float(found)]
        """,
        1,
    ),
    Channel(
        "processor load",
        """
        import hashlib
        block = bytes(1 << 18)
        def work(end):
            while time.time() < end: hashlib.sha256(block)  # which leaves the other threads of this program alone
        for bit, end in slots(x):
            threads = [threading.Thread(target=work, args=(end,)) for _ in range(2 * (os.cpu_count() or 1) * bit)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        """,
        """
        out = []
        for _, end in slots(x):
            count = 0
            while time.time() < end: count += 1
            out.append(float(count))
        return out
        """,
        24,
    ),
    Channel(
        "processor cache, memory that both map",
        """
        import numpy as np
        area, at = mapped(x)
        data = np.frombuffer(area, np.uint8)
        for _ in range(200):
            for bit, place in zip(x["bits"], at):
                if bit: data[place : place + PAGE].sum()
        """,
        """
        import numpy as np
        area, at = mapped(x)
        data = np.frombuffer(area, np.uint8)
        for place in at: data[place + PAGE]
        out = []
        for place in at:
            part = data[place : place + PAGE]
            begin = time.perf_counter_ns(); part.sum(); out.append(float(time.perf_counter_ns() - begin))
        return out
        """,
        32,
    ),
    Channel(
        "processor cache, memory of the common parent",
        """
        import numpy as np
        import numpy.linalg as common
        base = id(common) & ~4095
        lines = [(ctypes.c_char * 2048).from_address(base + 4096 * k) for k in range(-16, 16)]
        for _ in range(3000):
            for bit, line in zip(x["bits"], lines):
                if bit: line.raw
        """,
        """
        import numpy as np
        import numpy.linalg as common
        base = id(common) & ~4095
        lines = [(ctypes.c_char * 2048).from_address(base + 4096 * k) for k in range(-16, 16)]
        out = []
        for line in lines:
            begin = time.perf_counter_ns(); line.raw; out.append(float(time.perf_counter_ns() - begin))
        return out
        """,
        32,
    ),
)

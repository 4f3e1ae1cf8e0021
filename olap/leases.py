"""A lease: the kernel's word that nobody else has a file open, in any way.

`fcntl(F_SETLEASE, F_WRLCK)` is refused while another open file refers to the same inode: in any
process, container or mount of this machine, through another hard link, or by a mapping that
outlives its descriptor. An open that begins later waits until the lease is given back.

The kernel knows the readers of its own machine. A file system that other machines read too may
grant a lease beside them, so that only file systems which are local by their kind are asked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCAL = {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "tmpfs", "xfs", "zfs"}


@contextmanager
def leased(descriptor: int) -> Iterator[None]:
    """Hold the lease of a file that is open for writing during the block.

    Raises:
        OSError: somebody else has the file open, or it has another name; somebody tried to open
            it during the block; or its file system gives no leases that could be relied on.
    """
    if sys.platform != "linux" or not is_local(os.fstat(descriptor).st_dev):
        raise OSError(errno.EOPNOTSUPP, "the file system gives no leases")
    # The signal of an open that waits: SIGURG is ignored, where SIGIO would end this process.
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    try:
        if (names := os.fstat(descriptor).st_nlink) != 1:
            raise OSError(errno.EMLINK, f"the file has {names} names")
        yield
        if fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_WRLCK:
            raise OSError(errno.EAGAIN, "a process opened the file meanwhile")
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def is_local(device: int) -> bool:
    """Whether only this machine can have files of a mounted device open, as far as is known.

    Args:
        device: `st_dev` of a file.
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False
    # The third field is the device; the kind of file system follows a single hyphen.
    kinds = [mount.partition(" - ")[2].split()[0] for mount in mounts if mount.split()[2] == wanted]
    return any(kind in _LOCAL for kind in kinds)

"""One process at a time: a lock that the system lets go of when the process ends."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import IO

from astrodetect.core.errors import AstrodetectError

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        file.seek(1 << 20)  # beyond the text, which others may then read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """Holds a file; the file says who does.

    A killed process leaves the file but not the lock, so nothing has to be cleaned up by hand. A
    file system without locks lets everybody in.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it guards, for the message.

    Raises
    ------
    AstrodetectError
        Another process holds it.
    OSError
        It cannot be written.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        while True:
            self._file = path.open("a+b")
            try:
                _take(self._file)
            except (BlockingIOError, PermissionError) as error:
                holder = self._holder()
                self._file.close()
                raise AstrodetectError(
                    f"{what}: is being written by {holder}; wait for it or choose another --out"
                ) from error
            except OSError:  # the file system knows no locks
                pass
            if self._is_current():
                break
            self._file.close()
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        self._file.flush()

    def _holder(self) -> str:
        self._file.seek(0)
        return self._file.read(200).decode("utf-8", "replace") or "another process"

    def _is_current(self) -> bool:
        """Tell whether the file is still under its name: the former holder removes it at the end."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self, *, remove: bool = False) -> None:
        """Let go; `remove` takes the file away as well."""
        if self._file.closed:
            return
        if remove and sys.platform != "win32":
            self._path.unlink(missing_ok=True)
        self._file.close()
        if remove and sys.platform == "win32":
            self._path.unlink(missing_ok=True)

"""A disk that forgets: what was written is noted, and what a power cut could leave of it is rebuilt.

The model is that of POSIX, at its least friendly: until a file is fsynced, any part of what was written
to it since may be missing (here: everything after any byte); until a folder is fsynced, a name that was
made, replaced or removed in it may be there or not, each for itself, in any combination that keeps the
order on one name. What was synced stays.
"""

from __future__ import annotations

import builtins
import io
import os
import random
from pathlib import Path
from typing import Any

import pytest


class Disk:
    """Notes every write, rename, removal and fsync below a folder while a test works there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        #: ("write", inode, offset, bytes), ("truncate", inode, size), ("sync", inode),
        #: ("name", folder, name, inode or None), ("sync folder", folder)
        self.events: list[tuple[Any, ...]] = []

    def note(self, *event: Any) -> None:
        """Note that something happened."""
        self.events.append(event)

    def _inside(self, path: Any) -> bool:
        return Path(path).is_relative_to(self.root)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Stand between Python and the system."""
        opening = self._opening(io.open)
        patch.setattr(io, "open", opening)
        patch.setattr(builtins, "open", opening)
        patch.setattr(os, "fsync", self._syncing(os.fsync))
        patch.setattr(os, "replace", self._renaming(os.replace))
        patch.setattr(os, "unlink", self._naming(os.unlink, None))
        patch.setattr(os, "rmdir", self._naming(os.rmdir, None))
        patch.setattr(os, "mkdir", self._naming(os.mkdir, "folder"))

    def _opening(self, real: Any) -> Any:
        def opening(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            ours = not isinstance(file, int) and self._inside(file)
            new = ours and not os.path.exists(file)
            opened = real(file, mode, *args, **kwargs)
            if not ours or not set(mode) & set("wax+"):
                return opened
            inode = os.fstat(opened.fileno()).st_ino
            if new:
                self.note("name", Path(file).parent, Path(file).name, inode)
            if "w" in mode:
                self.note("truncate", inode, 0)
            return Watched(self, opened, inode)

        return opening

    def _syncing(self, real: Any) -> Any:
        def sync(descriptor: int) -> None:
            real(descriptor)
            place = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            folder = place.is_dir()
            self.note(*(("sync folder", place) if folder else ("sync", os.fstat(descriptor).st_ino)))

        return sync

    def _renaming(self, real: Any) -> Any:
        def renamed(source: Any, target: Any, **_: Any) -> None:
            inode = os.stat(source).st_ino
            real(source, target)
            if self._inside(target):
                self.note("name", Path(target).parent, Path(target).name, inode)
                self.note("name", Path(source).parent, Path(source).name, None)

        return renamed

    def _naming(self, real: Any, held: Any) -> Any:
        def changed(path: Any, *args: Any, **kwargs: Any) -> None:
            real(path, *args, **kwargs)
            if self._inside(path):
                self.note("name", Path(path).parent, Path(path).name, held)

        return changed

    def after_power_cut(self, n_events: int, rng: random.Random, target: Path) -> None:
        """Write to `target` what may be there if the power fails after so many events."""
        data: dict[Any, bytearray] = {}
        safe: dict[Any, bytes] = {}
        names: dict[tuple[Path, str], Any] = {}
        pending: dict[Path, list[tuple[str, Any]]] = {}
        for event in self.events[:n_events]:
            kind = event[0]
            if kind == "write":
                held = data.setdefault(event[1], bytearray())
                held.extend(bytes(max(0, event[2] - len(held))))
                held[event[2] : event[2] + len(event[3])] = event[3]
            elif kind == "truncate":
                held = data.setdefault(event[1], bytearray())
                del held[event[2] :]
                held.extend(bytes(event[2] - len(held)))
            elif kind == "sync":
                safe[event[1]] = bytes(data.get(event[1], b""))
            elif kind == "name":
                pending.setdefault(event[1], []).append((event[2], event[3]))
            else:
                names.update({(event[1], name): inode for name, inode in pending.pop(event[1], [])})
        for folder, changes in pending.items():
            for name in dict.fromkeys(name for name, _ in changes):
                own = [inode for other, inode in changes if other == name]
                kept = rng.randrange(len(own) + 1)  # the first so many of the changes of a name
                if kept:
                    names[folder, name] = own[kept - 1]
        self._rebuild(names, data, safe, rng, target)

    def _rebuild(self, names: Any, data: Any, safe: Any, rng: random.Random, target: Path) -> None:
        target.mkdir()
        folders = {self.root: target}
        for (folder, name), inode in sorted(names.items(), key=lambda item: len(item[0][0].parts)):
            if inode == "folder" and folder in folders:
                folders[folder / name] = folders[folder] / name
                (folders[folder] / name).mkdir()
        for (folder, name), inode in names.items():
            if inode in (None, "folder") or folder not in folders:
                continue
            held, kept = bytes(data.get(inode, b"")), safe.get(inode, b"")
            if held != kept:  # a suffix of what was not synced is lost, or zeros
                same = (i for i, (a, b) in enumerate(zip(held, kept, strict=False)) if a != b)
                cut = rng.randint(next(same, min(len(held), len(kept))), len(held))
                held = held[:cut] + (bytes(rng.choice((0, len(held) - cut))))
            (folders[folder] / name).write_bytes(held)


class Watched:
    """A file whose writes are noted when they reach the system."""

    def __init__(self, disk: Disk, file: Any, inode: int) -> None:
        self._disk, self._file, self._inode = disk, file, inode

    def write(self, data: Any) -> int:
        place = self._file.tell() if "a" not in self._file.mode else os.fstat(self._file.fileno()).st_size
        count: int = self._file.write(data)
        self._file.flush()
        self._disk.note("write", self._inode, place, bytes(memoryview(data).cast("B")[:count]))
        return count

    def truncate(self, size: int | None = None) -> int:
        size = self._file.tell() if size is None else size
        done: int = self._file.truncate(size)
        self._disk.note("truncate", self._inode, size)
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

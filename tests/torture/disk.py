"""The disk as it may be after a power cut: rebuilt from the record of what was written, named and synced.

What is asked of a disk is what docs/durability.md asks: after a sync of a file its bytes and size last, after a sync of a
directory the names in it, after syncfs everything that was done before it began. Of the rest each 512-byte sector is as it
was at some moment since, each name likewise, and nothing is asked of their order. A sync that has not returned promises
nothing, and what was written after it began it does not cover.
"""
import os
import posixpath
import struct

HEADER = struct.Struct("<IIQQ")
OPEN, WRITE, SIZE, SYNC_FROM, SYNC_DONE, ALL_FROM, ALL_DONE, RENAME, UNLINK, MKDIR, RMDIR = range(1, 12)
SECTOR = 512
CUTS = ("drop", "keep", "tear", "tear")


def read_record(path):
    """[(where it begins, kind, handle, offset, bytes)]"""
    with open(path, "rb") as file:
        octets = file.read()
    records, at = [], 0
    while at < len(octets):
        kind, handle, offset, size = HEADER.unpack_from(octets, at)
        records.append((at, kind, handle, offset, octets[at + HEADER.size:at + HEADER.size + size]))
        at += HEADER.size + size
    return records


class File:
    def __init__(self, path, first=b""):
        self.path, self.first, self.changes, self.synced = path, first, [], 0  # changes: (offset, bytes) or (size, None)

    @staticmethod
    def apply(image, change):
        at, octets = change
        end = at if octets is None else at + len(octets)
        if octets is None:
            del image[at:]
        if len(image) < end:
            image.extend(bytes(end - len(image)))
        if octets is not None:
            image[at:end] = octets

    def octets(self, cut, random):
        image = bytearray(self.first)
        for change in self.changes[:self.synced]:
            self.apply(image, change)
        rest = self.changes[self.synced:]
        if cut == "drop" or not rest:
            return image
        cache, sizes, careless = bytearray(image), [len(image)], random.random()
        for change in rest:
            before = len(cache)
            self.apply(cache, change)
            sizes.append(len(cache))
            begin, end = (change[0], change[0] + len(change[1])) if change[1] is not None else sorted((before, len(cache)))
            for sector in range(begin // SECTOR, -(-end // SECTOR)):  # written back at this moment, or later, or never
                if cut == "keep" or random.random() < careless:
                    part = cache[sector * SECTOR:(sector + 1) * SECTOR]
                    if len(image) < sector * SECTOR + len(part):
                        image.extend(bytes(sector * SECTOR + len(part) - len(image)))
                    image[sector * SECTOR:sector * SECTOR + len(part)] = part
        size = len(cache) if cut == "keep" else random.choice(sizes)
        del image[size:]
        image.extend(bytes(size - len(image)))
        return image


class Disk:
    """What was there when the record began, and the record up to the cut."""

    def __init__(self, base=None):
        self.first_files, self.first_folders = {}, {""}
        for folder, folders, files in os.walk(base) if base else ():
            below = os.path.relpath(folder, base) if folder != str(base) else ""
            self.first_folders |= {posixpath.join(below, name) for name in folders}
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    self.first_files[posixpath.join(below, name)] = file.read()

    def replay(self, records, lie=None):
        """`lie`: what is below it is said to be synced and is not."""
        self.names = {path: File(path, octets) for path, octets in self.first_files.items()}
        self.files, self.handles, self.begun = list(self.names.values()), {}, {}
        self.paths, self.lie = {}, lie  # paths by handle, as opened
        self.changes = []  # of names: [kind, path, other path, file, synced]
        for at, kind, handle, offset, octets in records:
            if kind == OPEN:
                self.open(handle, offset, octets.decode())
            elif kind in (WRITE, SIZE):
                file = self.handles.get(handle)
                if isinstance(file, File):
                    file.changes.append((offset, octets if kind == WRITE else None))
            elif kind in (SYNC_FROM, ALL_FROM):
                of = self.handles.get(handle)
                self.begun[at] = (len(self.changes), len(of.changes) if kind == SYNC_FROM and isinstance(of, File) else
                                  [(f, len(f.changes)) for f in self.files] if kind == ALL_FROM else 0)
            elif kind in (SYNC_DONE, ALL_DONE):
                if kind == SYNC_DONE and lie and self.paths[handle].startswith(lie):
                    continue
                self.synced(kind, self.handles.get(handle), *self.begun.pop(offset))
            else:
                self.name(kind, *octets.decode().split("\0"))
        return self

    def open(self, handle, how, path):
        path = path and posixpath.normpath(path)  # "": the folder of all
        if how == 1:
            file = File(path)
            self.files.append(file)
            self.names[path] = file
            self.changes.append(["create", path, None, file, False])
        self.paths[handle] = path
        self.handles[handle] = self.names.get(path, path)  # a folder is known by its path
        if how == 2 and path in self.names:
            self.names[path].changes.append((0, None))

    def name(self, kind, path, other=None):
        path, other = posixpath.normpath(path), other and posixpath.normpath(other)
        file = self.names.pop(path, None)
        if kind == RENAME:
            self.names[other] = file
        self.changes.append([{RENAME: "rename", UNLINK: "unlink", MKDIR: "mkdir", RMDIR: "rmdir"}[kind], path, other, file, False])

    def synced(self, kind, of, names, files):
        if kind == ALL_DONE:
            for file, count in files:
                if not (self.lie and file.path.startswith(self.lie)):
                    file.synced = max(file.synced, count)
        elif isinstance(of, File):
            of.synced = max(of.synced, files)
            return
        for change in self.changes[:names]:
            if self.lie and change[1].startswith(self.lie):
                continue
            if kind == ALL_DONE or of in [posixpath.dirname(p) for p in change[1:3] if p]:
                change[4] = True

    def rebuild(self, into, cut, random):
        """Writes the disk that a start would find."""
        folders, names = set(self.first_folders), {path: file for path, file in zip(self.first_files, self.files)}
        unsynced = [c for c in self.changes if not c[4]]
        kept = {id(c) for c in unsynced} if cut == "keep" else set()
        if cut == "tear":
            kept = ({id(c) for c in unsynced[:random.randint(0, len(unsynced))]} if random.random() < 0.5 else
                    {id(c) for c in unsynced if random.random() < 0.5})
        for change in self.changes:
            if not change[4] and id(change) not in kept:
                continue
            what, path, other, file, _ = change
            if what == "mkdir":
                folders.add(path)
            elif what == "rmdir":
                folders.discard(path)
            else:
                if what != "create":
                    names.pop(path, None)
                if what != "unlink":
                    names[other or path] = file
        os.makedirs(into, mode=0o700)
        for folder in sorted(folders - {""}):
            if all(parent in folders for parent in parents(folder)):
                os.mkdir(os.path.join(into, folder), 0o700)
        for path, file in names.items():
            if path.endswith("-shm") or not all(parent in folders for parent in parents(path)):
                continue  # shared memory of SQLite: made anew at each start
            with open(os.path.join(into, path), "wb", opener=lambda p, flags: os.open(p, flags, 0o600)) as out:
                write_sparse(out, file.octets(cut, random))


def parents(path):
    while path := posixpath.dirname(path):
        yield path


def write_sparse(out, octets, block=64 * 1024):
    out.truncate(len(octets))
    empty = bytes(block)
    for at in range(0, len(octets), block):
        piece = octets[at:at + block]
        if piece != empty[:len(piece)]:
            out.seek(at)
            out.write(piece)


def differences(one, other):
    """Names of files that are not the same in two folders."""
    def read(folder):
        found = {}
        for at, _, files in os.walk(folder):
            for name in files:
                with open(os.path.join(at, name), "rb") as file:
                    found[os.path.relpath(os.path.join(at, name), folder)] = file.read()
        return {p: o for p, o in found.items() if not p.endswith("-shm")}
    a, b = read(one), read(other)
    return sorted(p for p in a.keys() | b.keys() if a.get(p) != b.get(p))

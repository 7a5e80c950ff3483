# Files that outlive a release (policies: docs/spec/bundle.md). They are copied into the new release's directory at the
# boot that begins its trial, before the trial is counted: after a power cut the same boot comes again, and so does this.
# Nothing is renamed: on FAT a cut in a rename leaves two names for the same clusters.
import uos as os
from uhashlib import sha256

from ota import _slots

IF_CHANGED, DELETE, FOLDER = 1, 2, 3
_LIST, _SPARE = ".list", ".carry"


def _head(data, at, major):
    # (argument, offset behind) of the CBOR item there, which must be of that major type.
    first = data[at]
    n = first & 31
    at += 1
    if n >= 24:
        size = 1 << (n - 24)
        n = int.from_bytes(data[at : at + size], "big")
        at += size
    if first >> 5 != major or first & 31 > 26 or at + (n if major in (2, 3) else 0) > len(data):
        raise ValueError
    return n, at


def _entries(data):
    # (path, SHA-256, policy) of each entry of a list.
    count, at = _head(data, 0, 4)
    for _ in range(count):
        keys, at = _head(data, at, 5)
        found = {4: 0}
        for _ in range(keys):
            key, at = _head(data, at, 0)
            if key == 1 or key == 3:
                n, at = _head(data, at, 3 if key == 1 else 2)
                found[key] = data[at : at + n]
                at += n
            else:
                found[key], at = _head(data, at, 0)
        path, digest, policy = str(found[1], "utf-8"), found[3], found[4]
        if policy > FOLDER or len(digest) != 32 or any(name in ("", ".", "..") for name in path.split("/")):
            raise ValueError
        yield path, digest, policy
    if at != len(data):
        raise ValueError


def _list_of(directory):
    # The list's bytes, which were read to their end once.
    try:
        with open(directory + "/" + _LIST, "rb") as file:
            data = file.read(4097)
        for _ in _entries(data):
            pass
        return data
    except (OSError, ValueError, IndexError, KeyError):
        raise ValueError("%s/%s is missing or malformed" % (directory, _LIST))


def _walk(directory, path=""):
    # Every file below that folder, as the list names it. No recursion: an application's folders may be deep.
    todo = [path]
    while todo:
        path = todo.pop()
        try:
            for entry in os.ilistdir(directory + "/" + path if path else directory):
                name = path + "/" + entry[0] if path else entry[0]
                if entry[1] & 0x4000:
                    todo.append(name)
                elif name not in (_LIST, _SPARE):
                    yield name
        except OSError:
            pass


def _copy(source, target=None):
    # SHA-256 of the file, None when it is not there. Copies it, if a target is given.
    digest, piece = sha256(), memoryview(bytearray(512))
    try:
        old = open(source, "rb")
    except OSError:
        return None
    with old:
        new = open(target, "wb") if target else None
        try:
            n = old.readinto(piece)
            while n:
                digest.update(piece[:n])
                if new:
                    new.write(piece[:n])
                n = old.readinto(piece)
        finally:
            if new:
                new.close()
    return digest.digest()


def _copied(source, target, digest):
    # Whole, or not at all.
    try:
        if _copy(source, target) == digest and _copy(target) == digest:
            return
        raise OSError(5)
    except OSError:
        _remove(target)
        raise


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _replace(source, digest, target, spare):
    # A whole copy of the one or the other is in the new directory at every moment.
    there = _copy(target)
    if there == digest:
        return  # before a power cut
    if there is None:
        at = target.find("/", 22)  # behind /rel/0123456789abcdef/
        while at > 0:
            try:
                os.mkdir(target[:at])
            except OSError:
                pass  # there already; else open() tells
            at = target.find("/", at + 1)
    else:
        _copied(source, spare, digest)
        os.remove(target)
        source = spare
    _copied(source, target, digest)
    _remove(spare)


def _outlives(policies, path):
    keep = policies.get(path) == IF_CHANGED
    while path:
        policy = policies.get(path)
        if policy == DELETE:
            return False
        keep = keep or policy == FOLDER
        path = path.rpartition("/")[0]
    return keep


def _shipped(data, path):
    # SHA-256 of what the release brought at that path, or None.
    for name, digest, policy in _entries(data):
        if name == path and policy < DELETE:
            return digest
    return None


def _carry(new, old):
    new, old = _slots.release_directory(new), _slots.release_directory(old)
    policies = {path: policy for path, _, policy in _entries(_list_of(new)) if policy}
    if all(policy == DELETE for policy in policies.values()):
        return
    _remove(new + "/" + _SPARE)
    data = _list_of(old)
    for wanted, policy in policies.items():
        for path in (wanted,) if policy == IF_CHANGED else _walk(old, wanted) if policy == FOLDER else ():
            try:
                digest = _copy(old + "/" + path)
                if digest and digest != _shipped(data, path) and _outlives(policies, path):
                    _replace(old + "/" + path, digest, new + "/" + path, new + "/" + _SPARE)
            except OSError as error:
                print("ota: %s/%s is not carried over: %s" % (old, path, error))


def carry(new, old):
    # From the release `old` into `new`: their digests, or None. A failure is told; the trial then has the new files.
    try:
        if new and old and new != old:
            _carry(new, old)
    except (OSError, ValueError, MemoryError) as error:
        print("ota: nothing is carried over:", error)


def room(release):
    # Bytes that a carry out of this release may need: what the application changed or made. A changed file is there
    # twice for a while.
    directory = _slots.release_directory(release)
    try:
        data = _list_of(directory)
    except ValueError:
        return 0  # then nothing is carried over
    block, n = os.statvfs("/")[0], 0
    for path in _walk(directory):
        digest = _shipped(data, path)
        if digest != _copy(directory + "/" + path):
            n += (os.stat(directory + "/" + path)[6] // block + 1) * block * (2 if digest else 1)
    return n

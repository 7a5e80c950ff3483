"""File systems made and read by genuine peers: littlefs-python in this process, MicroPython's VfsLfs2 and VfsFat, mtools. A tree is
{"/path": bytes, "/folder": None}."""
import base64
import hashlib
import json
import random
import subprocess
import tempfile

from littlefs import LittleFS, LittleFSError

from conftest import TOP

MICROPYTHON = TOP / "build/micropython/micropython"
BLOCK = 4096


# ---- littlefs-python ----

def lfs_new(size):
    return LittleFS(block_size=BLOCK, block_count=size // BLOCK, read_size=32, prog_size=32, cache_size=128, lookahead_size=32,
                    disk_version=0x00020000)


def lfs_image(tree, size):
    """An image with that tree."""
    fs = lfs_new(size)
    for path, data in sorted(tree.items()):
        if data is None:
            fs.mkdir(path)
        else:
            with fs.open(path, "wb") as file:
                file.write(data)
    return bytes(fs.context.buffer)


def lfs_tree(image):
    """The tree of an image, which littlefs mounts as a whole: its superblock has to say the image's size."""
    fs = LittleFS(block_size=BLOCK, block_count=len(image) // BLOCK, read_size=32, prog_size=32, mount=False)
    fs.context.buffer = bytearray(image)
    fs.mount()
    found = {}
    for folder, folders, names in fs.walk("/"):
        for name in folders:
            found[folder.rstrip("/") + "/" + name] = None
        for name in names:
            with fs.open(folder.rstrip("/") + "/" + name, "rb") as file:
                found[folder.rstrip("/") + "/" + name] = file.read()
    return found


def lfs_mounts(image):
    try:
        lfs_tree(image)
    except LittleFSError:
        return False
    return True


# ---- MicroPython ----

DEVICE = '''
import binascii, hashlib, json, os, sys, vfs
class Device:
    def __init__(self, path, offset, size, block):
        self.file, self.offset, self.count, self.block = open(path, "r+b"), offset, size // block, block
    def readblocks(self, n, buf, off=0):
        self.file.seek(self.offset + n * self.block + off)
        self.file.readinto(buf)
    def writeblocks(self, n, buf, off=0):
        self.file.seek(self.offset + n * self.block + off)
        self.file.write(buf)
    def ioctl(self, op, arg):
        if op == 3:
            self.file.flush()
        return {4: self.count, 5: self.block}.get(op, 0)
device = Device(%r, %d, %d, %d)
FS = vfs.%s
def walk(folder, found):
    for name, kind, *rest in os.ilistdir("/d" + folder):
        path = folder + "/" + name
        if kind == 0x4000:
            found[path] = None
            walk(path, found)
        else:
            with open("/d" + path, "rb") as file:
                found[path] = str(binascii.hexlify(hashlib.sha256(file.read()).digest()), "ascii")
    return found
'''
READ = 'vfs.mount(FS(device), "/d")\nprint(json.dumps([walk("", {}), os.statvfs("/d")]))\nvfs.umount("/d")\n'
WRITE = '''
if %r:
    FS.mkfs(device)
vfs.mount(FS(device), "/d")
for path, data in %r:
    if data is None:
        os.mkdir("/d" + path)
    else:
        with open("/d" + path, "wb") as file:
            file.write(binascii.a2b_base64(data))
vfs.umount("/d")
'''


def micropython(script, path, offset, size, kind, block=BLOCK):
    assert MICROPYTHON.exists(), "run scripts/micropython.sh"
    head = DEVICE % (str(path), offset, size, block, {"littlefs": "VfsLfs2", "fat": "VfsFat"}[kind])
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(head + script)
        file.flush()
        done = subprocess.run([str(MICROPYTHON), "-X", "heapsize=16M", file.name], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def mp_tree(path, offset, size, kind="littlefs", block=BLOCK):
    """What MicroPython finds there: {path: hex SHA-256 or None}."""
    return json.loads(micropython(READ, path, offset, size, kind, block))[0]


def mp_statvfs(path, offset, size, kind="littlefs"):
    return json.loads(micropython(READ, path, offset, size, kind))[1]


def mp_write(path, offset, size, tree, kind="littlefs", mkfs=True, block=BLOCK):
    """MicroPython makes a file system (or mounts what is there) and writes the tree."""
    rows = [(name, None if data is None else base64.b64encode(data).decode()) for name, data in sorted(tree.items())]
    micropython(WRITE % (mkfs, rows), path, offset, size, kind, block)


# ---- Trees ----

def hashed(tree):
    return {path: None if data is None else hashlib.sha256(data).hexdigest() for path, data in tree.items()}


def files_of(tree):
    return {path: data for path, data in tree.items() if data is not None}


WORDS = ["main.py", "boot.py", "with space.txt", "Ünïcödé.py", "数据.json", "x", "a.b.c", "long-" + "n" * 60, "données 1", "lib", "README"]


def random_tree(seed):
    """A tree with spaces, Unicode, empty files, one of 300 KB, folders in folders."""
    chance = random.Random(seed)
    tree, folders = {}, [""]
    for n in range(chance.randrange(2, 6)):
        folder = chance.choice(folders) + "/" + "%s %d" % (chance.choice(WORDS), n)
        tree[folder] = None
        folders.append(folder)
    deep = ""
    for n in range(6):
        deep += "/d%d" % n
        tree[deep] = None
    folders.append(deep)
    for n in range(chance.randrange(8, 20)):
        size = chance.choice([0, 1, 100, 128, 129, 511, 512, 513, 4095, 4096, 4097, 20000])
        tree["%s/%d %s" % (chance.choice(folders), n, chance.choice(WORDS))] = chance.randbytes(size)
    tree[deep + "/large"] = chance.randbytes(300 * 1024)
    tree["/empty"] = b""
    return tree


def write_local(folder, tree):
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in sorted(tree.items()):
        if data is None:
            (folder / path[1:]).mkdir()
        else:
            (folder / path[1:]).write_bytes(data)
    return folder


def read_local(folder):
    return {"/" + str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}

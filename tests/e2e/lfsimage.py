"""littlefs images by littlefs-python, and what is in them."""
from littlefs import LittleFS

BLOCK = 4096


def make(size, files, version=0x00020000):
    fs = LittleFS(block_size=BLOCK, block_count=size // BLOCK, disk_version=version)
    for name, content in files.items():
        if "/" in name:
            fs.makedirs(name.rpartition("/")[0], exist_ok=True)
        with fs.open(name, "wb") as out:
            out.write(content)
    return bytes(fs.context.buffer)


def files_of(image):
    """All files of an image, whose superblock must say the image's size."""
    fs = LittleFS(block_size=BLOCK, block_count=len(image) // BLOCK, mount=False)
    fs.context.buffer = bytearray(image)
    fs.mount()
    assert fs.fs_stat().block_count == len(image) // BLOCK
    found = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            path = (folder.rstrip("/") + "/" + name).lstrip("/")
            with fs.open(path, "rb") as file:
                found[path] = file.read()
    return found

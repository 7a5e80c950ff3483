# When the hook does not load: bytecode of another version, no memory. Stays source, and needs nothing of the package to
# give a trial up; boot.py runs it by its path where not even that is found.
def on_trial(Partition):
    # Offset of the slot to return to; None: no trial runs, or it came up again and again, as nothing else does.
    from esp32 import NVS

    data, nvs = bytearray(56), NVS("molt")
    try:
        nvs.get_blob("r1", data)
        origin, target = (int.from_bytes(data[at : at + 4], "little") for at in (12, 16))
        if data[1] in (2, 3, 5) and origin != target == Partition(Partition.RUNNING).info()[2] and data[4] < 3:
            data[4] += 1  # boots
            nvs.set_blob("r1", data)
            nvs.commit()
            return origin
    except OSError:
        pass  # a restart that nothing counts might never end


def give_up(Partition, origin):
    # The records that name what runs go, for bootloaders without rollback. None names the factory app: there one of the
    # slot before is written.
    from binascii import crc32

    slots = sorted(p.info()[1:3] for p in Partition.find(Partition.TYPE_APP) if 0x10 <= p.info()[1] <= 0x1F)
    slots = [offset for _, offset in slots]
    _, subtype, running, _, _, _ = Partition(Partition.RUNNING).info()
    otadata = Partition.find(Partition.TYPE_DATA, subtype=0)[0]
    if subtype == 0 and origin in slots:
        head = (slots.index(origin) + 1).to_bytes(4, "little")
        otadata.ioctl(6, 1)
        otadata.ioctl(6, 0)
        state = b"\2\0\0\0"  # VALID
        otadata.writeblocks(0, head + b"\xff" * 20 + state + crc32(head, 0xFFFFFFFF).to_bytes(4, "little"), 0)
        return
    record = bytearray(4)
    for sector in range(2):
        otadata.readblocks(sector, record, 0)
        seq = int.from_bytes(record, "little")
        if seq != 0xFFFFFFFF and slots[(seq - 1) % len(slots)] == running:
            otadata.ioctl(6, sector)


def boot(error):
    print("ota: the boot hook does not load:", error)
    try:
        from esp32 import Partition
    except ImportError:
        Partition = None  # no slots here
    origin = on_trial(Partition) if Partition else None
    if origin is not None:
        import machine

        give_up(Partition, origin)
        machine.reset()
    import sys

    try:
        import ota
        from ota import _slots

        release = _slots.current_release()
    except Exception as another:
        print("ota: which release belongs to this firmware is unknown:", another)
        return None
    if release is None:
        return None
    directory = _slots.release_directory(release)
    sys.path.insert(0, directory)
    ota.launch(directory + "/main.py")
    return directory

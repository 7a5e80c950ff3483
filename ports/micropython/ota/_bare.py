# When the hook does not load: bytecode of another version, no memory. Stays source, and needs nothing of the package to
# give a trial up; boot.py runs it by its path where not even that is found.
def on_trial(Partition):
    from esp32 import NVS

    data = bytearray(512)
    try:
        NVS("molt").get_blob("r1", data)
    except OSError:
        return False
    origin, target = data[12:16], data[16:20]
    running = Partition(Partition.RUNNING).info()[2].to_bytes(4, "little")
    return data[1] in (2, 3, 5) and origin != target == running


def give_up(Partition):
    # The records that name what runs go, for bootloaders without rollback.
    slots = sorted(p.info()[1:3] for p in Partition.find(Partition.TYPE_APP) if p.info()[1] >= 0x10)
    running = Partition(Partition.RUNNING).info()[2]
    otadata = Partition.find(Partition.TYPE_DATA, subtype=0)[0]
    record = bytearray(4)
    for sector in range(2):
        otadata.readblocks(sector, record, 0)
        seq = int.from_bytes(record, "little")
        if seq != 0xFFFFFFFF and slots[(seq - 1) % len(slots)][1] == running:
            otadata.ioctl(6, sector)


def boot(error):
    print("ota: the boot hook does not load:", error)
    try:
        from esp32 import Partition
    except ImportError:
        Partition = None  # no slots here
    if Partition and on_trial(Partition):
        import machine

        give_up(Partition)
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

# The host on an ESP32: slots and otadata through esp32.Partition.
import esp
from esp32 import Partition
from ota import _files, _slots


class Host(_files.Host):
    flash_size = esp.flash_size()

    def __init__(self, source=None):
        super().__init__(source)
        self.slots, self._parts = [], []
        for part in Partition.find(Partition.TYPE_APP):
            _, subtype, offset, size, _, _ = part.info()
            if subtype == 0 or 0x10 <= subtype <= 0x1F:
                self.slots.append((subtype - 0x10 if subtype else -1, offset, size))
                self._parts.append((offset, size, part))
        _, subtype, offset, size, _, _ = _slots.running()
        self.running = subtype - 0x10 if subtype else -1
        self.running_image = _slots.image_sha256(offset, size)
        self.chip_id = int.from_bytes(_slots.esp_read(offset + 12, 2), "little")
        self.otadata = 0
        for part in Partition.find(Partition.TYPE_DATA, subtype=0):
            self.otadata = part.info()[2]
            self._parts.append((self.otadata, part.info()[3], part))

    # Slots and otadata are written through their partitions, which refuse what must not be written.
    def _part(self, offset):
        for start, size, part in self._parts:
            if 0 <= offset - start < size:
                return part, offset - start
        raise ValueError("no partition of ours at 0x%x" % offset)

    def flash_read(self, offset, buffer):
        esp.flash_read(offset, buffer)

    def flash_program(self, offset, data):
        part, at = self._part(offset)
        part.writeblocks(at // 4096, data, at % 4096)

    def flash_erase(self, offset, n):
        part, at = self._part(offset)
        for block in range(at // 4096, (at + n) // 4096):
            part.ioctl(6, block)

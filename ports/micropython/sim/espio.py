# The io module with what ESP32 firmware has and the interpreter under the simulator has not.
from io import BytesIO, IOBase, StringIO, open


class BufferedWriter(IOBase):
    # Passes whole buffers of `size` bytes on; the rest at flush.
    def __init__(self, stream, size):
        self._stream, self._buffer, self._filled = stream, bytearray(size), 0

    def write(self, data):
        at = 0
        while at < len(data):
            n = min(len(data) - at, len(self._buffer) - self._filled)
            self._buffer[self._filled : self._filled + n] = data[at : at + n]
            self._filled += n
            at += n
            if self._filled == len(self._buffer):
                self.flush()
        return at

    def flush(self):
        if self._filled:
            self._stream.write(memoryview(self._buffer)[: self._filled])
            self._filled = 0

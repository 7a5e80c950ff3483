# Sources of a bundle that need no network.
E_NOT_FOUND = -5


class Failed(Exception):
    pass  # args[0]: Molt's number, args[1]: text


class File:
    # A bundle on the device: file:/sd/new.molt
    requests, failure = 0, None

    def __init__(self, path):
        import ota

        try:
            self._file = open(path, "rb")
        except OSError as error:
            raise ota.Error(E_NOT_FOUND, "%s: cannot be opened: %s (-5)" % (path, error))

    def close(self):
        self._file.close()

    def info(self):
        return self._file.seek(0, 2)

    def expect(self, offset, n):
        return 0

    def read(self, offset, buffer):
        self._file.seek(offset)
        return self._file.readinto(buffer)

# The firmware's own module of this name holds the block device of the file system.
bdev = None

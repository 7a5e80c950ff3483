# The host where the firmware cannot be replaced from within (rp2, stm32, unix): files only. One slot without a size
# stands for what runs; there are no methods for flash, so nothing can write any.
from ota import _files


class Host(_files.Host):
    slots = ((-1, 0, 0),)
    running = -1
    running_image = None
    otadata = flash_size = 0
    chip_id = 0xFFFF  # what a manifest without a chip says

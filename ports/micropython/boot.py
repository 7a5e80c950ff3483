# Molt's boot hook: the update under way first, then the release that belongs to what runs.
import ota

ota.boot()

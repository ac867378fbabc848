"""The DAWs that `bandmate daw` serves, by the name that the command line has for them."""

from __future__ import annotations

from bandmate_bridge.daw.ardour import ARDOUR
from bandmate_bridge.daw.audacity import AUDACITY
from bandmate_bridge.daw.daw import Daw
from bandmate_bridge.daw.plugin_install import PLUGIN
from bandmate_bridge.daw.reaper import REAPER

DAWS: dict[str, Daw] = {
    "ardour": ARDOUR,
    "reaper": REAPER,
    "audacity": AUDACITY,
    "plugin": PLUGIN,
}

// Where things are: the file that `bandmate daw install plugin` writes, and its defaults.
#pragma once

#include <cstdint>
#include <filesystem>

namespace bandmate {

struct Settings {
    std::filesystem::path program; // `bandmate`, which starts the server; may be empty
    std::filesystem::path workdir; // of the server
    std::filesystem::path data;    // captures and stems of the plug-in
    std::uint16_t port = 9123;
};

// Lines `name = value`; what is missing or unknown is left at its default. The file is
// $BANDMATE_PLUGIN_CONFIG, or bandmate/plugin.conf in the user's folder for configuration.
Settings readSettings();

} // namespace bandmate

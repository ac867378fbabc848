#include "settings.hpp"

#include <cstdlib>
#include <fstream>
#include <string>

namespace bandmate {

namespace fs = std::filesystem;

namespace {

fs::path variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? fs::path() : fs::u8path(value);
}

fs::path home() {
#ifdef _WIN32
    return variable("USERPROFILE");
#else
    return variable("HOME");
#endif
}

fs::path configFile() {
    const fs::path named = variable("BANDMATE_PLUGIN_CONFIG");
    if (!named.empty()) return named;
    const fs::path config = variable("XDG_CONFIG_HOME");
    return (config.empty() ? home() / ".config" : config) / "bandmate" / "plugin.conf";
}

fs::path dataFolder() {
#if defined(_WIN32)
    const fs::path data = variable("LOCALAPPDATA"), usual = home() / "AppData" / "Local";
#elif defined(__APPLE__)
    const fs::path data = variable("XDG_DATA_HOME"), usual = home() / "Library" / "Application Support";
#else
    const fs::path data = variable("XDG_DATA_HOME"), usual = home() / ".local" / "share";
#endif
    return (data.empty() ? usual : data) / "bandmate";
}

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r");
    return first == std::string::npos
               ? ""
               : text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

} // namespace

Settings readSettings() {
    Settings settings;
    const fs::path workdir = variable("BANDMATE_WORKDIR");
    settings.workdir = workdir.empty() ? dataFolder() / "work" : workdir;
    settings.data = dataFolder() / "plugin";
    std::ifstream file(configFile());
    for (std::string line; std::getline(file, line);) {
        const auto equals = line.find('=');
        if (equals == std::string::npos) continue;
        const std::string name = trimmed(line.substr(0, equals));
        const std::string value = trimmed(line.substr(equals + 1));
        if (name == "program") settings.program = fs::u8path(value);
        if (name == "workdir") settings.workdir = fs::u8path(value);
        if (name == "data") settings.data = fs::u8path(value);
        if (name == "port") settings.port = std::uint16_t(std::strtoul(value.c_str(), nullptr, 10));
    }
    return settings;
}

} // namespace bandmate

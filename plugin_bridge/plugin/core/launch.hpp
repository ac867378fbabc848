// Start the server's program, apart from the host: it outlives the plug-in.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bandmate {

class Launch {
public:
    // Run a program with arguments; what it says goes to a file.
    Launch(const std::filesystem::path& program, const std::vector<std::string>& arguments,
           const std::filesystem::path& log);
    Launch(const Launch&) = delete;
    Launch& operator=(const Launch&) = delete;
    ~Launch();

    bool failed(); // it could not be started, or has ended with an error
    // The last line that it said, or "".
    std::string lastLine() const;

private:
    std::filesystem::path log_;
    std::intptr_t process_ = -1;
    bool failed_ = false;
};

} // namespace bandmate

#include "launch.hpp"

#include <fstream>

#ifdef _WIN32
#include <windows.h>
#else
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
extern char** environ;
#endif

namespace bandmate {

#ifdef _WIN32

Launch::Launch(const std::filesystem::path& program, const std::vector<std::string>& arguments,
               const std::filesystem::path& log)
    : log_(log) {
    std::wstring line = L"\"" + program.wstring() + L"\"";
    for (const std::string& argument : arguments)
        line += L" \"" + std::filesystem::u8path(argument).wstring() + L"\"";
    SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
    const HANDLE out = CreateFileW(log.c_str(), GENERIC_WRITE, FILE_SHARE_READ, &inherited,
                                   CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
    STARTUPINFOW startup{};
    startup.cb = sizeof startup;
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdOutput = startup.hStdError = out;
    PROCESS_INFORMATION process{};
    failed_ = !CreateProcessW(nullptr, line.data(), nullptr, nullptr, TRUE,
                              CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP, nullptr, nullptr,
                              &startup, &process);
    CloseHandle(out);
    if (failed_) return;
    CloseHandle(process.hThread);
    process_ = reinterpret_cast<std::intptr_t>(process.hProcess);
}

Launch::~Launch() {
    if (process_ != -1) CloseHandle(reinterpret_cast<HANDLE>(process_));
}

bool Launch::failed() {
    DWORD code = 0;
    if (!failed_ && GetExitCodeProcess(reinterpret_cast<HANDLE>(process_), &code))
        failed_ = code != STILL_ACTIVE && code != 0;
    return failed_;
}

#else

namespace {

// The host's environment without what it set for its own libraries, which are not Python's.
std::vector<char*> cleanEnvironment() {
    std::vector<char*> kept;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const bool hosts = std::strncmp(*entry, "LD_", 3) == 0 ||
                           std::strncmp(*entry, "DYLD_", 5) == 0 ||
                           std::strncmp(*entry, "PYTHON", 6) == 0;
        if (!hosts) kept.push_back(*entry);
    }
    kept.push_back(nullptr);
    return kept;
}

} // namespace

Launch::Launch(const std::filesystem::path& program, const std::vector<std::string>& arguments,
               const std::filesystem::path& log)
    : log_(log) {
    std::string name = program.string();
    std::vector<std::string> texts = arguments;
    std::vector<char*> argv{name.data()};
    for (std::string& text : texts)
        argv.push_back(text.data());
    argv.push_back(nullptr);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
    posix_spawn_file_actions_addclosefrom_np(&files, 3); // the host's devices and windows
#endif
    // A group of its own, and no signal blocked that the host's threads had blocked.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    pid_t pid = -1;
    failed_ = posix_spawn(&pid, name.c_str(), &files, &attributes, argv.data(),
                          cleanEnvironment().data()) != 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (!failed_) process_ = pid;
}

Launch::~Launch() {
    if (process_ > 0) waitpid(pid_t(process_), nullptr, WNOHANG);
}

bool Launch::failed() {
    int status = 0;
    if (process_ > 0 && waitpid(pid_t(process_), &status, WNOHANG) == process_) {
        process_ = -1;
        failed_ = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    return failed_;
}

#endif

std::string Launch::lastLine() const {
    std::ifstream file(log_);
    std::string last;
    for (std::string line; std::getline(file, line);)
        if (!line.empty()) last = line;
    return last;
}

} // namespace bandmate

#include "mapped_file.hpp"

#include <algorithm>

#ifdef _WIN32
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace bandmate {

#ifdef _WIN32

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
    const HANDLE file = CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                                    nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE) return nullptr;
    LARGE_INTEGER size{};
    const void* data = nullptr;
    if (GetFileSizeEx(file, &size) && size.QuadPart > 0) {
        const HANDLE mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
        if (mapping != nullptr) {
            data = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
            CloseHandle(mapping);
        }
    }
    CloseHandle(file);
    if (data == nullptr) return nullptr;
    return std::shared_ptr<const MappedFile>(new MappedFile(
        static_cast<const unsigned char*>(data), static_cast<std::size_t>(size.QuadPart)));
}

MappedFile::~MappedFile() { UnmapViewOfFile(data_); }

#else

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return nullptr;
    struct stat about {};
    void* data = MAP_FAILED;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0)
        data = mmap(nullptr, std::size_t(about.st_size), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (data == MAP_FAILED) return nullptr;
    return std::shared_ptr<const MappedFile>(
        new MappedFile(static_cast<const unsigned char*>(data), std::size_t(about.st_size)));
}

MappedFile::~MappedFile() { munmap(const_cast<unsigned char*>(data_), size_); }

#endif

void MappedFile::touch(std::size_t offset, std::size_t bytes) const {
    constexpr std::size_t page = 4096;
    const std::size_t end = std::min(size_, offset + bytes);
    volatile unsigned char seen = 0;
    for (std::size_t at = offset; at < end; at += page)
        seen = data_[at];
    (void)seen;
}

} // namespace bandmate

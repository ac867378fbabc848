// A file seen as memory: pages come from the disk's cache as they are read, so that stems of any
// length take no memory of our own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

namespace bandmate {

class MappedFile {
public:
    // Null if it cannot be read or is empty.
    static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const unsigned char* data() const { return data_; }
    std::size_t size() const { return size_; }
    // Read one byte of every page of a range, so that the audio thread finds them in memory.
    void touch(std::size_t offset, std::size_t bytes) const;

private:
    MappedFile(const unsigned char* data, std::size_t size) : data_(data), size_(size) {}
    const unsigned char* data_;
    std::size_t size_;
};

} // namespace bandmate

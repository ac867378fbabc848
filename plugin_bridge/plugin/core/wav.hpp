// Float WAV files: written whole by rename, read as mapped memory.
#pragma once

#include "mapped_file.hpp"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

namespace bandmate {

// A 32-bit float WAV file of one or two channels.
class MappedWav {
public:
    // Null if it is missing, cut short or of another kind.
    static std::shared_ptr<const MappedWav> open(const std::filesystem::path& path);

    std::uint32_t rate() const { return rate_; }
    std::uint32_t channels() const { return channels_; }
    std::int64_t frames() const { return frames_; }
    // A sample; a mono file's is the same on either side.
    float at(std::int64_t frame, std::uint32_t side) const {
        float value;
        const auto index = std::size_t(frame) * channels_ + (channels_ > 1 ? side : 0);
        std::memcpy(&value, first_ + index * sizeof(float), sizeof(float));
        return value;
    }
    void touch(std::int64_t frame, std::int64_t frames) const;

private:
    std::shared_ptr<const MappedFile> file_;
    const unsigned char* first_ = nullptr; // sample
    std::uint32_t rate_ = 0, channels_ = 0;
    std::int64_t frames_ = 0;
};

// Writes interleaved samples to NAME.new and renames it at the end; unfinished, it is removed.
class WavWriter {
public:
    WavWriter(const std::filesystem::path& path, std::uint32_t rate, std::uint32_t channels);
    ~WavWriter();
    WavWriter(const WavWriter&) = delete;
    WavWriter& operator=(const WavWriter&) = delete;

    // False if the disk is full or the folder cannot be written.
    bool write(const float* samples, std::size_t count);
    bool finish();

private:
    std::filesystem::path path_, unfinished_;
    std::uint32_t rate_, channels_;
    std::uint64_t bytes_ = 0;
    std::FILE* file_;
};

} // namespace bandmate

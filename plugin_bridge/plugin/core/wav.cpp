#include "wav.hpp"

#include <algorithm>
#include <array>

namespace bandmate {

namespace {

constexpr std::uint16_t kFloat = 3, kExtensible = 0xfffe;
constexpr std::size_t kHeader = 44;

std::uint32_t read32(const unsigned char* at) {
    return std::uint32_t(at[0]) | std::uint32_t(at[1]) << 8 | std::uint32_t(at[2]) << 16 |
           std::uint32_t(at[3]) << 24;
}

std::uint16_t read16(const unsigned char* at) { return std::uint16_t(at[0] | at[1] << 8); }

void write32(unsigned char* at, std::uint32_t value) {
    for (int i = 0; i < 4; ++i)
        at[i] = std::uint8_t(value >> (8 * i));
}

std::array<unsigned char, kHeader> header(std::uint32_t rate, std::uint32_t channels,
                                          std::uint32_t bytes) {
    std::array<unsigned char, kHeader> head{};
    std::memcpy(head.data(), "RIFF", 4);
    write32(head.data() + 4, bytes + kHeader - 8);
    std::memcpy(head.data() + 8, "WAVEfmt ", 8);
    write32(head.data() + 16, 16);
    write32(head.data() + 20, kFloat | channels << 16);
    write32(head.data() + 24, rate);
    write32(head.data() + 28, rate * channels * 4);
    write32(head.data() + 32, channels * 4 | 32u << 16);
    std::memcpy(head.data() + 36, "data", 4);
    write32(head.data() + 40, bytes);
    return head;
}

std::FILE* openForWriting(const std::filesystem::path& path) {
#ifdef _WIN32
    return _wfopen(path.c_str(), L"wb");
#else
    return std::fopen(path.c_str(), "wbe");
#endif
}

} // namespace

std::shared_ptr<const MappedWav> MappedWav::open(const std::filesystem::path& path) {
    auto wav = std::make_shared<MappedWav>();
    wav->file_ = MappedFile::open(path);
    if (!wav->file_ || wav->file_->size() < kHeader) return nullptr;
    const unsigned char* data = wav->file_->data();
    const std::size_t size = wav->file_->size();
    if (std::memcmp(data, "RIFF", 4) != 0 || std::memcmp(data + 8, "WAVE", 4) != 0) return nullptr;
    bool isFloat = false;
    for (std::size_t at = 12; at + 8 <= size;) {
        const std::size_t bytes = read32(data + at + 4);
        const unsigned char* body = data + at + 8;
        if (at + 8 + bytes > size) return nullptr;
        if (std::memcmp(data + at, "fmt ", 4) == 0 && bytes >= 16) {
            const bool extended = read16(body) == kExtensible && bytes >= 26;
            isFloat = read16(extended ? body + 24 : body) == kFloat && read16(body + 14) == 32;
            wav->channels_ = read16(body + 2);
            wav->rate_ = read32(body + 4);
        } else if (std::memcmp(data + at, "data", 4) == 0) {
            if (!isFloat || wav->channels_ < 1 || wav->channels_ > 2) return nullptr;
            wav->first_ = body;
            wav->frames_ = std::int64_t(bytes / (4 * wav->channels_));
            return wav->frames_ > 0 ? wav : nullptr;
        }
        at += 8 + bytes + bytes % 2;
    }
    return nullptr;
}

void MappedWav::touch(std::int64_t frame, std::int64_t frames) const {
    const std::int64_t from = std::clamp<std::int64_t>(frame, 0, frames_);
    const std::int64_t to = std::clamp<std::int64_t>(frame + frames, from, frames_);
    const std::size_t width = 4 * channels_;
    file_->touch(std::size_t(first_ - file_->data()) + std::size_t(from) * width,
                 std::size_t(to - from) * width);
}

WavWriter::WavWriter(const std::filesystem::path& path, std::uint32_t rate, std::uint32_t channels)
    : path_(path), unfinished_(path.string() + ".new"), rate_(rate), channels_(channels),
      file_(openForWriting(unfinished_)) {
    if (file_ != nullptr) std::fwrite(header(rate, channels, 0).data(), 1, kHeader, file_);
}

WavWriter::~WavWriter() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    std::error_code ignored;
    std::filesystem::remove(unfinished_, ignored);
}

bool WavWriter::write(const float* samples, std::size_t count) {
    bytes_ += count * sizeof(float);
    return file_ != nullptr && bytes_ < 0xffffffffu - kHeader &&
           std::fwrite(samples, sizeof(float), count, file_) == count;
}

bool WavWriter::finish() {
    if (file_ == nullptr) return false;
    const auto head = header(rate_, channels_, std::uint32_t(bytes_));
    bool good = std::fseek(file_, 0, SEEK_SET) == 0;
    good = good && std::fwrite(head.data(), 1, kHeader, file_) == kHeader;
    good = std::fclose(file_) == 0 && good;
    file_ = nullptr;
    std::error_code error;
    if (good) std::filesystem::rename(unfinished_, path_, error);
    if (!good || error) std::filesystem::remove(unfinished_, error);
    return good && !error;
}

} // namespace bandmate

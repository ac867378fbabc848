#include "store.hpp"

#include "sha256.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>

namespace bandmate {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kBlock = 1 << 14; // frames

std::FILE* openNameless(const fs::path& path) {
#ifdef _WIN32
    return _wfopen(path.c_str(), L"w+bD"); // gone when closed
#else
    std::FILE* file = std::fopen(path.c_str(), "w+be");
    std::error_code ignored;
    if (file != nullptr) fs::remove(path, ignored); // lives on until closed
    return file;
#endif
}

bool seek(std::FILE* file, std::int64_t offset) {
#ifdef _WIN32
    return _fseeki64(file, offset, SEEK_SET) == 0;
#else
    return fseeko(file, off_t(offset), SEEK_SET) == 0;
#endif
}

// A name that no other thread or program makes.
std::string uniqueName() {
    static std::atomic<unsigned> count{0};
    static const unsigned seed = std::random_device{}();
    return std::to_string(seed) + "-" + std::to_string(++count);
}

// Call with every block of a run: interleaved samples and their frames. False if one returned
// false.
template <class Visit>
bool forBlocks(const std::vector<Piece>& run, std::size_t buses, const Visit& visit) {
    std::vector<float> block(std::size_t(kBlock) * 2 * buses);
    for (const Piece& piece : run)
        for (std::int64_t at = 0; at < piece.frames; at += kBlock) {
            const std::int64_t frames = std::min(kBlock, piece.frames - at);
            piece.source->read(piece.offset + at, frames, block.data());
            if (!visit(block.data(), frames)) return false;
        }
    return true;
}

struct BusContent {
    bool sound = false, stereo = false;
};

std::vector<BusContent> listen(const std::vector<Piece>& run, std::size_t buses) {
    std::vector<BusContent> content(buses);
    forBlocks(run, buses, [&](const float* samples, std::int64_t frames) {
        for (std::int64_t i = 0; i < frames; ++i)
            for (std::size_t bus = 0; bus < buses; ++bus, samples += 2) {
                content[bus].sound |= samples[0] != 0 || samples[1] != 0;
                content[bus].stereo |= samples[0] != samples[1];
            }
        return true;
    });
    return content;
}

// Write one input of a run.
bool writeBus(const std::vector<Piece>& run, std::size_t buses, std::size_t bus, bool stereo,
              WavWriter& wav, Sha256& hash) {
    const std::size_t channels = stereo ? 2 : 1;
    std::vector<float> out(std::size_t(kBlock) * channels);
    const bool good = forBlocks(run, buses, [&](const float* samples, std::int64_t frames) {
        const std::size_t count = std::size_t(frames) * channels;
        for (std::int64_t i = 0; i < frames; ++i)
            for (std::size_t side = 0; side < channels; ++side)
                out[std::size_t(i) * channels + side] =
                    samples[(std::size_t(i) * buses + bus) * 2 + side];
        hash.add(out.data(), count * sizeof(float));
        return wav.write(out.data(), count);
    });
    return good && wav.finish();
}

class CaptureSource : public Source {
public:
    CaptureSource(const Sounds& sounds, std::size_t buses) : wavs_(buses) {
        for (std::size_t bus = 0; bus < buses; ++bus) {
            const auto found = sounds.find(busName(bus));
            if (found != sounds.end()) wavs_[bus] = found->second;
        }
    }

    void read(std::int64_t offset, std::int64_t frames, float* samples) const override {
        for (std::int64_t i = offset; i < offset + frames; ++i)
            for (const auto& wav : wavs_)
                for (std::uint32_t side = 0; side < 2; ++side)
                    *samples++ = wav && i < wav->frames() ? wav->at(i, side) : 0;
    }

private:
    std::vector<std::shared_ptr<const MappedWav>> wavs_;
};

// Whether a folder holds what another does, as far as sizes tell.
bool sameFiles(const fs::path& made, const fs::path& place) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(made, error)) {
        const auto size = fs::file_size(place / entry.path().filename(), error);
        if (error || size != entry.file_size(error)) return false;
    }
    return !error;
}

Sounds openAll(const fs::path& folder) {
    Sounds sounds;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (entry.path().extension() != ".wav") continue;
        auto wav = MappedWav::open(entry.path());
        if (!wav) return {};
        sounds[entry.path().stem().string()] = std::move(wav);
    }
    return sounds;
}

} // namespace

PieceFile::PieceFile(const fs::path& folder, std::size_t buses)
    : file_(openNameless(folder / ("piece-" + uniqueName()))), buses_(buses) {}

PieceFile::~PieceFile() {
    if (file_ != nullptr) std::fclose(file_);
}

bool PieceFile::append(const float* samples, std::size_t count) {
    if (file_ == nullptr || std::fwrite(samples, sizeof(float), count, file_) != count)
        return false;
    frames_ += std::int64_t(count / (2 * buses_));
    return true;
}

void PieceFile::read(std::int64_t offset, std::int64_t frames, float* samples) const {
    const std::size_t count = std::size_t(frames) * 2 * buses_;
    std::size_t got = 0;
    if (seek(file_, offset * std::int64_t(2 * buses_ * sizeof(float))))
        got = std::fread(samples, sizeof(float), count, file_);
    std::fill(samples + got, samples + count, 0.0f);
}

fs::path Store::unfinished() const {
    const fs::path made = folder_ / (".new-" + uniqueName());
    std::error_code ignored; // what follows fails then
    fs::create_directories(made, ignored);
    return made;
}

// Rename a folder into its place; what is there already is the same, or else damaged.
bool Store::settle(const fs::path& made, const fs::path& place) {
    std::error_code error;
    fs::create_directories(place.parent_path(), error);
    if (sameFiles(made, place)) return true;
    fs::remove_all(place, error);
    fs::rename(made, place, error);
    return !error;
}

std::shared_ptr<PieceFile> Store::newPiece(std::size_t buses) const {
    std::error_code ignored;
    fs::create_directories(folder_, ignored);
    return std::make_shared<PieceFile>(folder_, buses);
}

std::string Store::keepCapture(const std::vector<Piece>& run, std::size_t buses,
                               std::uint32_t rate) {
    const std::vector<BusContent> content = listen(run, buses);
    const auto sounds = [](const BusContent& bus) { return bus.sound; };
    const bool any = std::any_of(content.begin(), content.end(), sounds);
    const fs::path made = unfinished();
    Sha256 hash;
    bool good = true;
    for (std::size_t bus = 0; bus < buses && good; ++bus) {
        if (any ? !content[bus].sound : bus > 0) continue;
        const bool stereo = content[bus].stereo;
        hash.add(std::string(busName(bus)) + (stereo ? " stereo " : " mono ") +
                 std::to_string(rate) + "\n");
        WavWriter wav(made / (std::string(busName(bus)) + ".wav"), rate, stereo ? 2 : 1);
        good = writeBus(run, buses, bus, stereo, wav, hash);
    }
    const std::string name = hash.hex();
    if (good) good = settle(made, folder_ / "captures" / name);
    std::error_code ignored;
    fs::remove_all(made, ignored);
    return good ? name : "";
}

Sounds Store::capture(const std::string& hash) const {
    return openAll(folder_ / "captures" / hash);
}

std::shared_ptr<const Source> Store::captureSource(const std::string& hash,
                                                   std::size_t buses) const {
    const Sounds sounds = capture(hash);
    return sounds.empty() ? nullptr : std::make_shared<CaptureSource>(sounds, buses);
}

fs::path Store::captureFile(const std::string& hash, const std::string& bus) const {
    return folder_ / "captures" / hash / (bus + ".wav");
}

bool Store::keepStems(const std::string& key,
                      const std::vector<std::pair<std::string, fs::path>>& files) const {
    const fs::path made = unfinished();
    bool good = !files.empty();
    for (const auto& [stem, path] : files)
        good = good && linkOrCopy(path, made / (stem + ".wav"));
    if (good) good = settle(made, folder_ / "stems" / key);
    std::error_code ignored;
    fs::remove_all(made, ignored);
    return good;
}

Sounds Store::stems(const std::string& key, std::int64_t frames, std::uint32_t rate) const {
    Sounds sounds = openAll(folder_ / "stems" / key);
    for (const auto& [stem, wav] : sounds)
        if (wav->frames() != frames || wav->rate() != rate) return {};
    return sounds;
}

fs::path Store::stemFile(const std::string& key, const std::string& stem) const {
    return folder_ / "stems" / key / (stem + ".wav");
}

bool linkOrCopy(const fs::path& from, const fs::path& to) {
    std::error_code error;
    fs::remove(to, error);
    fs::create_hard_link(from, to, error);
    if (error) fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    return !error;
}

} // namespace bandmate

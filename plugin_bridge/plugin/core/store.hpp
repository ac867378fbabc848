// The plug-in's data folder: captures and stems, each a folder that appears whole and never
// changes, shared by all instances and sessions.
#pragma once

#include "facts.hpp"
#include "timeline.hpp"
#include "wav.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace bandmate {

using Sounds = std::map<std::string, std::shared_ptr<const MappedWav>>; // by stem

// A piece that is being captured: a nameless file that is gone with its last user.
class PieceFile : public Source {
public:
    PieceFile(const std::filesystem::path& folder, std::size_t buses);
    ~PieceFile() override;

    bool append(const float* samples, std::size_t count);
    std::int64_t frames() const { return frames_; }
    void read(std::int64_t offset, std::int64_t frames, float* samples) const override;

private:
    std::FILE* file_;
    std::size_t buses_;
    std::int64_t frames_ = 0;
};

class Store {
public:
    explicit Store(const std::filesystem::path& folder) : folder_(folder) {}

    const std::filesystem::path& folder() const { return folder_; }
    std::shared_ptr<PieceFile> newPiece(std::size_t buses) const;

    // Write pieces that follow each other as a capture and return its hash, or "" if the disk is
    // full. Inputs without sound are left out, but for the first if all are; equal sides become
    // mono.
    std::string keepCapture(const std::vector<Piece>& run, std::size_t buses, std::uint32_t rate);
    // Its files by input; empty if it is not there.
    Sounds capture(const std::string& hash) const;
    std::shared_ptr<const Source> captureSource(const std::string& hash, std::size_t buses) const;
    std::filesystem::path captureFile(const std::string& hash, const std::string& bus) const;

    // Take files (name, path) over as the stems of a key, by links where the disk allows it.
    bool keepStems(const std::string& key,
                   const std::vector<std::pair<std::string, std::filesystem::path>>& files) const;
    // Empty if they are not there, or any of them is not of this length and rate.
    Sounds stems(const std::string& key, std::int64_t frames, std::uint32_t rate) const;
    std::filesystem::path stemFile(const std::string& key, const std::string& stem) const;

private:
    std::filesystem::path unfinished() const;
    static bool settle(const std::filesystem::path& made, const std::filesystem::path& place);

    std::filesystem::path folder_;
};

// The same file under another name: a link, or else a copy.
bool linkOrCopy(const std::filesystem::path& from, const std::filesystem::path& to);

} // namespace bandmate

// What has been captured, by its place on the host's time line; the newest wins.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace bandmate {

// Captured audio, all inputs of an instance side by side.
class Source {
public:
    virtual ~Source() = default;
    // Copy frames of stereo inputs, interleaved (frame, bus, side).
    virtual void read(std::int64_t offset, std::int64_t frames, float* samples) const = 0;
};

// A range of the time line and where its audio is.
struct Piece {
    std::int64_t start = 0, frames = 0; // samples
    std::shared_ptr<const Source> source;
    std::int64_t offset = 0; // of `start` in the source

    std::int64_t end() const { return start + frames; }
};

class Timeline {
public:
    void clear() { pieces_.clear(); }
    // Put a piece over whatever was there.
    void overwrite(const Piece& piece);
    // Take a range away.
    void erase(std::int64_t start, std::int64_t end);
    // Pieces that follow each other without a gap, run after run, in order.
    std::vector<std::vector<Piece>> runs() const;
    std::int64_t frames() const;

private:
    std::vector<Piece> pieces_; // sorted, none overlaps another
};

} // namespace bandmate

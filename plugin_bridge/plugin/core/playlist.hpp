// What the audio thread plays: passages on the time line with their stems, never changed once made.
#pragma once

#include "facts.hpp"
#include "wav.hpp"

#include <vector>

namespace bandmate {

struct Passage {
    std::int64_t start = 0, frames = 0;
    // Stems variants: by kStems, several files of one stem are summed. Part variant: by take.
    std::vector<std::vector<std::shared_ptr<const MappedWav>>> sounds;
    std::size_t newest = 0; // take

    std::int64_t end() const { return start + frames; }
};

struct Playlist {
    std::vector<Passage> passages; // sorted, none overlaps another

    // The passage at a position, or the next one after it; null if there is none.
    const Passage* at(std::int64_t frame) const;
    // Read what is about to be played into memory: some seconds after a position, and the beginning
    // of every passage.
    void touch(std::int64_t frame, std::int64_t frames) const;
};

} // namespace bandmate

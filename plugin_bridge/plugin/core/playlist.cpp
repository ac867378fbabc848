#include "playlist.hpp"

#include <algorithm>

namespace bandmate {

const Passage* Playlist::at(std::int64_t frame) const {
    const auto ends = [](std::int64_t position, const Passage& passage) {
        return position < passage.end();
    };
    const auto found = std::upper_bound(passages.begin(), passages.end(), frame, ends);
    return found == passages.end() ? nullptr : &*found;
}

void Playlist::touch(std::int64_t frame, std::int64_t frames) const {
    for (const Passage& passage : passages)
        for (const auto& sound : passage.sounds)
            for (const auto& wav : sound) {
                wav->touch(0, frames);
                wav->touch(frame - passage.start, frames);
            }
}

} // namespace bandmate

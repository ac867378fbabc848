// Where a block lies on the time line: the host's, or, in hosts without one, samples since the
// plug-in was activated.
#pragma once

#include <cstdint>

namespace bandmate {

// What a host says about the first sample of a block.
struct HostTime {
    bool playing = false;
    std::int64_t frame = 0;
};

// What the plug-in makes of it.
struct Step {
    bool playing = false;
    bool jumped = false; // does not go on where the last block ended
    std::int64_t frame = 0;
    std::uint32_t frames = 0;
};

class Transport {
public:
    void activate() { *this = Transport(); }

    Step next(const HostTime& host, std::uint32_t frames, bool freeRunning) {
        Step step;
        step.playing = freeRunning || host.playing;
        step.frame = freeRunning ? counted_ : host.frame;
        step.jumped = !wasPlaying_ || step.frame != expected_;
        step.frames = frames;
        wasPlaying_ = step.playing;
        expected_ = step.frame + frames;
        counted_ += frames;
        return step;
    }

private:
    bool wasPlaying_ = false;
    std::int64_t expected_ = 0;
    std::int64_t counted_ = 0;
};

} // namespace bandmate

// Mixes what is played: pure arithmetic on buffers, for the audio thread.
#pragma once

#include "facts.hpp"
#include "playlist.hpp"
#include "transport.hpp"

#include <array>

namespace bandmate {

// What the faders say, linear.
struct Mix {
    std::array<float, kStemCount> gains{}; // stems variants: after mute and solo
    float part = 1;                        // part variant
    float source = 1;                      // part variant: the dry signal; else unused
    std::size_t take = 0;                  // part variant: from 1; 0 is the newest
    bool wet = true;                       // false: bypassed, the source is wanted, or capturing
};

class Player {
public:
    void prepare(Variant variant, double rate);
    // Inputs and outputs may be the same buffers.
    void render(const float* const* inputs, float* const* outputs, const Step& step,
                const Playlist* playlist, const Mix& mix);

private:
    struct Fade { // moves towards a value in a few milliseconds, and lands on it exactly
        float now = 0;
        float next(float target, float step) {
            if (now == target) return now;
            if (target > now) return now = target - now > step ? now + step : target;
            return now = now - target > step ? now - step : target;
        }
    };

    void dry(const float* const* inputs, float* const* outputs, std::size_t from, std::size_t to,
             const Mix& mix);
    void inside(const float* const* inputs, float* const* outputs, std::size_t from, std::size_t to,
                const Passage& passage, std::int64_t frame, const Mix& mix);
    void snap(const Mix& mix);
    void stems(const float* const* inputs, float* const* outputs, std::size_t i,
               const Passage& passage, std::int64_t at, const Mix& mix);
    void part(const float* const* inputs, float* const* outputs, std::size_t i,
              const Passage& passage, std::int64_t at, const Mix& mix);

    Variant variant_ = Variant::Stems;
    float slope_ = 0;     // of fades, per sample
    bool within_ = false; // the last sample was in a passage
    Fade wet_, part_, source_;
    std::array<Fade, kStemCount> gains_;
};

} // namespace bandmate

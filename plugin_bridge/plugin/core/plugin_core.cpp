#include "plugin_core.hpp"

#include <algorithm>
#include <cmath>

namespace bandmate {

PluginCore::PluginCore(Variant variant, const Settings& settings, double rate)
    : variant_(variant), worker_(variant, settings, rate, tap_, controls_, playlist_) {
    worker_.prepare(rate);
    player_.prepare(variant, rate);
}

void PluginCore::activate(double rate) {
    worker_.prepare(rate);
    worker_.start();
    transport_.activate();
    player_.prepare(variant_, rate);
}

void PluginCore::process(const float* const* inputs, float* const* outputs, std::uint32_t frames,
                         const HostTime& time) {
    const Step step = transport_.next(time, frames, controls_.on(kTimeLine));
    if (step.playing) controls_.playhead.store(step.frame, std::memory_order_relaxed);
    tap_.write(inputs, step, controls_.on(kCapture));
    player_.render(inputs, outputs, step, playlist_.take(), mix());
}

Mix PluginCore::mix() const {
    Mix mix;
    const bool source = variant_ != Variant::Part && controls_.on(kSource);
    mix.wet = !controls_.on(kBypass) && !source && !tap_.capturing();
    if (variant_ == Variant::Part) {
        mix.part = gainOf(controls_.get(kPartGain));
        mix.source = gainOf(controls_.get(kSourceGain));
        mix.take = std::size_t(std::lround(std::max(0.0f, controls_.get(kTake))));
        return mix;
    }
    bool solo = false;
    for (std::size_t k = 0; k < kStemCount; ++k)
        solo |= controls_.on(kSolo + k);
    for (std::size_t k = 0; k < kStemCount; ++k) {
        const bool silent = controls_.on(kMute + k) || (solo && !controls_.on(kSolo + k));
        mix.gains[k] = silent ? 0 : gainOf(controls_.get(kGain + k));
    }
    return mix;
}

} // namespace bandmate

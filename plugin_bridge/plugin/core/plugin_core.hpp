// A whole plug-in without a plug-in format: what the shell and the tests link.
#pragma once

#include "player.hpp"
#include "worker.hpp"

namespace bandmate {

class PluginCore {
public:
    PluginCore(Variant variant, const Settings& settings, double rate);

    // From the host's main thread, while `process` does not run.
    void activate(double rate);
    void deactivate() { worker_.stopped(); }

    // From the audio thread: takes no lock, allocates nothing, touches no file.
    void process(const float* const* inputs, float* const* outputs, std::uint32_t frames,
                 const HostTime& time);

    float parameter(std::uint32_t id) const { return controls_.get(id); }
    void setParameter(std::uint32_t id, float value) { controls_.set(id, value); }

    std::string state() const { return worker_.state(); }
    void restore(const std::string& text) { worker_.restore(text); }
    View view() const { return worker_.view(); }
    std::int64_t playhead() const { return controls_.playhead.load(); }

private:
    Mix mix() const;

    const Variant variant_;
    Controls controls_;
    Transport transport_;
    Tap tap_;
    Player player_;
    Handoff<Playlist> playlist_;
    Worker worker_; // last: its thread uses the others
};

} // namespace bandmate

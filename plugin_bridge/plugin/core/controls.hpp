// Parameter values and the playhead, shared by the host's threads, the audio thread and the worker.
#pragma once

#include "parameters.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

namespace bandmate {

class Controls {
public:
    Controls() {
        for (const Variant variant : {Variant::Stems, Variant::Part})
            for (const Parameter& parameter : parameters(variant)) {
                values_[parameter.id] = parameter.initial;
                ranges_[parameter.id] = {parameter.low, parameter.high};
            }
    }

    float get(std::uint32_t id) const { return values_[id].load(std::memory_order_relaxed); }
    bool on(std::uint32_t id) const { return get(id) > 0.5f; }
    // Whatever the host says, the value is within its range. A trigger counts when it goes from off
    // to on.
    void set(std::uint32_t id, float wanted) {
        const auto [low, high] = ranges_[id];
        const float value = wanted > low ? std::min(wanted, high) : low; // also if it is no number
        const float before = values_[id].exchange(value, std::memory_order_relaxed);
        if (before > 0.5f || value <= 0.5f) return;
        if (id == kAgain) again.fetch_add(1);
        if (id == kNewTake) newTakes.fetch_add(1);
    }

    std::atomic<int> again{0}, newTakes{0}; // presses that the worker has yet to act on
    std::atomic<std::int64_t> playhead{0};  // samples

private:
    std::array<std::atomic<float>, kIdCount> values_{};
    std::array<std::pair<float, float>, kIdCount> ranges_{}; // never changes
};

} // namespace bandmate

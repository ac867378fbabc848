// Facts that several files need, each once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace bandmate {

// Stems that have a fader, in the order of the multi-output variant. What else a model returns is
// summed into the last one.
constexpr std::array<const char*, 6> kStems{"bass", "drums", "guitar", "piano", "vocals", "other"};
constexpr std::size_t kStemCount = kStems.size();

// Parts that can be played along, which are also the side-chain inputs of the part variant.
constexpr std::size_t kPartCount = 4;

constexpr int kMaxSeconds = 600; // captured at most, all passages together
constexpr int kMaxTakes = 16;    // of one passage

// What an instance is for: each is a plug-in of its own, built from the same source.
enum class Variant { Stems, Multi, Part };

constexpr std::size_t kMaxBuses = 1 + kPartCount; // stereo inputs of the part variant

constexpr std::size_t inputBuses(Variant variant) {
    return variant == Variant::Part ? kMaxBuses : 1;
}

constexpr std::size_t outputBuses(Variant variant) {
    return variant == Variant::Multi ? 1 + kStemCount : 1;
}

// The name of an input in a request: a mix of unknown parts, then the side-chains.
inline const char* busName(std::size_t bus) { return bus == 0 ? "backing" : kStems[bus - 1]; }

} // namespace bandmate

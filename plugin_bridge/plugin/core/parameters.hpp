// The table of parameters: what every host shows and automates, and what a session saves.
#pragma once

#include "facts.hpp"

#include <vector>

namespace bandmate {

// All parameters of all variants. Those of a stem are consecutive, one for each of kStems.
enum Id : std::uint32_t {
    kCapture,
    kSource,   // stems variants: play the source instead of the stems
    kBypass,   // the host's own
    kTimeLine, // 0 the host's, 1 counted by the plug-in itself
    kAgain,    // ask for the same once more
    kGain,
    kMute = kGain + kStemCount,
    kSolo = kMute + kStemCount,
    kNewTake = kSolo + kStemCount,
    kStem,
    kStrength,
    kSeed,
    kTake,
    kPartGain,
    kSourceGain,
    kStatus,   // output: a Status
    kProgress, // output, 0 to 100 %
    kCaptured, // output, seconds
    kIdCount
};

// Values of kStatus, in the order of statusLabels().
enum class Status {
    Empty,
    WaitingForPlay,
    Capturing,
    Starting,
    Asking,
    Working,
    Ready,
    NoServer,
    Refused,
    ModelMissing,
    OutOfMemory,
    DiskFull,
    Failed,
    StemsMissing,
    OtherRate,
    Full,
    Gap
};

const std::vector<const char*>& statusLabels();

enum class Kind { Number, Whole, Switch, Trigger, Choice, Output };

struct Parameter {
    Id id;
    const char* symbol; // never changes: sessions refer to it
    const char* name;
    const char* unit;
    float initial, low, high;
    Kind kind;
    std::vector<const char*> labels; // of a choice, or of an output that is one
};

// Parameters of a variant in the order of the host's list: inputs first.
const std::vector<Parameter>& parameters(Variant variant);

constexpr float kSilent = -60; // dB: a fader at its lowest is off

// Linear gain of a fader: exactly 1 at 0 dB.
float gainOf(float decibels);

} // namespace bandmate

#include "parameters.hpp"

#include <cmath>

namespace bandmate {

namespace {

const std::array<const char*, kStemCount> kNames{"Bass",  "Drums",  "Guitar",
                                                 "Piano", "Vocals", "Other"};
const std::array<const char*, kStemCount> kMuteNames{"Mute bass",  "Mute drums",  "Mute guitar",
                                                     "Mute piano", "Mute vocals", "Mute other"};
const std::array<const char*, kStemCount> kSoloNames{"Solo bass",  "Solo drums",  "Solo guitar",
                                                     "Solo piano", "Solo vocals", "Solo other"};
const std::array<const char*, kStemCount> kMuteSymbols{"mute_bass",  "mute_drums",  "mute_guitar",
                                                       "mute_piano", "mute_vocals", "mute_other"};
const std::array<const char*, kStemCount> kSoloSymbols{"solo_bass",  "solo_drums",  "solo_guitar",
                                                       "solo_piano", "solo_vocals", "solo_other"};

Parameter fader(Id id, const char* symbol, const char* name) {
    return {id, symbol, name, "dB", 0, kSilent, 12, Kind::Number, {}};
}

Parameter button(Id id, const char* symbol, const char* name, Kind kind = Kind::Switch) {
    return {id, symbol, name, "", 0, 0, 1, kind, {}};
}

Id nth(Id first, std::size_t index) { return static_cast<Id>(first + index); }

void addCommon(std::vector<Parameter>& table) {
    table.push_back({kTimeLine,
                     "time_line",
                     "Time line",
                     "",
                     0,
                     0,
                     1,
                     Kind::Choice,
                     {"the host's", "since activation"}});
    table.push_back(button(kBypass, "dpf_bypass", "Bypass"));
}

void addOutputs(std::vector<Parameter>& table) {
    const float last = static_cast<float>(statusLabels().size() - 1);
    table.push_back({kStatus, "status", "Status", "", 0, 0, last, Kind::Output, statusLabels()});
    table.push_back({kProgress, "progress", "Progress", "%", 0, 0, 100, Kind::Output, {}});
    table.push_back({kCaptured, "captured", "Captured", "s", 0, 0, kMaxSeconds, Kind::Output, {}});
}

std::vector<Parameter> stemsTable() {
    std::vector<Parameter> table;
    table.push_back(button(kCapture, "capture", "Capture"));
    for (std::size_t k = 0; k < kStemCount; ++k)
        table.push_back(fader(nth(kGain, k), kStems[k], kNames[k]));
    for (std::size_t k = 0; k < kStemCount; ++k)
        table.push_back(button(nth(kMute, k), kMuteSymbols[k], kMuteNames[k]));
    for (std::size_t k = 0; k < kStemCount; ++k)
        table.push_back(button(nth(kSolo, k), kSoloSymbols[k], kSoloNames[k]));
    table.push_back(button(kSource, "source", "Source"));
    table.push_back(button(kAgain, "again", "Separate again", Kind::Trigger));
    addCommon(table);
    addOutputs(table);
    return table;
}

std::vector<Parameter> partTable() {
    std::vector<Parameter> table;
    table.push_back(button(kCapture, "capture", "Capture"));
    table.push_back({kStem,
                     "part",
                     "Part",
                     "",
                     2,
                     0,
                     kPartCount - 1,
                     Kind::Choice,
                     {kNames[0], kNames[1], kNames[2], kNames[3]}});
    table.push_back({kStrength, "strength", "Strength", "", 1, 0, 1, Kind::Number, {}});
    table.push_back({kSeed, "seed", "Seed", "", 0, 0, 9999, Kind::Whole, {}});
    table.push_back({kTake, "take", "Take (0: newest)", "", 0, 0, kMaxTakes, Kind::Whole, {}});
    table.push_back(button(kNewTake, "new_take", "New take", Kind::Trigger));
    table.push_back(fader(kPartGain, "part_gain", "Part gain"));
    table.push_back(fader(kSourceGain, "source_gain", "Source gain"));
    addCommon(table);
    addOutputs(table);
    return table;
}

} // namespace

const std::vector<const char*>& statusLabels() {
    static const std::vector<const char*> labels{"nothing captured",
                                                 "waiting for play",
                                                 "capturing",
                                                 "starting the server",
                                                 "asking the server",
                                                 "working",
                                                 "ready",
                                                 "no server",
                                                 "refused",
                                                 "model missing",
                                                 "out of memory",
                                                 "disk full",
                                                 "failed",
                                                 "stems missing",
                                                 "captured at another rate",
                                                 "ten minutes are full",
                                                 "capture has a gap"};
    return labels;
}

const std::vector<Parameter>& parameters(Variant variant) {
    static const std::vector<Parameter> stems = stemsTable();
    static const std::vector<Parameter> part = partTable();
    return variant == Variant::Part ? part : stems;
}

float gainOf(float decibels) {
    return decibels <= kSilent ? 0.0f : std::pow(10.0f, decibels / 20.0f);
}

} // namespace bandmate

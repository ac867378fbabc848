#include "layout.hpp"

#include <cmath>
#include <cstdio>

namespace bandmate {

namespace {

constexpr float kTop = 10, kButton = 26; // height of buttons
constexpr float kStrip = 90;             // width of a stem's strip
constexpr std::array<const char*, kStemCount> kLabels{"Bass",  "Drums",  "Guitar",
                                                      "Piano", "Vocals", "Other"};

Id nth(Id first, std::size_t index) { return static_cast<Id>(first + index); }

void addStrips(std::vector<Control>& list) {
    for (std::size_t k = 0; k < kStemCount; ++k) {
        const float x = 10 + kStrip * float(k);
        list.push_back({nth(kGain, k), Look::Fader, kLabels[k], {x + 8, 206, 30, 122}});
        list.push_back({nth(kMute, k), Look::Button, "M", {x + 46, 262, 28, 26}});
        list.push_back({nth(kSolo, k), Look::Button, "S", {x + 46, 294, 28, 26}});
    }
}

} // namespace

std::vector<Control> controls(Variant variant) {
    std::vector<Control> list{{kCapture, Look::Button, "Capture", {330, kTop, 84, kButton}}};
    if (variant == Variant::Part) {
        list.push_back({kNewTake, Look::Button, "New take", {422, kTop, 126, kButton}});
        list.push_back({kStem, Look::Choice, "Part", {20, 216, 150, 30}});
        list.push_back({kStrength, Look::Slider, "Strength", {20, 276, 150, 22}});
        list.push_back({kTake, Look::Stepper, "Take", {200, 216, 130, 30}});
        list.push_back({kSeed, Look::Stepper, "Seed", {200, 272, 130, 30}});
        list.push_back({kPartGain, Look::Fader, "Part", {390, 206, 30, 122}});
        list.push_back({kSourceGain, Look::Fader, "Source", {470, 206, 30, 122}});
        return list;
    }
    list.push_back({kSource, Look::Button, "Source", {422, kTop, 60, kButton}});
    list.push_back({kAgain, Look::Button, "Again", {490, kTop, 58, kButton}});
    addStrips(list);
    return list;
}

std::size_t rowOf(Variant variant, Id id) {
    const auto& table = parameters(variant);
    std::size_t row = 0;
    while (row + 1 < table.size() && table[row].id != id)
        ++row;
    return row;
}

std::string shown(const Parameter& row, float value) {
    if (!row.labels.empty()) return row.labels[std::size_t(std::lround(value))];
    if (row.id == kTake && value < 0.5f) return "newest";
    if (row.kind == Kind::Whole) return std::to_string(std::lround(value));
    const bool fader = row.low == kSilent;
    if (fader && value <= kSilent) return "off";
    char text[32];
    std::snprintf(text, sizeof text, fader ? "%+.1f" : "%.2f", double(value));
    return text;
}

} // namespace bandmate

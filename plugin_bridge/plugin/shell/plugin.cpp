#include "plugin.hpp"

#include <string>

START_NAMESPACE_DISTRHO

using bandmate::Kind;

namespace {

constexpr auto kVariant = static_cast<bandmate::Variant>(BANDMATE_VARIANT);
constexpr const char* kPassages = "passages";

const std::vector<bandmate::Parameter>& table() { return bandmate::parameters(kVariant); }

// The name of a stereo bus.
std::string busTitle(bool input, uint32_t bus) {
    if (bus == 0) return input ? "In" : kVariant == bandmate::Variant::Multi ? "Dry" : "Out";
    std::string name = bandmate::kStems[bus - 1];
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    return name;
}

void initChoices(const bandmate::Parameter& row, Parameter& parameter) {
    const auto count = static_cast<uint8_t>(row.labels.size());
    if (count == 0) return;
    auto* values = new ParameterEnumerationValue[count];
    for (uint8_t i = 0; i < count; ++i) {
        values[i].value = i;
        values[i].label = row.labels[i];
    }
    parameter.enumValues.count = count;
    parameter.enumValues.restrictedMode = true;
    parameter.enumValues.values = values;
}

uint32_t hintsOf(const bandmate::Parameter& row) {
    switch (row.kind) {
    case Kind::Number:
        return kParameterIsAutomatable;
    case Kind::Whole:
    case Kind::Choice:
        return kParameterIsAutomatable | kParameterIsInteger;
    case Kind::Switch:
        return kParameterIsAutomatable | kParameterIsBoolean | kParameterIsInteger;
    case Kind::Trigger:
        return kParameterIsAutomatable | kParameterIsTrigger;
    case Kind::Output:
        return kParameterIsOutput | (row.labels.empty() ? 0u : kParameterIsInteger);
    }
    return 0;
}

} // namespace

BandmatePlugin::BandmatePlugin()
    : Plugin(static_cast<uint32_t>(table().size()), 0, 1),
      core_(kVariant, bandmate::readSettings(), getSampleRate()) {}

const char* BandmatePlugin::getLabel() const {
    return kVariant == bandmate::Variant::Stems   ? "Stems"
           : kVariant == bandmate::Variant::Multi ? "StemsMulti"
                                                  : "Part";
}

const char* BandmatePlugin::getDescription() const {
    return kVariant == bandmate::Variant::Part
               ? "Adds bass, drums, guitar or piano to what was played."
               : "Takes what was played apart into bass, drums, guitar, piano and the rest.";
}

int64_t BandmatePlugin::getUniqueId() const {
    return kVariant == bandmate::Variant::Stems   ? d_cconst('B', 'm', 'S', 't')
           : kVariant == bandmate::Variant::Multi ? d_cconst('B', 'm', 'S', 'm')
                                                  : d_cconst('B', 'm', 'P', 'a');
}

void BandmatePlugin::initAudioPort(bool input, uint32_t index, AudioPort& port) {
    const uint32_t bus = index / 2;
    const std::string title = busTitle(input, bus);
    const char* side = index % 2 == 0 ? " L" : " R";
    const bool main = bus == 0;
    port.name = (title + side).c_str();
    port.symbol = ((input ? "in_" : "out_") + std::to_string(index + 1)).c_str();
    port.groupId = main ? kPortGroupStereo : bus - 1;
    port.hints = input && !main ? kAudioPortIsSidechain : 0x0;
}

void BandmatePlugin::initPortGroup(uint32_t groupId, PortGroup& group) {
    if (groupId >= bandmate::kStemCount) return Plugin::initPortGroup(groupId, group);
    group.name = busTitle(kVariant == bandmate::Variant::Part, groupId + 1).c_str();
    group.symbol = bandmate::kStems[groupId];
}

void BandmatePlugin::initParameter(uint32_t index, Parameter& parameter) {
    const bandmate::Parameter& row = table()[index];
    if (row.id == bandmate::kBypass) return parameter.initDesignation(kParameterDesignationBypass);
    parameter.hints = hintsOf(row);
    parameter.name = row.name;
    parameter.symbol = row.symbol;
    parameter.unit = row.unit;
    parameter.ranges = ParameterRanges(row.initial, row.low, row.high);
    initChoices(row, parameter);
}

void BandmatePlugin::initState(uint32_t, State& state) {
    state.key = kPassages;
    state.label = "Captured passages";
    state.defaultValue = bandmate::writeRecords({}).c_str();
    state.hints = kStateIsOnlyForDSP;
}

float BandmatePlugin::getParameterValue(uint32_t index) const {
    return core_.parameter(table()[index].id);
}

void BandmatePlugin::setParameterValue(uint32_t index, float value) {
    if (table()[index].kind != Kind::Output) core_.setParameter(table()[index].id, value);
}

String BandmatePlugin::getState(const char*) const { return String(core_.state().c_str()); }

void BandmatePlugin::setState(const char* key, const char* value) {
    if (std::strcmp(key, kPassages) == 0) core_.restore(value);
}

void BandmatePlugin::run(const float** inputs, float** outputs, uint32_t frames) {
    const TimePosition& time = getTimePosition();
    // DPF's frame is unsigned; a count-in before the song's beginning is negative.
    core_.process(inputs, outputs, frames, {time.playing, static_cast<int64_t>(time.frame)});
}

Plugin* createPlugin() { return new BandmatePlugin(); }

END_NAMESPACE_DISTRHO

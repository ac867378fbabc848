// The plug-in as DPF has it: names and ports for the host, everything else to the core.
#pragma once

#include "DistrhoPlugin.hpp"

#include "plugin_core.hpp"

START_NAMESPACE_DISTRHO

class BandmatePlugin : public Plugin {
public:
    BandmatePlugin();

    // For the editor.
    const bandmate::PluginCore& core() const { return core_; }

protected:
    const char* getLabel() const override;
    const char* getDescription() const override;
    const char* getMaker() const override { return "bandmate"; }
    const char* getLicense() const override { return "MIT"; }
    uint32_t getVersion() const override { return d_version(0, 1, 0); }
    int64_t getUniqueId() const override;

    void initAudioPort(bool input, uint32_t index, AudioPort& port) override;
    void initPortGroup(uint32_t groupId, PortGroup& group) override;
    void initParameter(uint32_t index, Parameter& parameter) override;
    void initState(uint32_t index, State& state) override;

    float getParameterValue(uint32_t index) const override;
    void setParameterValue(uint32_t index, float value) override;
    String getState(const char* key) const override;
    void setState(const char* key, const char* value) override;

    void activate() override { core_.activate(getSampleRate()); }
    void deactivate() override { core_.deactivate(); }
    void run(const float** inputs, float** outputs, uint32_t frames) override;

private:
    bandmate::PluginCore core_;
};

END_NAMESPACE_DISTRHO

#include "hosted.hpp"

#include "plugin_core.hpp"

using namespace bandmate;

namespace {

Variant variantOf(const std::string& name) {
    if (name == "multi") return Variant::Multi;
    return name == "part" ? Variant::Part : Variant::Stems;
}

class CorePlugin : public Hosted {
public:
    CorePlugin(Variant variant, double rate)
        : variant_(variant), core_(variant, readSettings(), rate) {}

    std::size_t inputs() const override { return 2 * inputBuses(variant_); }
    std::size_t outputs() const override { return 2 * outputBuses(variant_); }
    void activate(double rate, std::uint32_t) override { core_.activate(rate); }
    void deactivate() override { core_.deactivate(); }
    void process(float** in, float** out, std::uint32_t frames, bool playing,
                 std::int64_t frame) override {
        core_.process(in, out, frames, {playing, frame});
    }
    bool set(const std::string& symbol, double value) override {
        for (const Parameter& parameter : parameters(variant_))
            if (symbol == parameter.symbol) {
                core_.setParameter(parameter.id, float(value));
                if (parameter.kind == Kind::Trigger) core_.setParameter(parameter.id, 0);
                return true;
            }
        return false;
    }
    double get(const std::string& symbol) override {
        for (const Parameter& parameter : parameters(variant_))
            if (symbol == parameter.symbol) return double(core_.parameter(parameter.id));
        return -1;
    }
    std::string save() override { return core_.state(); }
    void load(const std::string& state) override { core_.restore(state); }
    std::string text() override { return core_.view().problem.text; }

private:
    Variant variant_;
    PluginCore core_;
};

} // namespace

std::unique_ptr<Hosted> openCore(const std::string& variant, double rate) {
    return std::make_unique<CorePlugin>(variantOf(variant), rate);
}

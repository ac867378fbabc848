// Hosts a .clap file by the headers that DPF brings, as a strict host does.
#include "hosted.hpp"

#include <cstring>
#include <dlfcn.h>
#include <iostream>
#include <map>
#include <sstream>
#include <vector>

#include "clap/entry.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/plugin-factory.h"
#include "clap/plugin.h"

namespace {

const void* hostExtension(const clap_host_t*, const char*) { return nullptr; }
void nothing(const clap_host_t*) {}

const clap_host_t kHost{CLAP_VERSION, nullptr,       "headless", "bandmate", "",
                        "1",          hostExtension, nothing,    nothing,    nothing};

std::uint32_t eventCount(const clap_input_events_t* list) {
    return std::uint32_t(static_cast<std::vector<clap_event_param_value_t>*>(list->ctx)->size());
}

const clap_event_header_t* eventAt(const clap_input_events_t* list, std::uint32_t index) {
    return &(*static_cast<std::vector<clap_event_param_value_t>*>(list->ctx))[index].header;
}

// As the plug-in reports output parameters.
bool takeEvent(const clap_output_events_t* list, const clap_event_header_t* event) {
    if (event->type == CLAP_EVENT_PARAM_VALUE) {
        const auto* value = reinterpret_cast<const clap_event_param_value_t*>(event);
        (*static_cast<std::vector<double>*>(list->ctx))[value->param_id] = value->value;
    }
    return true;
}

class ClapPlugin : public Hosted {
public:
    bool open(const std::string& path) {
        void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) return std::cerr << dlerror() << '\n', false;
        const auto* entry = static_cast<const clap_plugin_entry_t*>(dlsym(library, "clap_entry"));
        if (entry == nullptr || !entry->init(path.c_str())) return false;
        const auto* factory =
            static_cast<const clap_plugin_factory_t*>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
        if (factory->get_plugin_count(factory) != 1) return false;
        descriptor_ = factory->get_plugin_descriptor(factory, 0);
        plugin_ = factory->create_plugin(factory, &kHost, descriptor_->id);
        if (plugin_ == nullptr || !plugin_->init(plugin_)) return false;
        ports_ = extension<clap_plugin_audio_ports_t>(CLAP_EXT_AUDIO_PORTS);
        params_ = extension<clap_plugin_params_t>(CLAP_EXT_PARAMS);
        state_ = extension<clap_plugin_state_t>(CLAP_EXT_STATE);
        if (!ports_ || !params_ || !state_) return false;
        listParameters();
        ins_ = channels(true);
        outs_ = channels(false);
        events_.reserve(64);
        return true;
    }

    ~ClapPlugin() override {
        if (plugin_ == nullptr) return;
        deactivate();
        plugin_->destroy(plugin_);
    }

    std::size_t inputs() const override { return ins_; }
    std::size_t outputs() const override { return outs_; }

    void activate(double rate, std::uint32_t block) override {
        deactivate();
        rate_ = rate;
        plugin_->activate(plugin_, rate, 1, block);
        plugin_->start_processing(plugin_);
        active_ = true;
    }

    void deactivate() override {
        if (!active_) return;
        plugin_->stop_processing(plugin_);
        plugin_->deactivate(plugin_);
        active_ = false;
    }

    void process(float** in, float** out, std::uint32_t frames, bool playing,
                 std::int64_t frame) override {
        clap_event_transport_t transport{};
        transport.header = {sizeof transport, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, 0};
        transport.flags = CLAP_TRANSPORT_HAS_SECONDS_TIMELINE |
                          (playing ? std::uint32_t(CLAP_TRANSPORT_IS_PLAYING) : 0u);
        transport.song_pos_seconds =
            clap_sectime(double(frame) / rate_ * double(CLAP_SECTIME_FACTOR) + 0.5);
        clap_audio_buffer_t ins[8]{}, outs[8]{};
        clap_process_t process{};
        process.steady_time = steady_;
        process.frames_count = frames;
        process.transport = &transport;
        process.audio_inputs = ins;
        process.audio_outputs = outs;
        process.audio_inputs_count = fill(ins, in, true);
        process.audio_outputs_count = fill(outs, out, false);
        const clap_input_events_t sent{&events_, eventCount, eventAt};
        const clap_output_events_t got{&values_, takeEvent};
        process.in_events = &sent;
        process.out_events = &got;
        plugin_->process(plugin_, &process);
        events_.clear();
        steady_ += frames;
    }

    bool set(const std::string& symbol, double value) override {
        const auto found = ids_.find(symbol);
        if (found == ids_.end() || events_.size() == events_.capacity()) return false;
        clap_event_param_value_t event{};
        event.header = {sizeof event, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0};
        event.param_id = found->second;
        event.note_id = event.port_index = event.channel = event.key = -1;
        event.value = value;
        events_.push_back(event);
        return true;
    }

    double get(const std::string& symbol) override {
        double value = 0;
        const auto found = ids_.find(symbol);
        if (found == ids_.end() || !params_->get_value(plugin_, found->second, &value)) return -1;
        return value;
    }

    std::string save() override {
        std::string text;
        const clap_ostream_t stream{
            &text, [](const clap_ostream_t* to, const void* data, std::uint64_t size) {
                static_cast<std::string*>(to->ctx)->append(static_cast<const char*>(data), size);
                return std::int64_t(size);
            }};
        state_->save(plugin_, &stream);
        return text;
    }

    void load(const std::string& text) override {
        std::istringstream in(text);
        const clap_istream_t stream{
            &in, [](const clap_istream_t* from, void* data, std::uint64_t size) {
                auto* source = static_cast<std::istringstream*>(from->ctx);
                source->read(static_cast<char*>(data), std::streamsize(size));
                return std::int64_t(source->gcount());
            }};
        state_->load(plugin_, &stream);
    }

    std::string about() override {
        std::ostringstream out;
        out << descriptor_->id << '|' << descriptor_->name;
        for (const bool input : {true, false})
            for (std::uint32_t i = 0; i < ports_->count(plugin_, input); ++i) {
                clap_audio_port_info_t info{};
                ports_->get(plugin_, i, input, &info);
                out << (input ? "|in " : "|out ") << info.name << ' ' << info.channel_count;
            }
        for (const auto& [symbol, id] : ids_)
            out << '|' << symbol;
        return out.str();
    }

private:
    template <class T> const T* extension(const char* id) {
        return static_cast<const T*>(plugin_->get_extension(plugin_, id));
    }

    // DPF names a parameter's symbol as the end of its module path.
    void listParameters() {
        for (std::uint32_t i = 0; i < params_->count(plugin_); ++i) {
            clap_param_info_t info{};
            if (!params_->get_info(plugin_, i, &info)) continue;
            const std::string module = info.module;
            ids_[module.substr(module.find_last_of('/') + 1)] = info.id;
        }
        values_.resize(params_->count(plugin_));
    }

    std::size_t channels(bool input) {
        std::size_t total = 0;
        sizes_[input].clear();
        for (std::uint32_t i = 0; i < ports_->count(plugin_, input); ++i) {
            clap_audio_port_info_t info{};
            ports_->get(plugin_, i, input, &info);
            total += info.channel_count;
            sizes_[input].push_back(info.channel_count);
        }
        return total;
    }

    std::uint32_t fill(clap_audio_buffer_t* buses, float** channels, bool input) {
        const std::size_t total = input ? ins_ : outs_;
        const auto& sizes = sizes_[input];
        std::uint32_t bus = 0;
        for (std::size_t at = 0; at < total; at += sizes[bus], ++bus) {
            buses[bus].data32 = channels + at;
            buses[bus].channel_count = sizes[bus];
        }
        return bus;
    }

    const clap_plugin_descriptor_t* descriptor_ = nullptr;
    const clap_plugin_t* plugin_ = nullptr;
    const clap_plugin_audio_ports_t* ports_ = nullptr;
    const clap_plugin_params_t* params_ = nullptr;
    const clap_plugin_state_t* state_ = nullptr;
    std::map<std::string, clap_id> ids_;
    std::vector<clap_event_param_value_t> events_;
    std::vector<double> values_;
    std::vector<std::uint32_t> sizes_[2];
    std::size_t ins_ = 0, outs_ = 0;
    double rate_ = 48000;
    std::int64_t steady_ = 777; // counts on, unlike the song's position
    bool active_ = false;
};

} // namespace

std::unique_ptr<Hosted> openClap(const std::string& path) {
    auto plugin = std::make_unique<ClapPlugin>();
    if (!plugin->open(path)) return nullptr;
    return plugin;
}

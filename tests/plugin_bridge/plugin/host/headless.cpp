// A host without windows: reads commands, a line each, and answers with a line each.
#include "hosted.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// What is on the track: raw interleaved floats of all input channels, from a position on.
struct Track {
    std::vector<float> samples;
    std::int64_t start = 0;

    float at(std::int64_t frame, std::size_t channel, std::size_t channels) const {
        const std::int64_t index = (frame - start) * std::int64_t(channels) + std::int64_t(channel);
        const bool inside = frame >= start && index < std::int64_t(samples.size());
        return inside ? samples[std::size_t(index)] : 0;
    }
};

class Host {
public:
    Host(std::unique_ptr<Hosted> plugin, double rate) : plugin_(std::move(plugin)), rate_(rate) {}

    std::string command(const std::string& line) {
        std::istringstream words(line);
        std::string verb, name;
        words >> verb;
        double value = 0;
        if (verb == "set") {
            words >> name >> value;
            return plugin_->set(name, value) ? "ok" : "no parameter " + name;
        }
        if (verb == "get") {
            words >> name;
            std::ostringstream out;
            out.precision(9);
            out << plugin_->get(name);
            return out.str();
        }
        if (verb == "track") return loadTrack(words);
        if (verb == "activate") return activate(words);
        if (verb == "deactivate") return plugin_->deactivate(), "ok";
        if (verb == "play") return play(words);
        if (verb == "bench") return bench(words);
        if (verb == "fuzz") return fuzz(words);
        if (verb == "text") return plugin_->text() + " ";
        if (verb == "about") return plugin_->about();
        if (verb == "trapped") return std::to_string(trap::count()) + " " + trap::last();
        if (verb == "trap_check") return checkTrap();
        if (verb == "save") return saveState(words);
        if (verb == "load") return loadState(words);
        if (verb == "memory") return memory();
        return "what is " + line + "?";
    }

private:
    std::string loadTrack(std::istringstream& words) {
        std::string path;
        words >> track_.start >> path;
        std::ifstream file(path, std::ios::binary | std::ios::ate);
        track_.samples.resize(std::size_t(file.tellg()) / sizeof(float));
        file.seekg(0);
        file.read(reinterpret_cast<char*>(track_.samples.data()),
                  std::streamsize(track_.samples.size() * sizeof(float)));
        return "ok";
    }

    std::string activate(std::istringstream& words) {
        words >> rate_;
        plugin_->activate(rate_, kMaxBlock);
        return "ok";
    }

    // play FROM FRAMES BLOCK playing|stopped PACE [FILE]: block 0 is random sizes, pace 1 real
    // time; the outputs go into the file, raw and interleaved.
    std::string play(std::istringstream& words) {
        std::int64_t from = 0, frames = 0;
        std::uint32_t size = 0;
        std::string state, path;
        double pace = 0;
        words >> from >> frames >> size >> state >> pace >> path;
        std::ofstream file;
        if (!path.empty()) file.open(path, std::ios::binary);
        const auto began = Clock::now();
        for (std::int64_t done = 0; done < frames;) {
            std::uint32_t block = size ? size : std::uniform_int_distribution<>(1, kMaxBlock)(rng_);
            block = std::uint32_t(std::min<std::int64_t>(block, frames - done));
            run(from + done, block, state == "playing");
            if (file) writeOut(file, block);
            done += block;
            if (pace > 0)
                std::this_thread::sleep_until(
                    began + std::chrono::duration<double>(double(done) / rate_ / pace));
        }
        return "ok";
    }

    double run(std::int64_t frame, std::uint32_t frames, bool playing) {
        const std::size_t ins = plugin_->inputs(), outs = plugin_->outputs();
        in_.resize(ins * kMaxBlock);
        out_.resize(outs * kMaxBlock);
        float* in[16];
        float* out[16];
        for (std::size_t c = 0; c < ins; ++c) {
            in[c] = &in_[c * kMaxBlock];
            for (std::uint32_t i = 0; i < frames; ++i)
                in[c][i] = track_.at(frame + i, c, ins);
        }
        for (std::size_t c = 0; c < outs; ++c)
            out[c] = &out_[c * kMaxBlock];
        const auto began = Clock::now();
        trap::arm();
        plugin_->process(in, out, frames, playing, frame);
        trap::release();
        return std::chrono::duration<double>(Clock::now() - began).count();
    }

    void writeOut(std::ofstream& file, std::uint32_t frames) {
        const std::size_t outs = plugin_->outputs();
        std::vector<float> block(frames * outs);
        for (std::uint32_t i = 0; i < frames; ++i)
            for (std::size_t c = 0; c < outs; ++c)
                block[i * outs + c] = out_[c * kMaxBlock + i];
        file.write(reinterpret_cast<const char*>(block.data()),
                   std::streamsize(block.size() * sizeof(float)));
    }

    // bench FROM FRAMES BLOCK: mean and 99.9th percentile of a callback, in microseconds.
    std::string bench(std::istringstream& words) {
        std::int64_t from = 0, frames = 0;
        std::uint32_t block = 64;
        words >> from >> frames >> block;
        std::vector<double> times;
        for (std::int64_t done = 0; done < frames; done += block)
            times.push_back(1e6 * run(from + done, block, true));
        std::sort(times.begin(), times.end());
        double sum = 0;
        for (const double time : times)
            sum += time;
        std::ostringstream out;
        out << sum / double(times.size()) << ' ' << times[times.size() * 999 / 1000];
        return out.str();
    }

    // fuzz SEED COUNT SYMBOL...: random parameters and transport, while another thread saves and
    // loads as a host's main thread does.
    std::string fuzz(std::istringstream& words) {
        unsigned seed = 0;
        int count = 0;
        words >> seed >> count;
        std::vector<std::string> symbols;
        for (std::string symbol; words >> symbol;)
            symbols.push_back(symbol);
        std::mt19937 rng(seed);
        const auto pick = [&](int low, int high) {
            return std::uniform_int_distribution<>(low, high)(rng);
        };
        std::atomic<bool> ending{false};
        std::thread window([&] {
            std::string kept = plugin_->save();
            for (int i = 0; !ending; ++i) {
                std::string now = plugin_->save();
                plugin_->text();
                if (i % 7 == 3) plugin_->load(kept);
                if (i % 5 == 0) kept = now;
                std::this_thread::sleep_for(std::chrono::milliseconds(7));
            }
        });
        std::int64_t frame = 0;
        for (int i = 0; i < count; ++i) {
            if (pick(0, 3) == 0) frame = pick(-20000, 200000);
            plugin_->set(symbols[std::size_t(pick(0, int(symbols.size()) - 1))],
                         std::uniform_real_distribution<>(-80, 20)(rng));
            plugin_->set("capture", pick(0, 1));
            const bool playing = pick(0, 4) != 0;
            for (int blocks = pick(1, 20); blocks > 0; --blocks) {
                const int block = pick(1, kMaxBlock);
                run(frame, std::uint32_t(block), playing);
                if (playing) frame += block;
            }
            for (const float sample : out_)
                if (!std::isfinite(sample)) return "not finite";
        }
        plugin_->set("capture", 0);
        ending = true;
        window.join();
        return "ok";
    }

    // That what is forbidden is noticed.
    static std::string checkTrap() {
        trap::arm();
        const auto text = std::make_unique<std::string>(1000, 'x');
        trap::release();
        return std::to_string(trap::count()) + " " + text->substr(0, 1);
    }

    std::string saveState(std::istringstream& words) {
        std::string path;
        words >> path;
        std::ofstream(path, std::ios::binary) << plugin_->save();
        return "ok";
    }

    std::string loadState(std::istringstream& words) {
        std::string path;
        words >> path;
        std::ifstream file(path, std::ios::binary);
        std::stringstream text;
        text << file.rdbuf();
        plugin_->load(text.str());
        return "ok";
    }

    static std::string memory() { // private bytes
        std::ifstream file("/proc/self/smaps_rollup");
        for (std::string line; std::getline(file, line);)
            if (line.rfind("Anonymous:", 0) == 0) return line.substr(10);
        return "0";
    }

    static constexpr int kMaxBlock = 4096;
    std::unique_ptr<Hosted> plugin_;
    double rate_;
    Track track_;
    std::vector<float> in_, out_;
    std::mt19937 rng_{1};
};

} // namespace

int answerPure() {
    for (std::string verb, argument;
         std::cin >> verb && std::getline(std::cin >> std::ws, argument);)
        std::cout << pure(verb, argument) << std::endl;
    return 0;
}

// headless core VARIANT RATE | headless clap FILE RATE | headless pure
int main(int count, char** arguments) {
    if (count == 2) return answerPure();
    if (count != 4) return 2;
    const std::string kind = arguments[1];
    const double rate = std::atof(arguments[3]);
    auto plugin = kind == "core" ? openCore(arguments[2], rate) : openClap(arguments[2]);
    if (!plugin) return 1;
    plugin->activate(rate, 4096);
    Host host(std::move(plugin), rate);
    for (std::string line; std::getline(std::cin, line);)
        std::cout << host.command(line) << std::endl;
    return 0;
}

#include "tap.hpp"

#include <thread>

namespace bandmate {

namespace {

constexpr double kRingSeconds = 8;
constexpr std::size_t kMarks = 1024;
constexpr std::chrono::milliseconds kLongestWait{5000};

} // namespace

void Tap::prepare(std::size_t buses, double rate) {
    buses_ = buses;
    rate_ = rate;
    samples_.resize(std::size_t(kRingSeconds * rate) * 2 * buses);
    marks_.resize(kMarks);
    written_ = 0;
    recording_ = false;
}

void Tap::stop() {
    if (recording_) end(Mark::Finish);
}

void Tap::write(const float* const* inputs, const Step& step, bool capture) {
    const bool record = capture && step.playing;
    const bool recording = recording_.load(std::memory_order_relaxed);
    if (recording && !record) end(Mark::Finish);
    if (record && recording && step.jumped) end(Mark::End);
    if (record && (!recording || step.jumped)) begin(step);
    if (!recording_.load(std::memory_order_relaxed)) return;
    if (makeRoom(step.frames)) {
        copy(inputs, step.frames);
    } else {
        overrun_ = true;
        end(Mark::Finish);
    }
}

void Tap::begin(const Step& step) {
    if (marks_.room() < 2) return; // an End must fit as well
    marks_.push({Mark::Begin, step.frame, written_});
    began_ = written_;
    beganAt_ = Clock::now();
    recording_ = true;
}

void Tap::end(Mark::Kind kind) {
    marks_.push({kind, 0, written_});
    recording_ = false;
}

bool Tap::makeRoom(std::size_t frames) {
    const std::size_t wanted = frames * 2 * buses_;
    if (samples_.room() >= wanted) return true;
    const std::chrono::duration<double> elapsed = Clock::now() - beganAt_;
    const double captured = double(written_ - began_) / rate_;
    if (wanted > samples_.size() || elapsed.count() > captured / 2) return false;
    const auto patience = Clock::now() + kLongestWait;
    while (samples_.room() < wanted) {
        if (Clock::now() > patience) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

void Tap::copy(const float* const* inputs, std::uint32_t frames) {
    const std::size_t channels = 2 * buses_;
    for (std::size_t channel = 0; channel < channels; ++channel)
        for (std::uint32_t i = 0; i < frames; ++i)
            samples_.slot(i * channels + channel) = inputs[channel][i];
    samples_.commit(frames * channels);
    written_ += frames;
}

} // namespace bandmate

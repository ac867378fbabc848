// The audio thread's end of capturing: copies inputs into a ring, with marks where they belong.
#pragma once

#include "facts.hpp"
#include "ring.hpp"
#include "transport.hpp"

#include <chrono>

namespace bandmate {

struct Mark {
    enum Kind { Begin, End, Finish } kind = Begin; // Finish: the musician is done capturing
    std::int64_t frame = 0;                        // of a Begin: place on the time line
    std::size_t at = 0;                            // frames put into the ring before it
};

class Tap {
public:
    // These two not while the audio thread runs: end what is being captured; begin anew.
    void stop();
    void prepare(std::size_t buses, double rate);

    // For the audio thread. Where the ring is full and the host works faster than real time, as in
    // a bounce, it waits for the reader: nobody is listening then. In real time it never waits.
    void write(const float* const* inputs, const Step& step, bool capture);

    bool capturing() const { return recording_.load(std::memory_order_relaxed); }
    bool overrun() const { return overrun_.load(std::memory_order_relaxed); }
    void forgetOverrun() { overrun_ = false; }

    // For the reader.
    Ring<float>& samples() { return samples_; }
    Ring<Mark>& marks() { return marks_; }
    std::size_t buses() const { return buses_; }

private:
    using Clock = std::chrono::steady_clock;
    void begin(const Step& step);
    void end(Mark::Kind kind);
    bool makeRoom(std::size_t frames);
    void copy(const float* const* inputs, std::uint32_t frames);

    Ring<float> samples_;
    Ring<Mark> marks_;
    std::size_t buses_ = 1;
    double rate_ = 48000;
    std::size_t written_ = 0; // frames
    std::size_t began_ = 0;   // value of written_ at the last Begin
    Clock::time_point beganAt_;
    std::atomic<bool> recording_{false};
    std::atomic<bool> overrun_{false};
};

} // namespace bandmate

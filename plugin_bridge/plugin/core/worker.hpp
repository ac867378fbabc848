// The thread beside the audio: keeps captures, has jobs done, publishes what is to be played.
#pragma once

#include "controls.hpp"
#include "handoff.hpp"
#include "job.hpp"
#include "playlist.hpp"
#include "recorder.hpp"

#include <mutex>
#include <thread>

namespace bandmate {

// What the editor draws.
struct View {
    Problem problem{Status::Empty, ""};
    double progress = 0; // 0 to 1
    double seconds = 0;  // captured
    struct Range {
        std::int64_t start = 0, frames = 0;
        bool ready = false;
        std::vector<float> peaks; // of equal parts
    };
    std::vector<Range> passages;
};

class Worker {
public:
    Worker(Variant variant, const Settings& settings, double rate, Tap& tap, Controls& controls,
           Handoff<Playlist>& playlist);
    ~Worker();

    // From the host's main thread, while the audio thread stands still. The thread starts with the
    // first `start`, so that hosts which only look at a plug-in leave no thread behind.
    void prepare(double rate);
    void start();
    void stopped();
    // From the host's main thread. What is kept already is published before `restore` returns, so
    // that a bounce right after loading a session is complete.
    std::string state() const;
    void restore(const std::string& text);
    View view() const;

private:
    struct Held {
        PassageRecord record;
        std::shared_ptr<const Source> source; // null if its audio is not on this computer
        std::vector<Job> jobs;                // one for each take
        std::vector<float> peaks;
    };

    void run();
    void trouble(const std::exception& error);
    bool tick(Clock::time_point now); // true if there is more to do soon
    void drain();
    void commit();
    Held* unchanged(const std::vector<Piece>& run);
    bool keep(const std::vector<Piece>& run, std::vector<Held>& kept);
    Held hold(const PassageRecord& record) const;
    void rebuildTimeline();
    void act();
    void newTake(Held& held);
    int takeToVary(const Held& held, const std::string& stem) const;
    TakeRecord wantedTake() const;
    bool advance(Clock::time_point now);
    void publish();
    Passage passage(const Held& held) const;
    void report();
    Problem state(double& progress) const;
    bool here(const Held& held) const { return held.record.rate == rate_; }

    const Variant variant_;
    Tap& tap_;
    Controls& controls_;
    Handoff<Playlist>& playlist_;

    mutable std::mutex work_; // everything down to published_
    std::uint32_t rate_;
    Store store_;
    Server server_;
    Recorder recorder_;
    Timeline timeline_;
    std::vector<Held> held_;
    Problem problem_; // of capturing
    Playlist published_;

    mutable std::mutex shown_; // the two below; never held for long
    std::string text_ = writeRecords({});
    View view_;

    std::atomic<bool> ending_{false};
    std::thread thread_;
};

} // namespace bandmate

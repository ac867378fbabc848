#include "worker.hpp"

#include <algorithm>
#include <cmath>

namespace bandmate {

namespace {

constexpr std::chrono::milliseconds kBusy{4}, kIdle{30};
constexpr double kAhead = 5; // seconds of stems that are in memory before they are played
constexpr std::int64_t kPeaks = 512;

std::vector<float> peaksOf(const Source* source, std::int64_t frames, std::size_t buses) {
    constexpr std::int64_t look = 64; // frames of each part that are looked at
    std::vector<float> peaks;
    if (source == nullptr) return peaks;
    std::vector<float> samples(std::size_t(look) * 2 * buses);
    for (std::int64_t part = 0; part < kPeaks; ++part) {
        const std::int64_t at = frames * part / kPeaks;
        const std::int64_t count = std::min(look, frames - at);
        source->read(at, count, samples.data());
        float peak = 0;
        for (std::size_t i = 0; i < std::size_t(count) * 2 * buses; ++i)
            peak = std::max(peak, std::abs(samples[i]));
        peaks.push_back(peak);
    }
    return peaks;
}

} // namespace

Worker::Worker(Variant variant, const Settings& settings, double rate, Tap& tap, Controls& controls,
               Handoff<Playlist>& playlist)
    : variant_(variant), tap_(tap), controls_(controls), playlist_(playlist),
      rate_(std::uint32_t(std::lround(rate))), store_(settings.data), server_(settings) {}

Worker::~Worker() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
}

void Worker::start() {
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Worker::run() {
    while (!ending_) {
        bool busy = false;
        try {
            busy = tick(Clock::now());
        } catch (const std::exception& error) { // or it would end the host
            trouble(error);
        }
        std::this_thread::sleep_for(busy ? kBusy : kIdle);
    }
}

void Worker::trouble(const std::exception& error) {
    const std::lock_guard<std::mutex> lock(work_);
    problem_ = understood(error.what(), Status::Failed);
    if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr)
        problem_ = {Status::OutOfMemory, "out of memory"};
}

bool Worker::tick(Clock::time_point now) {
    const std::lock_guard<std::mutex> lock(work_);
    drain();
    act();
    const bool asking = advance(now);
    playlist_.collect();
    published_.touch(controls_.playhead.load(), std::int64_t(kAhead * rate_));
    report();
    return asking || tap_.capturing();
}

void Worker::prepare(double rate) {
    const std::lock_guard<std::mutex> lock(work_);
    tap_.stop();
    drain();
    rate_ = std::uint32_t(std::lround(rate));
    tap_.prepare(inputBuses(variant_), rate);
    recorder_.restart();
    rebuildTimeline();
    publish();
}

void Worker::stopped() {
    const std::lock_guard<std::mutex> lock(work_);
    tap_.stop();
    drain();
}

std::string Worker::state() const {
    const std::lock_guard<std::mutex> lock(shown_);
    return text_;
}

void Worker::restore(const std::string& text) {
    const std::lock_guard<std::mutex> lock(work_);
    problem_ = {};
    held_.clear();
    for (const PassageRecord& record : readRecords(text)) {
        held_.push_back(hold(record));
        for (Job& job : held_.back().jobs)
            job.load(store_);
    }
    rebuildTimeline();
    publish();
    report();
}

View Worker::view() const {
    const std::lock_guard<std::mutex> lock(shown_);
    return view_;
}

Worker::Held Worker::hold(const PassageRecord& record) const {
    Held held;
    held.record = record;
    held.source = store_.captureSource(record.capture, inputBuses(variant_));
    held.peaks = peaksOf(held.source.get(), record.frames, inputBuses(variant_));
    for (std::size_t take = 0; take < record.takes.size(); ++take)
        held.jobs.emplace_back(record, take);
    return held;
}

void Worker::rebuildTimeline() {
    timeline_.clear();
    for (const Held& held : held_)
        if (here(held) && held.source)
            timeline_.overwrite({held.record.start, held.record.frames, held.source, 0});
}

void Worker::drain() {
    const std::int64_t most = std::int64_t(kMaxSeconds) * rate_;
    recorder_.drain(tap_, store_, most - timeline_.frames());
    if (recorder_.finished()) commit();
}

// Lay what was captured over what was there; runs that are new or have changed get new stems.
void Worker::commit() {
    problem_ = {};
    if (recorder_.full()) problem_ = {Status::Full, "ten minutes are captured: the rest was left"};
    if (recorder_.failed()) problem_ = {Status::DiskFull, "the disk is full: a part is missing"};
    if (tap_.overrun()) problem_ = {Status::Gap, "the computer was too busy: a part is missing"};
    tap_.forgetOverrun();
    std::vector<Held> kept;
    const std::vector<Piece> pieces = recorder_.take();
    for (const Piece& piece : pieces)
        timeline_.overwrite(piece);
    const auto covered = [&](const Held& held) {
        const auto& record = held.record;
        return std::any_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
            return piece.start < record.start + record.frames && record.start < piece.end();
        });
    };
    for (const std::vector<Piece>& run : timeline_.runs()) {
        if (Held* same = unchanged(run)) {
            kept.push_back(std::move(*same));
            same->jobs.clear();
            same->source.reset();
        } else if (!keep(run, kept)) {
            problem_ = {Status::DiskFull, "cannot keep what was captured: the disk is full"};
            timeline_.erase(run.front().start, run.back().end());
        }
    }
    for (Held& held : held_) {
        const bool elsewhere = !here(held) || (!held.source && !covered(held));
        if (elsewhere && !held.jobs.empty())
            kept.push_back(std::move(held));
        else
            for (Job& job : held.jobs)
                job.cancel(server_);
    }
    const auto earlier = [](const Held& a, const Held& b) {
        return a.record.start < b.record.start;
    };
    std::sort(kept.begin(), kept.end(), earlier);
    held_ = std::move(kept);
    publish();
}

Worker::Held* Worker::unchanged(const std::vector<Piece>& run) {
    for (Held& held : held_) {
        const Piece& piece = run.front();
        if (run.size() == 1 && held.source && held.source == piece.source && here(held) &&
            held.record.start == piece.start && held.record.frames == piece.frames)
            return &held;
    }
    return nullptr;
}

bool Worker::keep(const std::vector<Piece>& run, std::vector<Held>& kept) {
    PassageRecord record;
    record.start = run.front().start;
    record.frames = run.back().end() - record.start;
    record.rate = rate_;
    record.capture = store_.keepCapture(run, inputBuses(variant_), rate_);
    if (record.capture.empty()) return false;
    record.takes.push_back(wantedTake());
    kept.push_back(hold(record));
    timeline_.overwrite({record.start, record.frames, kept.back().source, 0});
    return true;
}

TakeRecord Worker::wantedTake() const {
    TakeRecord take;
    if (variant_ != Variant::Part) return take;
    take.stem = kStems[std::size_t(std::lround(controls_.get(kStem)))];
    take.strength = std::lround(controls_.get(kStrength) * 1000) / 1000.0;
    take.seed = std::lround(controls_.get(kSeed));
    return take;
}

// Do what buttons ask for: at the playhead, or, if no passage is there, everywhere.
void Worker::act() {
    const int again = controls_.again.exchange(0), takes = controls_.newTakes.exchange(0);
    if (again + takes == 0) return;
    const std::int64_t now = controls_.playhead.load();
    const auto under = [&](const Held& held) {
        return held.record.start <= now && now < held.record.start + held.record.frames;
    };
    const bool some = std::any_of(held_.begin(), held_.end(), under);
    for (Held& held : held_) {
        if (!here(held) || (some && !under(held))) continue;
        for (int i = 0; i < takes; ++i)
            newTake(held);
        if (again > 0 && held.jobs[0].failed()) {
            held.jobs[0].retry();
        } else if (again > 0) {
            ++held.record.takes[0].seed;
            held.jobs[0] = Job(held.record, 0);
        }
    }
    publish();
}

void Worker::newTake(Held& held) {
    std::vector<TakeRecord>& takes = held.record.takes;
    if (held.jobs.back().failed() || takes.size() == kMaxTakes) {
        takes.pop_back();
        held.jobs.pop_back();
    }
    TakeRecord take = wantedTake();
    take.seed += std::int64_t(takes.size());
    if (take.strength < 1) take.from = takeToVary(held, take.stem);
    takes.push_back(take);
    held.jobs.emplace_back(held.record, takes.size() - 1);
}

// The chosen take if it plays this part, or else the newest that does; -1 if there is none.
int Worker::takeToVary(const Held& held, const std::string& stem) const {
    const int chosen = int(std::lround(controls_.get(kTake))) - 1;
    int found = -1;
    for (int i = 0; i < int(held.jobs.size()) && (found < 0 || found != chosen); ++i)
        if (held.jobs[std::size_t(i)].done() && held.record.takes[std::size_t(i)].stem == stem)
            found = i;
    return found;
}

bool Worker::advance(Clock::time_point now) {
    bool asking = false, arrived = false;
    for (Held& held : held_)
        for (Job& job : held.jobs)
            asking |= here(held) && job.needsServer();
    if (asking) server_.tend(now);
    for (Held& held : held_)
        for (std::size_t take = 0; here(held) && take < held.jobs.size(); ++take) {
            Job& job = held.jobs[take];
            const int from = held.record.takes[take].from;
            const Job* base = from < 0 ? nullptr : &held.jobs[std::size_t(from)];
            if (!job.needsServer()) continue;
            if (base != nullptr && base->failed()) job.giveUp();
            if (base == nullptr || base->done()) job.advance(server_, store_, now);
            arrived |= job.done();
        }
    if (arrived) publish();
    return asking;
}

Passage Worker::passage(const Held& held) const {
    Passage passage;
    passage.start = held.record.start;
    passage.frames = held.record.frames;
    if (variant_ == Variant::Part) {
        for (const Job& job : held.jobs) {
            passage.sounds.emplace_back();
            for (const auto& [stem, wav] : job.sounds())
                passage.sounds.back().push_back(wav);
            if (job.done()) passage.newest = passage.sounds.size() - 1;
        }
        return passage;
    }
    passage.sounds.resize(kStemCount);
    for (const auto& [stem, wav] : held.jobs[0].sounds()) {
        const auto named = std::find(kStems.begin(), kStems.end(), stem);
        const auto index = std::min(std::size_t(named - kStems.begin()), kStemCount - 1);
        passage.sounds[index].push_back(wav);
    }
    return passage;
}

void Worker::publish() {
    Playlist list;
    for (const Held& held : held_) {
        const auto done = [](const Job& job) { return job.done(); };
        if (here(held) && std::any_of(held.jobs.begin(), held.jobs.end(), done))
            list.passages.push_back(passage(held));
    }
    list.touch(controls_.playhead.load(), std::int64_t(kAhead * rate_));
    published_ = list;
    playlist_.publish(std::make_unique<const Playlist>(std::move(list)));
}

// What is going on, and how far it is.
Problem Worker::state(double& progress) const {
    Problem wait{}, failure{};
    double sum = 0;
    std::size_t jobs = 0, elsewhere = 0;
    for (const Held& held : held_) {
        if (!here(held)) ++elsewhere;
        for (const Job& job : held.jobs) {
            if (!here(held)) continue;
            ++jobs;
            sum += job.done() ? 1 : job.fraction();
            if (job.needsServer()) wait = job.problem();
            if (job.failed()) failure = job.problem();
        }
    }
    progress = jobs > 0 ? sum / double(jobs) : 0;
    if (tap_.capturing()) return {Status::Capturing, "capturing"};
    if (controls_.on(kCapture)) return {Status::WaitingForPlay, "waiting for play"};
    for (const Problem& problem : {wait, failure, problem_})
        if (problem.status != Status::Ready) return problem;
    if (jobs > 0) return {Status::Ready, "ready"};
    if (elsewhere > 0)
        return {Status::OtherRate, "captured at another sample rate: set it back or capture again"};
    return {Status::Empty, "nothing captured yet"};
}

void Worker::report() {
    View view;
    view.problem = state(view.progress);
    std::vector<PassageRecord> records;
    for (const Held& held : held_) {
        records.push_back(held.record);
        if (!here(held)) continue;
        const bool ready = std::any_of(held.jobs.begin(), held.jobs.end(),
                                       [](const Job& job) { return job.done(); });
        view.passages.push_back({held.record.start, held.record.frames, ready, held.peaks});
    }
    view.seconds = double(timeline_.frames() + recorder_.frames()) / rate_;
    controls_.set(kStatus, float(view.problem.status));
    controls_.set(kProgress, float(100 * view.progress));
    controls_.set(kCaptured, float(view.seconds));
    std::string text = writeRecords(records);
    const std::lock_guard<std::mutex> lock(shown_);
    text_ = std::move(text);
    view_ = std::move(view);
}

} // namespace bandmate

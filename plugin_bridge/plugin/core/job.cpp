#include "job.hpp"

#include "json.hpp"

#include <fstream>
#include <sstream>

namespace bandmate {

namespace fs = std::filesystem;

namespace {

// What the server could write otherwise is not what we can map.
constexpr const char* kFiles = R"("format": "wav", "bit_depth": "32f")";

} // namespace

Job::Job(const PassageRecord& passage, std::size_t take)
    : passage_(passage), take_(take), key_(passage.key(take)) {}

std::string Job::request() const {
    return "plugin-" + key_ + (tries_ > 0 ? "-" + std::to_string(tries_) : "");
}

void Job::advance(Server& server, const Store& store, Clock::time_point now) {
    if (phase_ == Phase::New && !load(store)) phase_ = Phase::Wanted;
    if (!needsServer()) return;
    if (!server.answering(now)) {
        problem_ = server.problem();
        silent_ = phase_ == Phase::Asked;
        return;
    }
    if (phase_ == Phase::Wanted || silent_) ask(server, store);
    if (phase_ == Phase::Asked) watch(server, store);
}

void Job::retry() {
    if (phase_ != Phase::Failed) return;
    ++tries_;
    phase_ = Phase::New;
    fraction_ = 0;
    problem_ = {Status::Asking, "asking the server"};
    seen_ = {};
}

void Job::giveUp() { fail({Status::StemsMissing, "the take that this one varies is not there"}); }

void Job::cancel(Server& server) {
    if (phase_ == Phase::Asked) server.send({"/bandmate/cancel", {request() + "-end", request()}});
    takeBack();
}

bool Job::load(const Store& store) {
    sounds_ = store.stems(key_, passage_.frames, passage_.rate);
    if (sounds_.empty()) return false;
    phase_ = Phase::Done;
    fraction_ = 1;
    problem_ = {};
    return true;
}

void Job::ask(Server& server, const Store& store) {
    silent_ = false;
    const Sounds capture = store.capture(passage_.capture);
    if (capture.empty())
        return fail({Status::StemsMissing,
                     "the stems of this session are not on this computer, nor is what they were "
                     "made of: capture again"});
    lent_.clear();
    bool good = true;
    for (const auto& [bus, wav] : capture)
        good = good && lend(server, store.captureFile(passage_.capture, bus), bus);
    const TakeRecord& take = passage_.takes[take_];
    if (take.from >= 0) {
        const std::string key = passage_.key(std::size_t(take.from));
        good = good && lend(server, store.stemFile(key, take.stem), take.stem);
    }
    if (!good)
        return fail({Status::Refused, "cannot write into the server's folder " +
                                          server.workdir().u8string() +
                                          ": is it on this computer?"});
    server.ask(request(), message());
    phase_ = Phase::Asked;
    problem_ = {Status::Asking, "asking the server"};
}

// The server reads only under its workdir.
bool Job::lend(const Server& server, const fs::path& file, const std::string& bus) {
    const fs::path folder = server.workdir() / "put";
    const fs::path path = folder / (request() + "-" + bus + ".wav");
    std::error_code ignored;
    fs::create_directories(folder, ignored);
    lent_[bus] = path;
    return linkOrCopy(file, path);
}

OscMessage Job::message() const {
    const TakeRecord& take = passage_.takes[take_];
    const std::string seed = ", \"seed\": " + std::to_string(take.seed);
    const bool part = !take.stem.empty();
    const std::string options = std::string("{") + kFiles + (part ? seed : "") + "}";
    if (!part)
        return {"/bandmate/separate",
                {request(), lent_.at("backing").u8string(), std::int64_t(0), std::int64_t(-1),
                 options}};
    if (take.strength < 1 && lent_.count(take.stem) > 0)
        return {"/bandmate/vary", {request(), take.stem, session(), take.strength, options}};
    return {"/bandmate/add", {request(), take.stem, session(), options}};
}

// The files that a new part goes with, as JSON.
std::string Job::session() const {
    const TakeRecord& take = passage_.takes[take_];
    const bool vary = take.strength < 1;
    std::string json;
    for (const auto& [bus, path] : lent_) {
        if (bus == take.stem && !vary) continue; // it is to be replaced
        json += (json.empty() ? "" : ", ") + quoted(bus) + ": " + quoted(path.u8string());
    }
    return "{" + json + "}";
}

void Job::watch(Server& server, const Store& store) {
    const auto answer = server.answer(request());
    if (answer && !answer->accepted) {
        server.forget(request());
        return fail(answer->problem);
    }
    const fs::path path = server.workdir() / "jobs" / request() / "state.json";
    std::error_code error;
    const auto changed = fs::last_write_time(path, error);
    if (error || changed == seen_) return;
    seen_ = changed;
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    const Json state = Json::parse(text.str());
    const std::string name = state["state"].text;
    fraction_ = state["fraction"].number;
    problem_ = {Status::Working, state["stage"].text};
    if (name != "done" && name != "failed" && name != "cancelled") return;
    server.forget(request());
    if (name == "done") return collect(state, server, store);
    fail(understood(state["error"].text, Status::Failed));
    if (name == "cancelled") retry(); // by an instance that needs it no more: we do
}

void Job::collect(const Json& state, const Server& server, const Store& store) {
    const std::string wanted = passage_.takes[take_].stem;
    std::vector<std::pair<std::string, fs::path>> files;
    for (const Json& stem : state["stems"].list) {
        fs::path path = fs::u8path(stem["wav"].text);
        if (path.is_relative()) path = server.workdir() / "jobs" / request() / path;
        if (wanted.empty() || wanted == stem["stem"].text)
            files.emplace_back(stem["stem"].text, path);
    }
    for (const auto& [stem, path] : files)
        if (!fs::exists(path))
            return fail({Status::StemsMissing, "the server has removed these stems: ask again"});
    if (!store.keepStems(key_, files))
        return fail({Status::DiskFull, "cannot keep the stems in " + store.folder().u8string()});
    if (!load(store))
        return fail({Status::Failed, "the server's stems are not as long as the passage"});
    takeBack();
}

void Job::takeBack() {
    std::error_code ignored;
    for (const auto& [bus, path] : lent_)
        fs::remove(path, ignored);
    lent_.clear();
}

void Job::fail(const Problem& problem) {
    takeBack();
    phase_ = Phase::Failed;
    problem_ = problem;
}

} // namespace bandmate

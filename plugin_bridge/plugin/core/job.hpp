// One request from wish to stems: asks the server, watches the job's folder, collects the files.
#pragma once

#include "records.hpp"
#include "server.hpp"
#include "store.hpp"

namespace bandmate {

class Job {
public:
    Job(const PassageRecord& passage, std::size_t take);

    // Go on as far as is possible now. Needs no server if the stems are kept already.
    void advance(Server& server, const Store& store, Clock::time_point now);
    // Take the stems if they are kept already.
    bool load(const Store& store);
    // After a failure: begin anew, as another request.
    void retry();
    // What it varies cannot be had.
    void giveUp();
    // Nobody wants the stems any more.
    void cancel(Server& server);

    bool done() const { return phase_ == Phase::Done; }
    bool failed() const { return phase_ == Phase::Failed; }
    bool needsServer() const { return phase_ != Phase::Done && phase_ != Phase::Failed; }
    const Problem& problem() const { return problem_; }
    double fraction() const { return fraction_; }
    const Sounds& sounds() const { return sounds_; }

private:
    enum class Phase { New, Wanted, Asked, Done, Failed };

    void ask(Server& server, const Store& store);
    bool lend(const Server& server, const std::filesystem::path& file, const std::string& bus);
    OscMessage message() const;
    std::string session() const;
    void watch(Server& server, const Store& store);
    void collect(const struct Json& state, const Server& server, const Store& store);
    void takeBack();
    void fail(const Problem& problem);
    std::string request() const;

    PassageRecord passage_;
    std::size_t take_;
    std::string key_;
    Phase phase_ = Phase::New;
    int tries_ = 0;
    double fraction_ = 0;
    Problem problem_{Status::Asking, "asking the server"};
    Sounds sounds_;
    std::map<std::string, std::filesystem::path> lent_; // under put/, by input
    std::filesystem::file_time_type seen_{};            // the state file's last change
    bool silent_ = false;                               // the server went away meanwhile
};

} // namespace bandmate

// The way to `bandmate serve`: finds it, starts it if none answers, and carries requests.
#pragma once

#include "launch.hpp"
#include "osc.hpp"
#include "parameters.hpp"
#include "settings.hpp"
#include "udp.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace bandmate {

using Clock = std::chrono::steady_clock;

// Why something is not going on, for the Status parameter and in words.
struct Problem {
    Status status = Status::Ready; // Ready: none
    std::string text;
};

// What a failed job's or program's own words mean.
Problem understood(const std::string& text, Status otherwise);

class Server {
public:
    explicit Server(const Settings& settings) : settings_(settings) {}

    // Receive what has come, and see to it that a server is there; call often while one is needed.
    void tend(Clock::time_point now);
    bool answering(Clock::time_point now) const;
    const std::filesystem::path& workdir() const { return workdir_; }
    // While none answers.
    const Problem& problem() const { return problem_; }

    struct Answer {
        bool accepted = false;
        Problem problem;
    };
    // Send a request; until it is answered, it is sent again every second (the same id starts
    // nothing twice).
    void ask(const std::string& request, const OscMessage& message);
    // Send without waiting for an answer.
    void send(const OscMessage& message) { socket_.send(encodeOsc(message), port()); }
    std::optional<Answer> answer(const std::string& request) const;
    void forget(const std::string& request);

private:
    struct Pending {
        std::string packet;
        Clock::time_point sent;
        std::optional<Answer> answer;
    };

    void receive(Clock::time_point now);
    void greet(Clock::time_point now);
    void start(Clock::time_point now);
    std::uint16_t port() const;

    Settings settings_;
    UdpSocket socket_;
    std::filesystem::path workdir_;
    std::map<std::string, Pending> pending_;
    std::optional<Clock::time_point> firstGreeting_, lastGreeting_, lastAnswer_, started_;
    std::unique_ptr<Launch> launch_;
    std::chrono::seconds pause_{0}; // before the next start; grows while they fail
    Problem problem_{Status::Asking, "asking the server"};
    std::uint64_t greetings_ = 0;
};

} // namespace bandmate

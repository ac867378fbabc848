#include "server.hpp"

#include "json.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace bandmate {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kGreetEvery{500};  // while none answers
constexpr milliseconds kCheckEvery{1000}; // while one does
constexpr milliseconds kDeadAfter{3500};  // after which it is thought dead
constexpr milliseconds kPatience{700};    // with none, before one is started
constexpr milliseconds kStartFor{60000};  // that a start may take
constexpr std::chrono::seconds kFirstPause{15}, kLongestPause{240};
constexpr milliseconds kResend{1000};
constexpr const char* kHello = "hello";
const std::string kErrorPrefix = "bandmate: error: "; // of the command line's errors

Problem refusal(std::int64_t code, const std::string& text) {
    if (code == 507) return {Status::DiskFull, text};
    return understood(text, Status::Refused);
}

} // namespace

Problem understood(const std::string& text, Status otherwise) {
    const auto has = [&](const char* word) { return text.find(word) != std::string::npos; };
    if (has("not enough memory") || has("out of memory")) return {Status::OutOfMemory, text};
    if (has("No space left") || has("disk is full")) return {Status::DiskFull, text};
    if (has("model") || has("bundle")) return {Status::ModelMissing, text};
    return {otherwise, text};
}

void Server::tend(Clock::time_point now) {
    receive(now);
    const bool there = answering(now);
    const auto interval = there ? kCheckEvery : kGreetEvery;
    if (!lastGreeting_ || now - *lastGreeting_ >= interval) greet(now);
    if (there) {
        started_.reset();
        launch_.reset();
        pause_ = kFirstPause;
        for (auto& [request, pending] : pending_)
            if (!pending.answer && now - pending.sent >= kResend) {
                pending.sent = now;
                socket_.send(pending.packet, port());
            }
    } else if (now - *firstGreeting_ >= kPatience) {
        start(now);
    }
}

bool Server::answering(Clock::time_point now) const {
    return lastAnswer_ && now - *lastAnswer_ < kDeadAfter;
}

void Server::receive(Clock::time_point now) {
    std::string bytes;
    OscMessage message;
    while (socket_.receive(bytes)) {
        if (!decodeOsc(bytes, message)) continue;
        const std::string request = message.text(0);
        const bool reply = message.address == "/bandmate/reply";
        if (!reply && message.address != "/bandmate/error") continue;
        lastAnswer_ = now;
        if (reply && message.text(1) == "/bandmate/hello") workdir_ = fs::u8path(message.text(4));
        const auto found = pending_.find(request);
        if (found == pending_.end() || found->second.answer) continue;
        found->second.answer =
            Answer{reply, reply ? Problem{} : refusal(message.whole(2), message.text(3))};
    }
}

void Server::greet(Clock::time_point now) {
    // After a silence the patience with an absent server begins anew.
    if (!firstGreeting_ || (lastGreeting_ && now - *lastGreeting_ > kDeadAfter))
        firstGreeting_ = now;
    if (answering(now)) firstGreeting_ = now;
    lastGreeting_ = now;
    const std::string id = kHello + std::to_string(now.time_since_epoch().count()) + "-" +
                           std::to_string(++greetings_);
    socket_.send(encodeOsc({"/bandmate/hello", {id}}), port());
}

// The port that the server of our workdir notes there, or the usual one.
std::uint16_t Server::port() const {
    std::ifstream file(settings_.workdir / "server.json");
    std::stringstream text;
    text << file.rdbuf();
    const double noted = Json::parse(text.str())["port"].number;
    return noted > 0 && noted < 65536 ? std::uint16_t(noted) : settings_.port;
}

void Server::start(Clock::time_point now) {
    if (settings_.program.empty()) {
        problem_ = {Status::NoServer, "no server answers: run `bandmate serve`, or once `bandmate "
                                      "daw install plugin`, so that the plug-in can start it"};
        return;
    }
    if (launch_ && launch_->failed()) {
        std::string said = launch_->lastLine();
        if (said.rfind(kErrorPrefix, 0) == 0) said.erase(0, kErrorPrefix.size());
        if (said.empty()) said = "the server could not be started";
        problem_ = understood(said, Status::NoServer);
        launch_.reset();
    } else if (launch_ && now - *started_ > kStartFor) {
        problem_ = {Status::NoServer, "the server was started but does not answer"};
        launch_.reset();
    }
    if (launch_ || (started_ && now - *started_ < pause_)) return;
    pause_ = std::min(started_ ? 2 * pause_ : kFirstPause, kLongestPause);
    std::error_code ignored;
    fs::create_directories(settings_.data, ignored);
    started_ = now;
    const std::string workdir = settings_.workdir.u8string();
    launch_ =
        std::make_unique<Launch>(settings_.program,
                                 std::vector<std::string>{"serve", "--ensure", "--workdir", workdir,
                                                          "--port", std::to_string(settings_.port)},
                                 settings_.data / "server.log");
    if (problem_.status == Status::Asking) problem_ = {Status::Starting, "starting the server"};
}

void Server::ask(const std::string& request, const OscMessage& message) {
    Pending pending;
    pending.packet = encodeOsc(message);
    pending.sent = Clock::now();
    socket_.send(pending.packet, port());
    pending_[request] = std::move(pending);
}

std::optional<Server::Answer> Server::answer(const std::string& request) const {
    const auto found = pending_.find(request);
    return found == pending_.end() ? std::nullopt : found->second.answer;
}

void Server::forget(const std::string& request) { pending_.erase(request); }

} // namespace bandmate

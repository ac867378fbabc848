#include "records.hpp"

#include "facts.hpp"
#include "sha256.hpp"

#include <algorithm>
#include <locale>
#include <sstream>

namespace bandmate {

namespace {

constexpr const char* kEmpty = "empty";
constexpr std::size_t kKeyDigits = 40;

bool isHash(const std::string& text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Whether it can have been captured.
bool isPlace(const PassageRecord& passage) {
    constexpr std::int64_t far = std::int64_t(1) << 60;
    const std::int64_t most = std::int64_t(kMaxSeconds) * passage.rate;
    return passage.start > -far && passage.start < far && passage.frames > 0 &&
           passage.frames <= most;
}

bool isPart(const std::string& stem) {
    return std::find(kStems.begin(), kStems.begin() + kPartCount, stem) !=
           kStems.begin() + kPartCount;
}

template <class Stream> Stream plain() { // whatever locale the host has set
    Stream stream;
    stream.imbue(std::locale::classic());
    return stream;
}

void readTake(std::istringstream& line, PassageRecord& passage) {
    TakeRecord take;
    const int index = int(passage.takes.size());
    line >> take.stem >> take.strength >> take.seed >> take.from;
    if (take.stem == "-") take.stem.clear();
    const bool known = take.stem.empty() || isPart(take.stem);
    if (line && known && take.from < index && index < kMaxTakes) passage.takes.push_back(take);
}

} // namespace

std::string PassageRecord::key(std::size_t take) const {
    const TakeRecord& record = takes[take];
    auto text = plain<std::ostringstream>();
    text << capture << '\n' << record.stem << '\n' << record.strength << '\n' << record.seed;
    if (record.from >= 0) text << '\n' << key(std::size_t(record.from));
    Sha256 hash;
    hash.add(text.str());
    return hash.hex().substr(0, kKeyDigits);
}

std::string writeRecords(const std::vector<PassageRecord>& passages) {
    if (passages.empty()) return kEmpty;
    auto text = plain<std::ostringstream>();
    for (const PassageRecord& passage : passages) {
        text << "passage " << passage.start << ' ' << passage.frames << ' ' << passage.rate << ' '
             << passage.capture << '\n';
        for (const TakeRecord& take : passage.takes)
            text << "take " << (take.stem.empty() ? "-" : take.stem) << ' ' << take.strength << ' '
                 << take.seed << ' ' << take.from << '\n';
    }
    return text.str();
}

std::vector<PassageRecord> readRecords(const std::string& text) {
    std::vector<PassageRecord> passages;
    std::istringstream lines(text);
    bool good = false; // the last passage: takes of a bad one are skipped
    for (std::string line; std::getline(lines, line);) {
        auto words = plain<std::istringstream>();
        words.str(line);
        std::string kind;
        words >> kind;
        if (kind == "passage") {
            PassageRecord passage;
            words >> passage.start >> passage.frames >> passage.rate >> passage.capture;
            good = words && isPlace(passage) && isHash(passage.capture);
            if (good) passages.push_back(passage);
        } else if (kind == "take" && good) {
            readTake(words, passages.back());
        }
    }
    const auto bare = [](const PassageRecord& passage) { return passage.takes.empty(); };
    passages.erase(std::remove_if(passages.begin(), passages.end(), bare), passages.end());
    return passages;
}

} // namespace bandmate

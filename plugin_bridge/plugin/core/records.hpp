// What a session saves: passages and what was asked for, as text. The audio itself lies in the data
// folder under the hashes named here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bandmate {

// One request for stems. In the stems variants a passage has one, whose seed counts how often it
// was asked for anew; in the part variant one for each take.
struct TakeRecord {
    std::string stem;    // the part to play; "" in the stems variants
    double strength = 1; // 1 is all new; less varies what is there
    std::int64_t seed = 0;
    int from = -1; // the take that is varied, by index; -1 for none

    bool operator==(const TakeRecord& other) const {
        return stem == other.stem && strength == other.strength && seed == other.seed &&
               from == other.from;
    }
};

struct PassageRecord {
    std::int64_t start = 0, frames = 0; // samples on the time line
    std::uint32_t rate = 0;
    std::string capture; // hash of its audio
    std::vector<TakeRecord> takes;

    // The name of a take's stems: the same audio asked for in the same way has the same.
    std::string key(std::size_t take) const;
};

// Plain ASCII, as hosts handle it best; "empty" without passages.
std::string writeRecords(const std::vector<PassageRecord>& passages);

// What cannot be read is left out: a damaged session plays what is whole. Every passage that is
// returned has a take.
std::vector<PassageRecord> readRecords(const std::string& text);

} // namespace bandmate

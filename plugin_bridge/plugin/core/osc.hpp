// OSC 1.0 messages as bytes, with the types that the server uses.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace bandmate {

using OscValue = std::variant<std::string, std::int64_t, double>;

struct OscMessage {
    std::string address;
    std::vector<OscValue> values;

    // The text at an index, or "".
    std::string text(std::size_t index) const;
    // The whole number at an index, or 0.
    std::int64_t whole(std::size_t index) const;
};

// Whole numbers go out as h, others as d.
std::string encodeOsc(const OscMessage& message);

// False if the bytes are no message, or have types other than s i h f d.
bool decodeOsc(const std::string& bytes, OscMessage& message);

} // namespace bandmate

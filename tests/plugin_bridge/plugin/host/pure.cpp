// The core's pure functions for Python to check: a line in, a line out; bytes are in hexadecimal.
#include "hosted.hpp"

#include "json.hpp"
#include "osc.hpp"
#include "records.hpp"
#include "sha256.hpp"
#include "timeline.hpp"

#include <sstream>

using namespace bandmate;

namespace {

std::string unhex(const std::string& digits) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        bytes += char(std::stoi(digits.substr(i, 2), nullptr, 16));
    return bytes;
}

std::string hex(const std::string& bytes) {
    std::string digits;
    for (const char byte : bytes) {
        digits += "0123456789abcdef"[static_cast<unsigned char>(byte) >> 4];
        digits += "0123456789abcdef"[byte & 15];
    }
    return digits;
}

std::string written(const Json& value) {
    std::ostringstream out;
    out.precision(17);
    switch (value.type) {
    case Json::Type::Null:
        return "null";
    case Json::Type::Boolean:
        return value.boolean ? "true" : "false";
    case Json::Type::Number:
        out << value.number;
        return out.str();
    case Json::Type::Text:
        return quoted(value.text);
    case Json::Type::List:
        out << '[';
        for (std::size_t i = 0; i < value.list.size(); ++i)
            out << (i ? ", " : "") << written(value.list[i]);
        return out.str() + "]";
    case Json::Type::Object:
        break;
    }
    std::string text;
    for (const auto& [key, member] : value.object)
        text += (text.empty() ? "" : ", ") + quoted(key) + ": " + written(member);
    return "{" + text + "}";
}

// OVERWRITES as start:frames,...; the runs of pieces, each piece as start:frames:which:offset.
std::string runs(const std::string& overwrites) {
    struct Named : Source {
        explicit Named(int number) : number(number) {}
        void read(std::int64_t, std::int64_t, float*) const override {}
        int number;
    };
    Timeline timeline;
    std::istringstream list(overwrites);
    int number = 0;
    for (std::string item; std::getline(list, item, ',');) {
        const auto colon = item.find(':');
        timeline.overwrite({std::stoll(item.substr(0, colon)), std::stoll(item.substr(colon + 1)),
                            std::make_shared<Named>(number++), 0});
    }
    std::ostringstream out;
    for (const auto& run : timeline.runs()) {
        out << "|";
        for (const Piece& piece : run)
            out << ' ' << piece.start << ':' << piece.frames << ':'
                << static_cast<const Named&>(*piece.source).number << ':' << piece.offset;
    }
    return out.str();
}

} // namespace

std::string pure(const std::string& verb, const std::string& argument) {
    if (verb == "runs") return runs(argument);
    const std::string bytes = unhex(argument);
    if (verb == "sha256") {
        Sha256 hash;
        hash.add(bytes.substr(0, bytes.size() / 3));
        hash.add(bytes.substr(bytes.size() / 3));
        return hash.hex();
    }
    if (verb == "json") return hex(written(Json::parse(bytes)));
    if (verb == "records") return hex(writeRecords(readRecords(bytes)));
    OscMessage message;
    if (verb == "osc") return decodeOsc(bytes, message) ? hex(encodeOsc(message)) : "none";
    return "?";
}

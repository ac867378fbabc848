#include "osc.hpp"

#include <cstring>

namespace bandmate {

namespace {

void addText(std::string& out, const std::string& text) {
    out += text.c_str(); // up to a zero: OSC has none inside
    out.append(4 - out.size() % 4, '\0');
}

void addBits(std::string& out, std::uint64_t bits) {
    for (int shift = 56; shift >= 0; shift -= 8)
        out += char(bits >> shift & 0xff);
}

class Reader {
public:
    explicit Reader(const std::string& bytes) : bytes_(bytes) {}

    bool text(std::string& out) {
        const std::size_t end = bytes_.find('\0', at_);
        if (end == std::string::npos) return false;
        out = bytes_.substr(at_, end - at_);
        at_ = end + 4 - end % 4;
        return at_ <= bytes_.size();
    }

    bool bits(std::size_t size, std::uint64_t& out) {
        if (at_ + size > bytes_.size()) return false;
        out = 0;
        for (std::size_t i = 0; i < size; ++i)
            out = out << 8 | static_cast<unsigned char>(bytes_[at_++]);
        return true;
    }

private:
    const std::string& bytes_;
    std::size_t at_ = 0;
};

template <class To, class From> To reinterpret(From bits) {
    static_assert(sizeof(To) == sizeof(From));
    To value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

bool readValue(Reader& reader, char type, OscValue& out) {
    std::uint64_t bits = 0;
    std::string text;
    switch (type) {
    case 's':
        if (!reader.text(text)) return false;
        out = text;
        return true;
    case 'i':
        if (!reader.bits(4, bits)) return false;
        out = std::int64_t(reinterpret<std::int32_t>(std::uint32_t(bits)));
        return true;
    case 'h':
        if (!reader.bits(8, bits)) return false;
        out = reinterpret<std::int64_t>(bits);
        return true;
    case 'f':
        if (!reader.bits(4, bits)) return false;
        out = double(reinterpret<float>(std::uint32_t(bits)));
        return true;
    case 'd':
        if (!reader.bits(8, bits)) return false;
        out = reinterpret<double>(bits);
        return true;
    default:
        return false;
    }
}

} // namespace

std::string OscMessage::text(std::size_t index) const {
    if (index >= values.size() || !std::holds_alternative<std::string>(values[index])) return "";
    return std::get<std::string>(values[index]);
}

std::int64_t OscMessage::whole(std::size_t index) const {
    if (index >= values.size() || !std::holds_alternative<std::int64_t>(values[index])) return 0;
    return std::get<std::int64_t>(values[index]);
}

std::string encodeOsc(const OscMessage& message) {
    std::string types = ",", out;
    for (const OscValue& value : message.values)
        types += "shd"[value.index()];
    addText(out, message.address);
    addText(out, types);
    for (const OscValue& value : message.values) {
        if (const auto* text = std::get_if<std::string>(&value)) addText(out, *text);
        if (const auto* whole = std::get_if<std::int64_t>(&value))
            addBits(out, reinterpret<std::uint64_t>(*whole));
        if (const auto* number = std::get_if<double>(&value))
            addBits(out, reinterpret<std::uint64_t>(*number));
    }
    return out;
}

bool decodeOsc(const std::string& bytes, OscMessage& message) {
    Reader reader(bytes);
    std::string types;
    if (!reader.text(message.address) || message.address.empty() || message.address[0] != '/')
        return false;
    if (!reader.text(types) || types.empty() || types[0] != ',') return false;
    message.values.clear();
    for (std::size_t i = 1; i < types.size(); ++i) {
        OscValue value;
        if (!readValue(reader, types[i], value)) return false;
        message.values.push_back(value);
    }
    return true;
}

} // namespace bandmate

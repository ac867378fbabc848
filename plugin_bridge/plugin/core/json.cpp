#include "json.hpp"

#include <cctype>
#include <cstdio>
#include <cstdlib>

namespace bandmate {

namespace {

constexpr int kMaxDepth = 32;

class Reader {
public:
    explicit Reader(const std::string& source) : at_(source.c_str()) {}

    bool document(Json& out) {
        if (!value(out, 0)) return false;
        space();
        return *at_ == '\0';
    }

private:
    void space() {
        while (*at_ != '\0' && std::isspace(static_cast<unsigned char>(*at_)))
            ++at_;
    }

    bool take(char wanted) {
        space();
        if (*at_ != wanted) return false;
        ++at_;
        return true;
    }

    bool word(const char* wanted) {
        const char* here = at_;
        for (; *wanted != '\0'; ++wanted, ++here)
            if (*here != *wanted) return false;
        at_ = here;
        return true;
    }

    bool value(Json& out, int depth) {
        space();
        if (depth > kMaxDepth) return false;
        switch (*at_) {
        case '{':
            return object(out, depth);
        case '[':
            return list(out, depth);
        case '"':
            out.type = Json::Type::Text;
            return string(out.text);
        case 't':
            out.type = Json::Type::Boolean, out.boolean = true;
            return word("true");
        case 'f':
            out.type = Json::Type::Boolean;
            return word("false");
        case 'n':
            return word("null");
        default:
            return number(out);
        }
    }

    bool number(Json& out) {
        char* end = nullptr;
        out.type = Json::Type::Number;
        out.number = std::strtod(at_, &end);
        if (end == at_) return false;
        at_ = end;
        return true;
    }

    bool object(Json& out, int depth) {
        out.type = Json::Type::Object;
        take('{');
        if (take('}')) return true;
        do {
            std::string key;
            space();
            if (!string(key) || !take(':') || !value(out.object[key], depth + 1)) return false;
        } while (take(','));
        return take('}');
    }

    bool list(Json& out, int depth) {
        out.type = Json::Type::List;
        take('[');
        if (take(']')) return true;
        do {
            out.list.emplace_back();
            if (!value(out.list.back(), depth + 1)) return false;
        } while (take(','));
        return take(']');
    }

    bool string(std::string& out) {
        if (*at_++ != '"') return false;
        for (; *at_ != '"'; ++at_) {
            if (*at_ == '\0') return false;
            if (*at_ != '\\') {
                out += *at_;
            } else if (!escape(out)) {
                return false;
            }
        }
        ++at_;
        return true;
    }

    bool escape(std::string& out) {
        switch (*++at_) {
        case 'n':
            out += '\n';
            return true;
        case 't':
            out += '\t';
            return true;
        case 'r':
            out += '\r';
            return true;
        case 'b':
            out += '\b';
            return true;
        case 'f':
            out += '\f';
            return true;
        case 'u':
            return unicode(out);
        case '"':
        case '\\':
        case '/':
            out += *at_;
            return true;
        default:
            return false;
        }
    }

    bool unicode(std::string& out) {
        unsigned code = 0;
        if (!hexDigits(code)) return false;
        if (code >= 0xd800 && code < 0xdc00 && at_[1] == '\\' && at_[2] == 'u') {
            unsigned low = 0;
            at_ += 2;
            if (!hexDigits(low)) return false;
            code = 0x10000 + ((code - 0xd800) << 10) + (low & 0x3ff);
        }
        append(out, code);
        return true;
    }

    // Four digits after the u that at_ is on; leaves it on the last one.
    bool hexDigits(unsigned& code) {
        for (int i = 0; i < 4; ++i) {
            const char c = *++at_;
            if (!std::isxdigit(static_cast<unsigned char>(c))) return false;
            const int digit = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
            code = code * 16 + unsigned(digit);
        }
        return true;
    }

    static void append(std::string& out, unsigned code) { // as UTF-8
        if (code < 0x80) {
            out += char(code);
        } else if (code < 0x800) {
            out += char(0xc0 | code >> 6);
            out += char(0x80 | (code & 63));
        } else if (code < 0x10000) {
            out += char(0xe0 | code >> 12);
            out += char(0x80 | (code >> 6 & 63));
            out += char(0x80 | (code & 63));
        } else {
            out += char(0xf0 | code >> 18);
            out += char(0x80 | (code >> 12 & 63));
            out += char(0x80 | (code >> 6 & 63));
            out += char(0x80 | (code & 63));
        }
    }

    const char* at_;
};

} // namespace

const Json& Json::operator[](const std::string& key) const {
    static const Json none;
    const auto found = object.find(key);
    return found == object.end() ? none : found->second;
}

Json Json::parse(const std::string& source) {
    Json out;
    return Reader(source).document(out) ? out : Json();
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", unsigned(c));
            out += code;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

} // namespace bandmate

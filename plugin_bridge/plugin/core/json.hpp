// As much of JSON as the server's state files need: read into a tree, write strings.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace bandmate {

struct Json {
    enum class Type { Null, Boolean, Number, Text, List, Object } type = Type::Null;
    bool boolean = false;
    double number = 0;
    std::string text;
    std::vector<Json> list;
    std::map<std::string, Json> object;

    // A member; null if there is none.
    const Json& operator[](const std::string& key) const;

    // Null if it is not JSON.
    static Json parse(const std::string& source);
};

// A string in quotes.
std::string quoted(const std::string& text);

} // namespace bandmate

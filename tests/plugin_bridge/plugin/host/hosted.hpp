// A plug-in as the headless host sees it: the core itself, or a real .clap file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

struct Hosted {
    virtual ~Hosted() = default;
    virtual std::size_t inputs() const = 0;  // channels
    virtual std::size_t outputs() const = 0; // channels
    virtual void activate(double rate, std::uint32_t block) = 0;
    virtual void deactivate() = 0;
    virtual void process(float** in, float** out, std::uint32_t frames, bool playing,
                         std::int64_t frame) = 0;
    virtual bool set(const std::string& symbol, double value) = 0;
    virtual double get(const std::string& symbol) = 0;
    virtual std::string save() = 0;
    virtual void load(const std::string& state) = 0;
    virtual std::string text() { return ""; }
    // Everything that a host asks for beside.
    virtual std::string about() { return ""; }
};

std::unique_ptr<Hosted> openCore(const std::string& variant, double rate);
std::unique_ptr<Hosted> openClap(const std::string& path);

// A pure function of the core, by name.
std::string pure(const std::string& verb, const std::string& argument);

// From here to `release`, this thread may not allocate, lock or touch files; see trap.cpp.
namespace trap {
void arm();
void release();
long count();       // forbidden calls so far
std::string last(); // the last one's name
} // namespace trap

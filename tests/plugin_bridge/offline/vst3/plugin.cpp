// A stereo gain that delays by, and reports, 64 samples; and its ill-behaved brothers:
// -DCRASH_AT_LOAD, -DCRASH_IN_RUN, -DHANG_IN_RUN, -DNAN_IN_RUN. The last three behave for the
// first 20000 frames of sound: hosts try a plug-in with some when they load it. -DSYNTH is an
// instrument that waits for notes.
#include "DistrhoPlugin.hpp"
#include <cmath>
#include <cstdlib>
#include <vector>
START_NAMESPACE_DISTRHO
class Bench : public Plugin {
    static const uint32_t latency = 64;
    float gain = 0.f;
    String note;
    std::vector<float> held[2];
    size_t at = 0, heard = 0;

public:
    Bench () : Plugin (1, 0, 1)
    {
#ifdef CRASH_AT_LOAD
        abort ();
#endif
        setLatency (latency);
        activate ();
    }

protected:
    const char* getLabel () const override { return "Bench"; }
    const char* getMaker () const override { return "bandmate tests"; }
    const char* getLicense () const override { return "MIT"; }
    uint32_t getVersion () const override { return d_version (1, 0, 0); }
    int64_t getUniqueId () const override { return d_cconst ('B', 'm', 'b', 'n'); }
    void initParameter (uint32_t, Parameter& p) override
    {
        p.hints = kParameterIsAutomatable;
        p.name = "Gain";
        p.symbol = "gain";
        p.unit = "dB";
        p.ranges = ParameterRanges (0.f, -60.f, 20.f);
    }
    void initState (uint32_t, State& s) override { s.key = "note"; s.label = "Note"; }
    String getState (const char*) const override { return note; }
    void setState (const char*, const char* value) override { note = value; }
    float getParameterValue (uint32_t) const override { return gain; }
    void setParameterValue (uint32_t, float value) override { gain = value; }
    void activate () override
    {
        for (auto& line : held) line.assign (latency, 0.f);
        at = 0;
    }
#ifdef SYNTH
    void run (const float**, float** out, uint32_t frames, const MidiEvent*, uint32_t) override
    {
        for (int c = 0; c < 2; ++c)
            for (uint32_t n = 0; n < frames; ++n) out[c][n] = 0.f;
    }
#else
    void run (const float** in, float** out, uint32_t frames) override
    {
        const float factor = std::pow (10.f, gain / 20.f);
        for (uint32_t n = 0; n < frames; ++n) {
            for (int c = 0; c < 2; ++c) {
                heard += in[c][n] != 0.f;
                const float fresh = in[c][n] * factor;
                out[c][n] = held[c][at];
                held[c][at] = fresh;
            }
            at = (at + 1) % latency;
        }
        if (heard > 40000) misbehave (out, frames);
    }
#endif
    void misbehave (float** out, uint32_t frames)
    {
#ifdef CRASH_IN_RUN
        *(volatile int*) 8 = 1;
#endif
#ifdef HANG_IN_RUN
        for (volatile int k = 1; k;) {}
#endif
#ifdef NAN_IN_RUN
        if (frames > 5) out[0][5] = std::nanf ("");
#endif
        (void) out; (void) frames;
    }
};
Plugin* createPlugin () { return new Bench; }
END_NAMESPACE_DISTRHO

// Faults of DPF 1.6 that concern us. The Makefile compiles copies of its VST3 and CLAP wrappers in
// which dpf_fixes.sed has put calls of these functions; where newer releases read otherwise, the
// script changes nothing.
#pragma once

#include <cmath>
#include <cstdint>

// VST3: the wrapper reads the first bus only, so side-chains are silent and the stems of the
// multi-output variant go nowhere. Our buses are all stereo, in the order of the ports.
template <class Bus>
float* bandmateChannel(const Bus* buses, int32_t count, int32_t channel, float* nothing) {
    const int32_t bus = channel / 2, side = channel % 2;
    if (bus >= count || side >= buses[bus].num_channels) return nothing;
    float* const* const channels = buses[bus].channel_buffers_32;
    return channels == nullptr || channels[side] == nullptr ? nothing : channels[side];
}

// CLAP: the wrapper takes the host's steady counter for the place in the song. Seconds come in
// fixed point with 31 binary places.
template <class Transport>
int64_t bandmateFrame(const Transport& transport, bool hasSeconds, double rate, int64_t steady) {
    if (!hasSeconds) return steady >= 0 ? steady : 0;
    return std::llround(static_cast<double>(transport.song_pos_seconds) / 2147483648.0 * rate);
}

#include "player.hpp"

#include <algorithm>

namespace bandmate {

namespace {

constexpr double kFadeSeconds = 0.005; // from silence to unity

float sample(const std::vector<std::shared_ptr<const MappedWav>>& files, std::int64_t at,
             std::uint32_t side) {
    float sum = 0;
    for (const auto& wav : files)
        sum += wav->at(at, side);
    return sum;
}

} // namespace

void Player::prepare(Variant variant, double rate) {
    variant_ = variant;
    slope_ = float(1 / (kFadeSeconds * rate));
    within_ = false;
    source_.now = 1;
}

void Player::render(const float* const* inputs, float* const* outputs, const Step& step,
                    const Playlist* playlist, const Mix& mix) {
    if (step.jumped) within_ = false;
    std::size_t i = 0;
    while (i < step.frames) {
        const std::int64_t frame = step.frame + std::int64_t(i);
        const Passage* passage = step.playing && playlist ? playlist->at(frame) : nullptr;
        const bool within = passage != nullptr && passage->start <= frame;
        std::int64_t until = step.frame + step.frames;
        if (passage != nullptr) until = std::min(until, within ? passage->end() : passage->start);
        const auto to = std::size_t(until - step.frame);
        if (within) {
            if (!within_) snap(mix);
            inside(inputs, outputs, i, to, *passage, frame, mix);
        } else {
            dry(inputs, outputs, i, to, mix);
        }
        within_ = within;
        i = to;
    }
}

// At the first sample of a passage, and after a jump, faders stand where they are: what was played
// before is not what this goes on from.
void Player::snap(const Mix& mix) {
    wet_.now = mix.wet ? 1 : 0;
    part_.now = mix.part;
    for (std::size_t k = 0; k < kStemCount; ++k)
        gains_[k].now = mix.gains[k];
}

void Player::dry(const float* const* inputs, float* const* outputs, std::size_t from,
                 std::size_t to, const Mix& mix) {
    const float target = variant_ == Variant::Part && mix.wet ? mix.source : 1;
    for (std::size_t i = from; i < to; ++i) {
        const float gain = source_.next(target, slope_);
        for (std::size_t side = 0; side < 2; ++side)
            outputs[side][i] = inputs[side][i] * gain;
        for (std::size_t output = 2; output < 2 * outputBuses(variant_); ++output)
            outputs[output][i] = 0;
    }
}

void Player::inside(const float* const* inputs, float* const* outputs, std::size_t from,
                    std::size_t to, const Passage& passage, std::int64_t frame, const Mix& mix) {
    for (std::size_t i = from; i < to; ++i) {
        const std::int64_t at = frame - passage.start + std::int64_t(i - from);
        if (variant_ == Variant::Part)
            part(inputs, outputs, i, passage, at, mix);
        else
            stems(inputs, outputs, i, passage, at, mix);
    }
}

void Player::stems(const float* const* inputs, float* const* outputs, std::size_t i,
                   const Passage& passage, std::int64_t at, const Mix& mix) {
    const float wet = wet_.next(mix.wet ? 1 : 0, slope_);
    std::array<float, 2> sum{};
    const std::array<float, 2> input{inputs[0][i], inputs[1][i]};
    for (std::size_t k = 0; k < kStemCount; ++k) {
        const float gain = gains_[k].next(mix.gains[k], slope_);
        for (std::uint32_t side = 0; side < 2; ++side) {
            const float value = gain == 0 ? 0 : gain * sample(passage.sounds[k], at, side);
            if (variant_ == Variant::Multi) outputs[2 + 2 * k + side][i] = value * wet;
            sum[side] += value;
        }
    }
    for (std::size_t side = 0; side < 2; ++side) {
        float out = input[side];
        if (variant_ == Variant::Stems && wet == 1)
            out = sum[side];
        else if (variant_ == Variant::Stems && wet > 0)
            out += wet * (sum[side] - out);
        outputs[side][i] = out;
    }
}

void Player::part(const float* const* inputs, float* const* outputs, std::size_t i,
                  const Passage& passage, std::int64_t at, const Mix& mix) {
    const float wet = wet_.next(mix.wet ? 1 : 0, slope_);
    const float gain = part_.next(mix.part, slope_) * wet;
    const float source = source_.next(mix.wet ? mix.source : 1, slope_);
    const std::size_t last = passage.sounds.size();
    const std::size_t take = mix.take == 0 ? passage.newest : std::min(mix.take, last) - 1;
    for (std::uint32_t side = 0; side < 2; ++side) {
        const float value = gain == 0 ? 0 : gain * sample(passage.sounds[take], at, side);
        outputs[side][i] = inputs[side][i] * source + value;
    }
}

} // namespace bandmate

#include "recorder.hpp"

#include <algorithm>

namespace bandmate {

void Recorder::drain(Tap& tap, const Store& store, std::int64_t room) {
    const std::size_t channels = 2 * tap.buses();
    for (;;) {
        // The samples first: what was put in before a mark is then sure to be seen with it.
        const std::size_t held = tap.samples().available() / channels;
        const bool marked = tap.marks().available() > 0;
        const std::size_t before = marked ? tap.marks().front().at - read_ : held;
        append(tap, std::min(before, held), room);
        if (!marked) return;
        if (before > held) continue;
        handle(tap.marks().front(), tap, store);
        tap.marks().drop(1);
    }
}

void Recorder::handle(const Mark& mark, const Tap& tap, const Store& store) {
    if (mark.kind == Mark::Begin) {
        open_ = store.newPiece(tap.buses());
        start_ = mark.frame;
    } else {
        close();
        finished_ |= mark.kind == Mark::Finish;
    }
}

void Recorder::append(Tap& tap, std::size_t frames, std::int64_t room) {
    const std::size_t channels = 2 * tap.buses();
    read_ += frames;
    std::size_t left = frames * channels;
    while (left > 0) {
        const float* first = nullptr;
        const std::size_t count = tap.samples().contiguous(left, first);
        const std::int64_t allowed = std::max<std::int64_t>(0, room - this->frames());
        const std::size_t kept = std::min(count, std::size_t(allowed) * channels);
        if (open_ && !failed_ && kept > 0) failed_ = !open_->append(first, kept);
        full_ |= kept < count;
        tap.samples().drop(count);
        left -= count;
    }
}

void Recorder::close() {
    if (open_ && open_->frames() > 0) pieces_.push_back({start_, open_->frames(), open_, 0});
    open_.reset();
}

std::int64_t Recorder::frames() const {
    std::int64_t total = open_ ? open_->frames() : 0;
    for (const Piece& piece : pieces_)
        total += piece.frames;
    return total;
}

std::vector<Piece> Recorder::take() {
    std::vector<Piece> taken = std::move(pieces_);
    pieces_.clear();
    finished_ = full_ = failed_ = false;
    return taken;
}

} // namespace bandmate

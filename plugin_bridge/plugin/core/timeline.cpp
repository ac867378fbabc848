#include "timeline.hpp"

#include <algorithm>

namespace bandmate {

void Timeline::erase(std::int64_t start, std::int64_t end) {
    std::vector<Piece> left;
    for (const Piece& piece : pieces_) {
        if (piece.start < start) {
            Piece before = piece;
            before.frames = std::min(piece.end(), start) - piece.start;
            left.push_back(before);
        }
        if (piece.end() > end) {
            Piece after = piece;
            after.start = std::max(piece.start, end);
            after.offset += after.start - piece.start;
            after.frames = piece.end() - after.start;
            left.push_back(after);
        }
    }
    pieces_ = std::move(left);
}

void Timeline::overwrite(const Piece& piece) {
    if (piece.frames <= 0) return;
    erase(piece.start, piece.end());
    const auto later = [](const Piece& a, const Piece& b) { return a.start < b.start; };
    pieces_.insert(std::upper_bound(pieces_.begin(), pieces_.end(), piece, later), piece);
}

std::vector<std::vector<Piece>> Timeline::runs() const {
    std::vector<std::vector<Piece>> runs;
    for (const Piece& piece : pieces_) {
        if (runs.empty() || runs.back().back().end() != piece.start) runs.emplace_back();
        runs.back().push_back(piece);
    }
    return runs;
}

std::int64_t Timeline::frames() const {
    std::int64_t total = 0;
    for (const Piece& piece : pieces_)
        total += piece.frames;
    return total;
}

} // namespace bandmate

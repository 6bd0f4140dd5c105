// SPDX-License-Identifier: Apache-2.0
#include "cache.hpp"

namespace tinyformer {

void Cache::configure(unsigned bytes, unsigned ways) {
    ways_ = ways;
    const unsigned sets = ways == 0 ? 1 : (bytes >> kLineShift) / ways;
    set_mask_ = sets - 1;
    tags_.assign(std::size_t{sets} * ways, kEmpty);
    dirty_.assign(tags_.size(), 0);
}

Cache::Outcome Cache::fill(std::size_t first, std::uint32_t line, bool write) {
    ++statistics.misses;
    if (ways_ == 0) return Outcome::Miss;
    std::size_t victim = first + ways_;
    for (unsigned way = 0; way < ways_; ++way) {
        if (tags_[first + way] == kEmpty) {
            victim = first + way;
            break;
        }
    }
    if (victim == first + ways_) {
        random_ = random_ * 1664525u + 1013904223u;
        victim = first + (random_ >> 16) % ways_;
    }
    const bool evicts = dirty_[victim] != 0;
    if (evicts) ++statistics.evictions;
    tags_[victim] = line;
    dirty_[victim] = write ? 1 : 0;
    return evicts ? Outcome::MissWithEviction : Outcome::Miss;
}

}  // namespace tinyformer

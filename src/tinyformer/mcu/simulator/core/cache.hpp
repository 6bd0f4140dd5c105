// SPDX-License-Identifier: Apache-2.0
// A set-associative, write-back, write-allocate cache with random replacement; only tags, no data.
#pragma once
#include <cstdint>
#include <vector>

#include "types.hpp"

namespace tinyformer {

class Cache {
public:
    struct Statistics {
        std::uint64_t hits = 0, misses = 0, evictions = 0;
    };
    enum class Outcome { Hit, Miss, MissWithEviction };

    // Without size the cache never hits (a core without caches).
    void configure(unsigned bytes, unsigned ways);

    // Looks up a line and brings it in. `line` is the address divided by the line size.
    Outcome access(std::uint32_t line, bool write) {
        const std::size_t first = std::size_t{line & set_mask_} * ways_;
        for (unsigned way = 0; way < ways_; ++way) {
            if (tags_[first + way] == line) {
                ++statistics.hits;
                if (write) dirty_[first + way] = 1;
                return Outcome::Hit;
            }
        }
        return fill(first, line, write);
    }

    Statistics statistics;

private:
    static constexpr std::uint32_t kEmpty = ~0u;
    Outcome fill(std::size_t first, std::uint32_t line, bool write);

    unsigned ways_ = 0;
    std::uint32_t set_mask_ = 0;
    std::vector<std::uint32_t> tags_;
    std::vector<std::uint8_t> dirty_;
    std::uint32_t random_ = 12345;  // linear congruential generator: replacement is random but reproducible
};

}  // namespace tinyformer

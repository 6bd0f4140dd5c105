// SPDX-License-Identifier: Apache-2.0
// Branch target buffer with two-bit counters; branches it does not know are predicted taken if they go backward.
#pragma once
#include <cstdint>
#include <vector>

#include "instruction.hpp"

namespace tinyformer {

class BranchPredictor {
public:
    void configure(unsigned entries) { entries_.assign(entries, Entry{}); }

    // Records the outcome of `branch`, which continued at `next`; returns whether it was predicted.
    bool resolve(Address branch_address, std::uint32_t traits, Address fall_through, Address next);

private:
    struct Entry {
        Address branch = ~Address{0};
        Address target = 0;
        std::uint8_t counter = 0;  // taken from 2 on
    };
    std::vector<Entry> entries_;
};

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
// A flash accelerator, such as the ART of STM32F4 and L4: caches of flash words before one slow flash port.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "settings.hpp"
#include "types.hpp"

namespace tinyformer {

// Fully associative lines with least-recently-used replacement; each flash word of a line is valid on its own.
class FlashLines {
public:
    void configure(unsigned lines, unsigned line_bytes, unsigned word_bytes);
    bool holds(Address address);
    void fill(Address address);

private:
    struct Line {
        Address number = ~Address{0};
        std::uint32_t valid = 0;  // a bit for each flash word
        std::uint64_t last_use = 0;
    };
    Line* find(Address number);
    std::uint32_t word_bit(Address address) const { return 1u << ((address % line_bytes_) / word_bytes_); }

    std::vector<Line> lines_;
    std::unordered_map<Address, std::size_t> places_;  // of the lines by number
    Address line_bytes_ = 32, word_bytes_ = 8;
    std::uint64_t uses_ = 0;
};

class FlashAccelerator {
public:
    struct Statistics {
        std::uint64_t instruction_hits = 0, instruction_misses = 0, data_hits = 0, data_misses = 0;
    };
    explicit FlashAccelerator(const Settings& settings);

    // When the flash word with the code at `address`, asked for at `time`, is there.
    Cycle instruction(Address address, Cycle time);
    // The same for a load of data.
    Cycle data(Address address, Cycle time);
    // What the program writes to a register; one of them switches the accelerator.
    void control(Address address, std::uint32_t value);

    Statistics statistics;

private:
    static constexpr Address kNone = ~Address{0};
    Cycle read_flash(Cycle time);
    void prefetch_after(Address word, Cycle time);

    Address word_bytes_;
    Cycle read_cycles_;                  // of the flash port, one read at a time
    std::vector<std::int64_t> control_;  // address, masks of prefetch, instruction cache, data cache; empty: always on
    bool prefetch_ = false, instruction_cache_ = false, data_cache_ = false;
    FlashLines instructions_, data_;
    Cycle port_free_ = 0;
    Address instruction_word_ = kNone, data_word_ = kNone;  // held since they were last read
    Address prefetched_word_ = kNone;
    Cycle prefetched_at_ = 0;
};

}  // namespace tinyformer

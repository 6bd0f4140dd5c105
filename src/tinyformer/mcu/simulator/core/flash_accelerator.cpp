// SPDX-License-Identifier: Apache-2.0
#include "flash_accelerator.hpp"

#include <algorithm>

namespace tinyformer {

void FlashLines::configure(unsigned lines, unsigned line_bytes, unsigned word_bytes) {
    lines_.assign(lines, Line{});
    line_bytes_ = line_bytes;
    word_bytes_ = word_bytes;
}

FlashLines::Line* FlashLines::find(Address number) {
    const auto found = places_.find(number);
    return found == places_.end() ? nullptr : &lines_[found->second];
}

bool FlashLines::holds(Address address) {
    Line* line = find(address / line_bytes_);
    if (line == nullptr || (line->valid & word_bit(address)) == 0) return false;
    line->last_use = ++uses_;
    return true;
}

void FlashLines::fill(Address address) {
    if (lines_.empty()) return;
    Line* line = find(address / line_bytes_);
    if (line == nullptr) {
        line = &*std::min_element(lines_.begin(), lines_.end(),
                                  [](const Line& a, const Line& b) { return a.last_use < b.last_use; });
        places_.erase(line->number);
        *line = Line{address / line_bytes_, 0, 0};
        places_[line->number] = static_cast<std::size_t>(line - lines_.data());
    }
    line->valid |= word_bit(address);
    line->last_use = ++uses_;
}

FlashAccelerator::FlashAccelerator(const Settings& settings)
    : word_bytes_(static_cast<Address>(settings.get("flash_accelerator.read_bytes"))),
      read_cycles_(static_cast<Cycle>(settings.get("flash_wait_states")) + 1),
      control_(settings.list("flash_accelerator.control")) {
    instruction_cache_ = data_cache_ = control_.empty();
    const auto line_bytes = static_cast<unsigned>(settings.get("flash_accelerator.line_bytes"));
    instructions_.configure(static_cast<unsigned>(settings.get("flash_accelerator.instruction_lines")), line_bytes,
                            word_bytes_);
    data_.configure(static_cast<unsigned>(settings.get("flash_accelerator.data_lines")), line_bytes, word_bytes_);
}

void FlashAccelerator::control(Address address, std::uint32_t value) {
    if (control_.empty() || address != control_.at(0)) return;
    prefetch_ = (value & control_.at(1)) != 0;
    instruction_cache_ = (value & control_.at(2)) != 0;
    data_cache_ = (value & control_.at(3)) != 0;
}

// First cycle after a read that begins at `time` or when the port is free.
Cycle FlashAccelerator::read_flash(Cycle time) {
    port_free_ = std::max(time, port_free_) + read_cycles_;
    return port_free_;
}

void FlashAccelerator::prefetch_after(Address word, Cycle time) {
    const Address next = word + 1;
    if (!prefetch_ || next == prefetched_word_ || (instruction_cache_ && instructions_.holds(next * word_bytes_)))
        return;
    prefetched_word_ = next;
    prefetched_at_ = read_flash(time);
}

Cycle FlashAccelerator::instruction(Address address, Cycle time) {
    const Address word = address / word_bytes_;
    if (word == instruction_word_) return time;
    instruction_word_ = word;
    if (instruction_cache_ && instructions_.holds(address)) {
        ++statistics.instruction_hits;
        return time;
    }
    const bool prefetched = word == prefetched_word_;
    Cycle there = time;
    if (prefetched) {
        ++statistics.instruction_hits;
        there = std::max(time, prefetched_at_ - 1);
        prefetched_word_ = kNone;
    } else {
        ++statistics.instruction_misses;
        there = read_flash(time) - 1;
    }
    if (instruction_cache_) instructions_.fill(address);
    prefetch_after(word, prefetched ? there : there + 1);
    return there;
}

Cycle FlashAccelerator::data(Address address, Cycle time) {
    const Address word = address / word_bytes_;
    if (word == data_word_ || (data_cache_ && data_.holds(address))) {
        ++statistics.data_hits;
        return time;
    }
    ++statistics.data_misses;
    data_word_ = word;
    if (data_cache_) data_.fill(address);
    return read_flash(time) - 1;
}

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
// The Cortex-M7: in order, two instructions a cycle, caches, tightly coupled memories. Rules: docs/timing_model.md.
#pragma once
#include <algorithm>
#include <array>

#include "branch_predictor.hpp"
#include "cache.hpp"
#include "timing_model.hpp"

namespace tinyformer {

struct CortexM7Constants {
    explicit CortexM7Constants(const Settings& settings);

    unsigned fetch_queue, branch_target_entries, mispredict, load_to_use, narrow_load_to_use, multiply, saturate,
        floating, float_accumulate, float_fused, float_accumulate_forward, float_accumulate_shadow, float_divide,
        float_root, double_multiply, double_accumulate, double_divide, divide_extra, store_buffer_entries,
        narrow_store_same_bank, narrow_store_other_bank, unaligned, instruction_miss_flash, instruction_miss_sram,
        data_miss_flash, data_miss_sram, data_miss_overlap, data_miss_window, store_miss, dirty_eviction,
        uncached_flash_fetch, uncached_flash_load, uncached_sram_access;
};

// The bytes that fetch has delivered, eight at a time.
class FetchUnit {
public:
    FetchUnit(const CortexM7Constants& constants, const MemoryMap& memory) : constants_(constants), memory_(memory) {}

    // Cycle at which the code at `address` is there.
    Cycle deliver(Address address) {
        const Address chunk = address >> 3;
        if (chunk != chunk_) fetch(address, chunk);
        return time_;
    }
    // Issue has come to `now`: fetch may run ahead of it by the depth of the queue only.
    void follow(Cycle now) { earliest_ = now >= constants_.fetch_queue ? now - constants_.fetch_queue : 0; }
    // Fetch starts over after a jump; not before `time`.
    void redirect(Cycle time) {
        if (time_ < time) time_ = time;
        chunk_ = kNone;
    }
    // Fetch starts over, and nothing fetched so far helps.
    void restart(Cycle time) {
        time_ = time;
        chunk_ = kNone;
    }
    bool missed() const { return missed_; }  // the last fetch had to wait for flash or SRAM

    Cache cache;
    bool cache_enabled = false;

private:
    static constexpr Address kNone = ~Address{0};
    void fetch(Address address, Address chunk);

    const CortexM7Constants& constants_;
    const MemoryMap& memory_;
    Cycle time_ = 0, earliest_ = 0;
    Address chunk_ = kNone;
    bool missed_ = false;
};

// Stores leave the pipeline at once and drain one after the other; the pipeline waits only when the buffer is full.
class StoreBuffer {
public:
    void configure(const CortexM7Constants& constants);
    // Cycles that the pipeline waits for a store at time `now`.
    Cycle wait(Cycle now, const Access& store);

private:
    std::vector<Cycle> drained_;  // ring: when each entry becomes free
    std::size_t next_ = 0;
    Cycle last_drain_ = 0;
    unsigned last_bank_ = 2;  // of the last byte or half-word store
    unsigned same_bank_ = 0, other_bank_ = 0;
};

// Line fills of the data cache overlap: a load that misses less than a window after the end of the miss before, and
// whose address does not come from it, finds part of its own handling done.
class LineFills {
public:
    explicit LineFills(const CortexM7Constants& constants) : constants_(constants) {}
    // Whether a miss at `now` may overlap with the one before.
    bool open(Cycle now) const { return now < end_ + constants_.data_miss_window; }
    // Cycles that a miss beginning at `begin` takes, `alone` if nothing overlaps.
    Cycle wait(Cycle begin, Cycle alone, RegisterSet address_registers) {
        const bool overlaps = open(begin) && (address_registers & values_) == 0;
        const Cycle cost = overlaps ? alone - std::min<Cycle>(alone, constants_.data_miss_overlap) : alone;
        if (!overlaps) values_ = 0;
        end_ = begin + cost;
        return cost;
    }
    // The last miss was that of an instruction that loads `registers`.
    void loaded(RegisterSet registers) { values_ |= registers; }
    // An instruction passes while the window is open: what does it make of the values that missed?
    void follow(RegisterSet reads, RegisterSet writes) {
        values_ = (reads & values_) != 0 ? values_ | writes : values_ & ~writes;
    }

private:
    const CortexM7Constants& constants_;
    Cycle end_ = 0;
    RegisterSet values_ = 0;  // registers that hold what missed, or what was computed from it
};

// Entries of the scoreboard past the registers. S<n> as an accumulator and as the value of a store is ready at other
// times than as an operand; and for some cycles after a multiply-accumulate not every operation may issue.
constexpr Register kAsAccumulator = kRegisterCount, kAsStoreData = kAsAccumulator + 32,
                   kAfterAccumulate = kAsStoreData + 32;
constexpr int kScoreboardEntries = kAfterAccumulate + 1;

class CortexM7 : public TimingModel {
public:
    CortexM7(const Settings& settings, const MemoryMap& memory);

    std::unique_ptr<PreparedBlock> prepare(const Block& block) const override;
    void execute(Block& block, const std::vector<Access>& accesses, Address next) override;
    TimingStatistics statistics() const override;
    void control_register(Address address, std::uint32_t value) override;

private:
    struct Issue;     // an instruction as the pipeline sees it
    struct Prepared;  // the issues of a block

    void prepare_issue(const Instruction& instruction, Prepared* prepared) const;
    void prepare_operands(const Instruction& instruction, Prepared* prepared) const;
    void prepare_writes(const Instruction& instruction, unsigned extra_cycles, Prepared* prepared) const;
    unsigned hold_cycles(const Instruction& instruction) const;
    unsigned result_latency(const Instruction& instruction) const;
    bool may_pair(const Issue& issue, const Access* accesses) const;
    Cycle memory_wait(const Issue& issue, const Access* accesses, CauseCounts* causes);
    void resolve_branch(const Block& block, Address next, CauseCounts* causes);

    const CortexM7Constants constants_;
    const MemoryMap& memory_;
    FetchUnit fetch_;
    Cache data_cache_;
    bool data_cache_enabled_ = false;
    LineFills line_fills_;
    StoreBuffer store_buffer_;
    BranchPredictor predictor_;

    // When a register's value can be used; past the registers, the further roles of floating-point values.
    std::array<Cycle, kScoreboardEntries> ready_{};
    unsigned slots_used_ = 0;  // of the present cycle
    std::uint32_t group_ = 0;  // traits of the instructions in the present cycle
    unsigned group_bank_ = 0;  // bank of the load in the present cycle
    std::uint64_t branches_ = 0, mispredicted_ = 0;
};

}  // namespace tinyformer

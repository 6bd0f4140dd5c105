// The Cortex-M7: in order, two instructions a cycle, caches, tightly coupled memories. Rules: docs/timing_model.md.
#pragma once
#include <array>

#include "branch_predictor.hpp"
#include "cache.hpp"
#include "timing_model.hpp"

namespace tinyformer {

struct CortexM7Constants {
    explicit CortexM7Constants(const Settings& settings);

    unsigned fetch_queue, branch_target_entries, mispredict, load_to_use, narrow_load_to_use, multiply, saturate,
        floating, float_accumulate, float_divide, divide_extra, store_buffer_entries, narrow_store_same_bank,
        narrow_store_other_bank, unaligned, instruction_miss_flash, instruction_miss_sram, data_miss_flash,
        data_miss_sram, store_miss, dirty_eviction, uncached_flash_fetch, uncached_flash_load, uncached_sram_access;
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

    bool may_pair(const Issue& issue, const Access* accesses) const;
    Cycle memory_wait(const Issue& issue, const Access* accesses, CauseCounts* causes);
    void resolve_branch(const Block& block, Address next, CauseCounts* causes);

    const CortexM7Constants constants_;
    const MemoryMap& memory_;
    FetchUnit fetch_;
    Cache data_cache_;
    bool data_cache_enabled_ = false;
    StoreBuffer store_buffer_;
    BranchPredictor predictor_;

    std::array<Cycle, kRegisterCount> ready_{};  // when a register's value can be used
    unsigned slots_used_ = 0;                    // of the present cycle
    std::uint32_t group_ = 0;                    // traits of the instructions in the present cycle
    unsigned group_bank_ = 0;                    // bank of the load in the present cycle
    std::uint64_t branches_ = 0, mispredicted_ = 0;
};

}  // namespace tinyformer

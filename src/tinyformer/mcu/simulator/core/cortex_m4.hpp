// SPDX-License-Identifier: Apache-2.0
// The Cortex-M4: one instruction at a time, code through a small prefetch unit. Rules: docs/timing_model.md.
#pragma once
#include <array>

#include "flash_accelerator.hpp"
#include "timing_model.hpp"

namespace tinyformer {

struct CortexM4Constants {
    explicit CortexM4Constants(const Settings& settings);

    unsigned prefetch_words, prefetch_refill, single_load, paired_load, register_offset_store, double_word_access,
        table_branch, load_to_pc, address_dependency, taken_branch, indirect_branch, loaded_branch, divide,
        float_accumulate, float_divide, float_dependency, unaligned;
};

// Reads code ahead, word by word, as far as it has room.
class PrefetchUnit {
public:
    PrefetchUnit(const CortexM4Constants& constants, const MemoryMap& memory, FlashAccelerator* flash)
        : constants_(constants), memory_(memory), flash_(*flash) {}

    // When an instruction of `size` bytes can start, given that the one before starts at `previous_start`.
    Cycle start(Address address, unsigned size);
    // The instruction has started.
    void started(Cycle time) { last_start_ = time; }
    // Code continues elsewhere; the branch ends at `time`.
    void redirect(Cycle time) {
        fresh_ = true;
        redirected_ = time;
    }
    bool missed() const { return missed_; }

private:
    static constexpr unsigned kRing = 8;
    const CortexM4Constants& constants_;
    const MemoryMap& memory_;
    FlashAccelerator& flash_;
    bool fresh_ = true, missed_ = false;
    Address word_ = 0;                  // last word that was read
    Cycle arrived_ = 0;                 // when it was there
    std::array<Cycle, kRing> freed_{};  // when the room of a word became free
    Cycle last_start_ = 0, redirected_ = 0;
};

class CortexM4 : public TimingModel {
public:
    CortexM4(const Settings& settings, const MemoryMap& memory);

    std::unique_ptr<PreparedBlock> prepare(const Block& block) const override;
    void execute(Block& block, const std::vector<Access>& accesses, Address next) override;
    TimingStatistics statistics() const override;
    void control_register(Address address, std::uint32_t value) override;

private:
    // What is remembered of the instruction before.
    struct Previous {
        std::uint32_t traits = 0;
        std::uint8_t size = 4;
        RegisterSet writes = 0, loaded = 0, float_results = 0;
    };
    unsigned cost(const Instruction& instruction, bool executed) const;
    unsigned dependency(const Instruction& instruction) const;
    Cycle access_cost(const Access& access, Cycle end, CauseCounts* causes);
    void branch(const Instruction& last, Address next, CauseCounts* causes);

    const CortexM4Constants constants_;
    const MemoryMap& memory_;
    FlashAccelerator flash_;
    PrefetchUnit prefetch_;
    Previous previous_;
    std::uint64_t branches_ = 0;
};

}  // namespace tinyformer

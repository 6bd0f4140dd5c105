// SPDX-License-Identifier: Apache-2.0
// A cycle model consumes the executed blocks in order, with the addresses they touched.
#pragma once
#include <memory>
#include <vector>

#include "block.hpp"
#include "cache.hpp"
#include "memory_map.hpp"
#include "settings.hpp"

namespace tinyformer {

struct TimingStatistics {
    Cache::Statistics instruction_cache, data_cache;
    std::uint64_t branches = 0, mispredicted = 0;
};

class TimingModel {
public:
    virtual ~TimingModel() = default;

    // What the model keeps of a block.
    virtual std::unique_ptr<PreparedBlock> prepare(const Block& block) const = 0;
    // Lets a block pass; afterwards the program continues at `next`.
    virtual void execute(Block& block, const std::vector<Access>& accesses, Address next) = 0;
    virtual TimingStatistics statistics() const = 0;
    // A write to a control register that the model heeds.
    virtual void control_register(Address address, std::uint32_t value) = 0;

    Cycle now() const { return now_; }
    // Time passes without instructions (the core sleeps).
    void wait_until(Cycle time) { now_ = time > now_ ? time : now_; }

protected:
    Cycle now_ = 0;
};

std::unique_ptr<TimingModel> make_cortex_m7(const Settings& settings, const MemoryMap& memory);
std::unique_ptr<TimingModel> make_cortex_m4(const Settings& settings, const MemoryMap& memory);

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
#include "cortex_m4.hpp"

#include <algorithm>

namespace tinyformer {

namespace {

std::uint64_t& count(CauseCounts* causes, Cause cause) { return (*causes)[static_cast<std::size_t>(cause)]; }

bool is_single_load(std::uint32_t traits) {
    return (traits & kLoad) != 0 && (traits & (kMultiple | kDoubleWord | kTableBranch)) == 0;
}

}  // namespace

CortexM4Constants::CortexM4Constants(const Settings& settings) {
    auto cycles = [&](const char* name) { return static_cast<unsigned>(settings.get(std::string("timing.") + name)); };
    prefetch_words = cycles("prefetch_words");
    prefetch_refill = cycles("prefetch_refill");
    single_load = cycles("single_load");
    paired_load = cycles("paired_load");
    register_offset_store = cycles("register_offset_store");
    double_word_access = cycles("double_word_access");
    table_branch = cycles("table_branch");
    load_to_pc = cycles("load_to_pc");
    address_dependency = cycles("address_dependency");
    taken_branch = cycles("taken_branch");
    indirect_branch = cycles("indirect_branch");
    loaded_branch = cycles("loaded_branch");
    divide = cycles("divide");
    float_accumulate = cycles("float_accumulate");
    float_divide = cycles("float_divide");
    float_dependency = cycles("float_dependency");
    unaligned = cycles("unaligned_access");
}

Cycle PrefetchUnit::start(Address address, unsigned size) {
    const Address first = address >> 2, last = (address + size - 1) >> 2;
    missed_ = false;
    if (fresh_ || first > word_ + 1 || last < word_) {
        // The target of a branch that ends at T is there at T - 1, so that it starts at T.
        fresh_ = false;
        word_ = first - 1;
        arrived_ = redirected_ > 1 ? redirected_ - 2 : 0;
        last_start_ = redirected_ > 1 ? redirected_ - 1 : 0;
        freed_.fill(0);
    }
    while (word_ != last) {
        ++word_;
        const Cycle room = freed_[(word_ - constants_.prefetch_words) % kRing];
        Cycle time = arrived_ + 1;
        if (room != 0) time = std::max(time, room + constants_.prefetch_refill);
        arrived_ = time;
        if (memory_.kind(word_ << 2) == MemoryKind::Flash) arrived_ = flash_.instruction(word_ << 2, time);
        missed_ |= arrived_ > time;
    }
    const Cycle decoded = std::max(last_start_, arrived_);
    // A word is free when the instruction that uses its last half-word is decoded.
    if (((address + size) & 3) == 0 || size == 4) freed_[first % kRing] = decoded;
    return decoded + 1;
}

CortexM4::CortexM4(const Settings& settings, const MemoryMap& memory)
    : constants_(settings), memory_(memory), flash_(settings), prefetch_(constants_, memory, &flash_) {}

std::unique_ptr<PreparedBlock> CortexM4::prepare(const Block&) const { return nullptr; }

// Cycles of an instruction by itself and by what stands before it. `executed`: its condition holds.
unsigned CortexM4::cost(const Instruction& instruction, bool executed) const {
    if (instruction.has(kLoad | kStore)) {
        if (!executed) return instruction.has(kTableBranch) ? 2 : 1;
        if (instruction.has(kTableBranch)) return constants_.table_branch;
        if (instruction.has(kDoubleWord)) return constants_.double_word_access;
        if (instruction.has(kMultiple)) return 1u + instruction.words;
        if (instruction.has(kLoadsPc)) return constants_.load_to_pc;
        const bool paired = is_single_load(previous_.traits) && (previous_.loaded & instruction.address_registers) == 0;
        if (instruction.has(kLoad)) return paired ? constants_.paired_load : constants_.single_load;
        return instruction.has(kRegisterOffset) && !paired ? constants_.register_offset_store : 1;
    }
    if (instruction.has(kDivide)) return constants_.divide;
    if (instruction.has(kFloatDivide)) return constants_.float_divide;
    if (instruction.has(kFloatAccumulate)) return constants_.float_accumulate;
    const bool folds = previous_.size == 2 && (previous_.traits & (kLoad | kStore | kBranch)) == 0;
    return instruction.has(kIfThen) && folds ? 0 : 1;
}

// Cycles that an instruction waits for a result of the one before.
unsigned CortexM4::dependency(const Instruction& instruction) const {
    unsigned wait = 0;
    const bool computed = (previous_.traits & (kDataProcessing | kMultiply | kDivide)) != 0;
    if (instruction.has(kLoad | kStore) && computed && (previous_.writes & instruction.address_registers) != 0) {
        wait += constants_.address_dependency;
    }
    if (instruction.has(kFloat) && (previous_.float_results & instruction.reads) != 0)
        wait += constants_.float_dependency;
    return wait;
}

// Cycles that an access adds to an instruction that would end at `end`.
Cycle CortexM4::access_cost(const Access& access, Cycle end, CauseCounts* causes) {
    Cycle extra = 0;
    if (access.size == 2 && (access.address & 1) != 0) extra = constants_.unaligned;
    if (access.size == 4 && (access.address & 3) != 0)
        extra = ((access.address & 1) != 0 ? 2 : 1) * constants_.unaligned;
    count(causes, Cause::Unaligned) += extra;
    if (!access.write && memory_.kind(access.address) == MemoryKind::Flash) {
        const Cycle wanted = end + extra - 1;
        const Cycle wait = flash_.data(access.address, wanted) - wanted;
        count(causes, Cause::FlashMiss) += wait;
        extra += wait;
    }
    return extra;
}

void CortexM4::execute(Block& block, const std::vector<Access>& accesses, Address next) {
    CauseCounts* causes = &block.causes;
    const Cycle begin = now_;
    const Access* access = accesses.data();
    for (const Instruction& instruction : block.instructions) {
        const Cycle start = prefetch_.start(instruction.address, instruction.size);
        if (start > now_) {
            count(causes, prefetch_.missed() ? Cause::InstructionMiss : Cause::Fetch) += start - now_;
            now_ = start;
        }
        prefetch_.started(now_);
        const bool executed = instruction.accesses == 0 || access->size != 0;
        const unsigned own = cost(instruction, executed), waiting = dependency(instruction);
        if (own > 0) {
            const bool long_operation = instruction.has(kMultiple | kDoubleWord | kDivide | kFloat | kTableBranch);
            count(causes, Cause::Issue) += 1;
            count(causes, long_operation ? Cause::MultiCycle : Cause::Structural) += own - 1;
        }
        count(causes, Cause::Dependency) += waiting;
        Cycle end = now_ + own + waiting;
        for (unsigned index = 0; index < instruction.accesses; ++index, ++access) {
            if (access->size != 0) end += access_cost(*access, end, causes);
        }
        now_ = end;
        previous_.traits = instruction.traits;
        previous_.size = instruction.size;
        previous_.loaded = instruction.loaded;
        previous_.float_results = instruction.has(kFloat) ? instruction.writes : 0;
        if (own > 0) previous_.writes = instruction.writes;
    }
    branch(block.instructions.back(), next, causes);
    block.cycles += now_ - begin;
}

void CortexM4::branch(const Instruction& last, Address next, CauseCounts* causes) {
    if (last.has(kBranch)) ++branches_;
    if (next == last.end()) return;
    unsigned refill = last.has(kIndirect) ? constants_.indirect_branch : constants_.taken_branch;
    if (last.has(kLoadsPc | kTableBranch) && !last.has(kMultiple)) refill = constants_.loaded_branch;
    now_ += refill;
    count(causes, Cause::Branch) += refill;
    prefetch_.redirect(now_);
}

TimingStatistics CortexM4::statistics() const {
    const auto& flash = flash_.statistics;
    return {
        {flash.instruction_hits, flash.instruction_misses, 0}, {flash.data_hits, flash.data_misses, 0}, branches_, 0};
}

void CortexM4::control_register(Address address, std::uint32_t value) { flash_.control(address, value); }

std::unique_ptr<TimingModel> make_cortex_m4(const Settings& settings, const MemoryMap& memory) {
    return std::make_unique<CortexM4>(settings, memory);
}

}  // namespace tinyformer

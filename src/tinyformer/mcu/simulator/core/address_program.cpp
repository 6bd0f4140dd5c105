// SPDX-License-Identifier: Apache-2.0
// Extraction of an AddressProgram from the instructions of a block.
#include "address_program.hpp"

#include "step_builder.hpp"

namespace tinyformer {

namespace {

constexpr RegisterSet kIntegerRegisters = 0xFFFF;
constexpr RegisterSet kTracked = kIntegerRegisters | bit(kFlags);

// What is known of an instruction while the program is put together.
struct Candidate {
    Step step;
    RegisterSet writes = 0;  // tracked registers that change
    RegisterSet needs = 0;   // registers that have to be known for the accesses
    bool conditional = false;
    bool included = false;
};

// Marks the steps of [begin, end) that the accesses depend on; returns the registers needed at the beginning.
RegisterSet mark_dependencies(std::vector<Candidate>* candidates, std::size_t begin, std::size_t end) {
    RegisterSet needed = 0;
    bool value_loads_follow = false;
    for (std::size_t index = end; index-- > begin;) {
        Candidate& candidate = (*candidates)[index];
        const bool feeds = (candidate.writes & needed) != 0;
        Step& step = candidate.step;
        candidate.included = step.is_access() || feeds;
        if (!candidate.included) continue;
        RegisterSet reads = step.reads();
        const RegisterSet address_reads = (bit(step.left) | bit(step.right) | bit(kFlags)) & reads;
        if (step.operation == Operation::Load || step.operation == Operation::LoadMultiple) {
            RegisterSet values = bit(step.target) | bit(step.second_target);
            for (Register number : step.list) values |= bit(number);
            step.value_needed = (values & needed & kIntegerRegisters) != 0;
            value_loads_follow |= step.value_needed;
        } else if (step.is_access()) {
            step.value_needed = value_loads_follow;
            // A stored value that is not known does not hinder: see PendingStore.
            if (!step.value_needed) reads = address_reads;
        }
        if (!candidate.conditional) needed &= ~candidate.writes;
        candidate.needs = step.is_access() ? address_reads : reads;
        needed |= reads;
    }
    return needed;
}

}  // namespace

RegisterSet Step::reads() const {
    RegisterSet set = bit(left) | bit(right) | bit(third) | bit(shift_register);
    if (condition != 14 || operation == Operation::AddCarry || operation == Operation::SubtractCarry)
        set |= bit(kFlags);
    if (sets_flags) set |= bit(kFlags);  // flags that the step leaves alone
    if (operation == Operation::Store) set |= bit(target) | bit(second_target);
    if (operation == Operation::StoreMultiple) {
        for (Register number : list) set |= bit(number);
    }
    return set & kTracked;
}

RegisterSet Step::writes() const {
    RegisterSet set = sets_flags ? bit(kFlags) : 0;
    if (write_back) set |= bit(left);
    if (operation == Operation::LoadMultiple) {
        for (Register number : list) set |= bit(number);
    } else if (operation != Operation::Store && operation != Operation::StoreMultiple && writes_result) {
        set |= bit(target) | bit(second_target);
    }
    return (set | forgotten) & kTracked;
}

AddressProgram::AddressProgram(const std::vector<Decoder::Decoded>& block) {
    std::vector<Candidate> candidates;
    for (const auto& decoded : block) {
        Candidate candidate;
        candidate.writes = decoded.instruction.writes & kTracked;
        if (auto step = build_step(decoded)) {
            candidate.step = std::move(*step);
        } else {
            candidate.step.operation = Operation::Forget;
            candidate.step.forgotten = candidate.writes;
        }
        candidate.writes |= candidate.step.writes();
        candidate.conditional = decoded.instruction.has(kPredicated);
        candidates.push_back(std::move(candidate));
    }
    mark_dependencies(&candidates, 0, candidates.size());
    // Cut before each step that needs what no step can compute.
    std::vector<std::size_t> cuts = {0};
    RegisterSet opaque = 0;
    for (std::size_t index = 0; index < candidates.size(); ++index) {
        const Candidate& candidate = candidates[index];
        if (candidate.step.operation == Operation::Forget) {
            opaque |= candidate.writes;
        } else if (candidate.included) {
            if ((candidate.needs & opaque) != 0) {
                cuts.push_back(index);
                opaque = 0;
            }
            if (!candidate.conditional) opaque &= ~candidate.writes;
        }
    }
    cuts.push_back(candidates.size());
    for (std::size_t cut = 0; cut + 1 < cuts.size(); ++cut) {
        Segment segment;
        segment.start = block[cuts[cut]].instruction.address;
        segment.live_in = mark_dependencies(&candidates, cuts[cut], cuts[cut + 1]);
        bool accesses = false;
        for (std::size_t index = cuts[cut]; index < cuts[cut + 1]; ++index) {
            if (!candidates[index].included) continue;
            accesses |= candidates[index].step.is_access();
            segment.steps.push_back(candidates[index].step);
        }
        if (accesses || cut == 0) segments_.push_back(std::move(segment));
    }
}

}  // namespace tinyformer

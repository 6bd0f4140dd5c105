// SPDX-License-Identifier: Apache-2.0
// A basic block of the program: what it consists of and what it has cost.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "address_program.hpp"
#include "instruction.hpp"

namespace tinyformer {

using CauseCounts = std::array<std::uint64_t, kCauseCount>;

// What a timing model prepares of a block, once.
struct PreparedBlock {
    virtual ~PreparedBlock() = default;
};

struct Block {
    Address address = 0;
    std::uint32_t size = 0;
    std::uint32_t instruction_count = 0;
    std::uint32_t float_count = 0;  // floating-point data processing
    bool indirect_end = false;      // ends in a branch to an address in a register or in memory
    bool writes_stack_pointer = false;
    bool changes_state = false;  // stores, or computes with floating-point registers
    bool self_loop = false;      // an unconditional branch to itself
    int function = -1;           // index into the symbols
    int layer = -1;              // index into the symbols if a layer's function begins here
    std::vector<Instruction> instructions;
    AddressProgram addresses;
    unsigned access_count = 0;
    std::unique_ptr<PreparedBlock> prepared;

    std::uint64_t executions = 0;
    std::uint64_t cycles = 0;
    CauseCounts causes{};

    Block* other_length = nullptr;  // another block that begins here

    Address end() const { return address + size; }
};

}  // namespace tinyformer

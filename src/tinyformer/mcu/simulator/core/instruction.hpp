// SPDX-License-Identifier: Apache-2.0
// What the cycle models know of an instruction, independent of the core that runs it.
#pragma once
#include <cstdint>
#include <vector>

#include "types.hpp"

namespace tinyformer {

// Properties of an instruction; a set of bits.
enum Trait : std::uint32_t {
    kLoad = 1u << 0,
    kStore = 1u << 1,
    kShifter = 1u << 2,    // occupies the shifter
    kMultiply = 1u << 3,   // occupies the multiplier
    kBranch = 1u << 4,     // may change the program counter
    kFirstSlot = 1u << 5,  // issues in the first slot only
    kAlone = 1u << 6,      // issues alone
    kFloat = 1u << 7,      // floating-point data processing
    kDivide = 1u << 8,
    kPredicated = 1u << 9,  // has a condition (IT block or conditional branch)
    kIndirect = 1u << 10,   // branch to an address in a register or in memory
    kConditionalBranch = 1u << 11,
    kMultiple = 1u << 12,    // LDM, STM, PUSH, POP, LDRD, STRD and their floating-point forms
    kDoubleWord = 1u << 13,  // LDRD, STRD, VLDR and VSTR of a D register
    kTableBranch = 1u << 14,
    kLoadsPc = 1u << 15,
    kRegisterOffset = 1u << 16,
    kIfThen = 1u << 17,
    kDataProcessing = 1u << 18,  // none of load, store, branch, multiply, divide, float, IT
    kFloatAccumulate = 1u << 19,
    kFloatDivide = 1u << 20,
    kFloatTransfer = 1u << 21,    // VLDR, VSTR, VLDM, VSTM
    kFloatMove = 1u << 22,        // VMOV of all kinds
    kFused = 1u << 23,            // VFMA and its relatives, which round once
    kFloatMultiply = 1u << 24,    // VMUL, VNMUL
    kDoublePrecision = 1u << 25,  // arithmetic in double precision
};

// How long a result takes, by kind.
enum class Latency : std::uint8_t {
    Simple,
    WordLoad,
    NarrowLoad,
    Multiply,
    Saturate,
    Float,
    FloatAccumulate,
    FloatDivide,
    FloatRoot
};

enum class SourceRole : std::uint8_t {
    Plain,
    Address,      // needed a cycle early
    Shifted,      // goes through the shifter first, needed a cycle early
    StoreData,    // needed a cycle late
    Accumulator,  // forwarded, needed a cycle late
};

enum class ResultRole : std::uint8_t {
    Value,
    BaseUpdate,  // written-back address: ready at once
    Flags,
};

struct Source {
    Register reg;
    SourceRole role;
};

struct Result {
    Register reg;
    ResultRole role;
};

struct Instruction {
    Address address = 0;
    std::uint8_t size = 0;
    std::uint8_t accesses = 0;  // reads or writes of memory, in the order of the trace
    std::uint8_t words = 0;     // words moved by a kMultiple instruction
    std::uint32_t traits = 0;
    Latency latency = Latency::Simple;
    RegisterSet reads = 0;
    RegisterSet writes = 0;
    RegisterSet address_registers = 0;
    RegisterSet loaded = 0;  // destination of a single load
    std::vector<Source> sources;
    std::vector<Result> results;

    bool has(std::uint32_t any_of) const { return (traits & any_of) != 0; }
    Address end() const { return address + size; }
};

}  // namespace tinyformer

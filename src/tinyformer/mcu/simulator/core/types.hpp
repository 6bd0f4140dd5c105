// SPDX-License-Identifier: Apache-2.0
// Names of the quantities that every part of the simulator speaks of.
#pragma once
#include <cstdint>

namespace tinyformer {

using Address = std::uint32_t;
using Cycle = std::uint64_t;
using Register = std::uint8_t;
using RegisterSet = std::uint64_t;  // bit n stands for register n

// Numbers of registers in RegisterSet and in the models' scoreboards.
constexpr Register kStackPointer = 13;
constexpr Register kLinkRegister = 14;
constexpr Register kProgramCounter = 15;
constexpr Register kFlags = 16;
constexpr Register kFloatStatus = 17;
constexpr Register kFirstFloat = 32;  // S0; D<n> is named by its lower half S<2n>
constexpr int kRegisterCount = 64;
constexpr Register kNoRegister = 0xFF;

constexpr RegisterSet bit(Register number) { return number < kRegisterCount ? RegisterSet{1} << number : 0; }

constexpr unsigned kLineShift = 5;  // cache lines have 32 bytes

// A read or write of memory by an instruction. A predicated instruction that did not execute has accesses of size 0.
struct Access {
    Address address = 0;
    std::uint8_t size = 0;
    bool write = false;
};

enum class MemoryKind : std::uint8_t { Other, Flash, Itcm, Dtcm, Sram };

// Why a cycle passed; every cycle of the model is counted under exactly one of these.
enum class Cause : std::uint8_t {
    Issue,            // instructions issued as the core allows at best
    Structural,       // the second slot stayed empty because of a pairing rule
    Dependency,       // an operand was not ready
    Fetch,            // the fetch queue had run dry
    InstructionMiss,  // code had to come from flash or SRAM
    FlashMiss,        // a load missed the data cache (or the flash accelerator) and went to flash
    SramMiss,         // a load missed the data cache and went to SRAM
    Store,            // store miss, eviction of a dirty line, full store buffer
    Unaligned,        // an access crossed a word
    MultiCycle,       // LDM/STM beyond their first cycle, division
    Branch,           // misprediction (Cortex-M7), refill after a taken branch (Cortex-M4)
    Count
};

constexpr int kCauseCount = static_cast<int>(Cause::Count);
inline const char* const kCauseNames[kCauseCount] = {
    "issue", "structural", "dependency",  "fetch", "instruction_miss", "flash_miss", "sram_miss",
    "store", "unaligned",  "multi_cycle", "branch"};

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
// Arithmetic in double precision, which the emulated FPU lacks. Encodings: Armv7-M Architecture Reference Manual
// (DDI 0403), A6.4 and A6.5; FPv5 additions: Armv8-M Architecture Reference Manual (DDI 0553).
#pragma once
#include <array>
#include <cstdint>

namespace tinyformer {

struct FloatState {
    std::array<std::uint64_t, 16> d{};  // D<n>; S<2n> and S<2n+1> are its halves
    std::uint32_t status = 0;           // FPSCR
};

// Whether `instruction` (first half-word in the upper half) computes in double precision.
bool is_double_operation(std::uint32_t instruction);

// Executes it; false if it is none that is known. `status` gets the flags of comparisons; exception flags are not kept.
// `flags`: N, Z, C, V of the core in bits 31 to 28, for VSEL.
bool execute_double(std::uint32_t instruction, std::uint32_t flags, FloatState* state);

}  // namespace tinyformer

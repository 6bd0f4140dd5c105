// SPDX-License-Identifier: Apache-2.0
// Arm semihosting: requests of the program to its host by BKPT 0xAB.
// https://github.com/ARM-software/abi-aa/blob/main/semihosting/semihosting.rst
#pragma once
#include "host_io.hpp"
#include "memory_map.hpp"

namespace tinyformer {

class Semihosting {
public:
    static constexpr std::uint16_t kBreakpoint = 0xBEAB;

    Semihosting(const MemoryMap& memory, std::uint64_t clock_hz, HostIo* io)
        : memory_(memory), clock_hz_(clock_hz), io_(*io) {}

    // Serves operation r0 with argument r1 and returns the result for r0.
    std::uint32_t serve(std::uint32_t operation, std::uint32_t argument, Cycle now);

private:
    std::uint32_t word(Address address) const;
    std::uint32_t write(Address block, Cycle now);
    std::uint32_t read(Address block);
    void exit(std::uint32_t reason, std::uint32_t status);

    const MemoryMap& memory_;
    std::uint64_t clock_hz_;
    HostIo& io_;
};

}  // namespace tinyformer

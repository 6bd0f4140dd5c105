// SPDX-License-Identifier: Apache-2.0
// The cores that the emulator executes, by the names of the configuration.
#pragma once
#include <cstdint>
#include <string>

namespace tinyformer {

struct Core {
    const char* name;
    int emulated_as;               // unicorn's model
    std::uint32_t identification;  // CPUID
    std::uint32_t cache_size;      // CCSIDR
};

// Throws std::runtime_error for a name that it does not know.
const Core& find_core(const std::string& name);

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
#include "core.hpp"

#include <unicorn/unicorn.h>

#include <stdexcept>

namespace tinyformer {

namespace {

constexpr std::uint32_t k4KiloBytesIn4Ways = (31u << 13) | (3u << 3) | 1u;  // 32 sets, 4 ways, 32-byte lines
constexpr Core kCores[] = {
    {"cortex-m4", UC_CPU_ARM_CORTEX_M4, 0x410FC241, 0},
    {"cortex-m7", UC_CPU_ARM_CORTEX_M7, 0x411FC271, k4KiloBytesIn4Ways},
    {"cortex-m33", UC_CPU_ARM_CORTEX_M33, 0x411FD210, 0},
};

}  // namespace

const Core& find_core(const std::string& name) {
    for (const Core& core : kCores) {
        if (name == core.name) return core;
    }
    throw std::runtime_error("core '" + name + "' is not emulated");
}

}  // namespace tinyformer

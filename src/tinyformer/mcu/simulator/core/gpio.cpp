// SPDX-License-Identifier: Apache-2.0
#include "gpio.hpp"

namespace tinyformer {

namespace {

enum : Address { kMode = 0x00, kPull = 0x0C, kInput = 0x10, kOutput = 0x14, kSetReset = 0x18, kClear = 0x28 };
constexpr unsigned kPins = 16;
constexpr std::uint32_t kOutputMode = 1, kPullUp = 1;

}  // namespace

std::uint32_t Gpio::levels() const {
    std::uint32_t levels = high_ & given_;
    for (unsigned pin = 0; pin < kPins; ++pin) {
        const std::uint32_t bit = 1u << pin;
        if ((given_ & bit) != 0) continue;
        const std::uint32_t mode = (registers_[kMode / 4] >> (2 * pin)) & 3;
        const std::uint32_t pull = (registers_[kPull / 4] >> (2 * pin)) & 3;
        if (mode == kOutputMode ? (registers_[kOutput / 4] & bit) != 0 : pull == kPullUp) levels |= bit;
    }
    return levels;
}

std::uint32_t Gpio::read(Address offset, Cycle) { return offset == kInput ? levels() : registers_[offset / 4]; }

void Gpio::write(Address offset, std::uint32_t value, Cycle) {
    std::uint32_t& output = registers_[kOutput / 4];
    if (offset == kSetReset) {
        output = (output & ~(value >> kPins)) | (value & 0xFFFF);
    } else if (offset == kClear) {
        output &= ~value;
    } else {
        registers_[offset / 4] = value;
    }
}

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
// A port of pins: outputs read back, inputs read what they are given, else their pull-up resistor.
#pragma once
#include "peripheral.hpp"

namespace tinyformer {

class Gpio : public Peripheral {
public:
    // `given`: pins that something outside drives; `high`: those of them that it drives high.
    Gpio(Address base, std::uint32_t given, std::uint32_t high) : Peripheral(base), given_(given), high_(high) {}

    std::uint32_t read(Address offset, Cycle now) override;
    void write(Address offset, std::uint32_t value, Cycle now) override;

private:
    std::uint32_t levels() const;

    std::uint32_t given_, high_;
    std::uint32_t registers_[256] = {};
};

}  // namespace tinyformer

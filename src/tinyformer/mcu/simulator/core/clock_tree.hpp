// SPDX-License-Identifier: Apache-2.0
// Clocks of the peripheral buses: the core's, divided as the program sets the bus prescalers of RCC.
#pragma once
#include <memory>
#include <vector>

#include "settings.hpp"
#include "types.hpp"

namespace tinyformer {

struct BusClock {
    std::uint64_t divider = 1;        // the core's clock over the bus's
    std::uint64_t timer_divider = 1;  // over that of the timers, which run twice as fast as a divided bus
};

class ClockTree {
public:
    // Settings "bus.N": address, shift and width of each prescaler between the core and the bus; a prescaler of four
    // bits is that of an AHB, one of three that of an APB.
    explicit ClockTree(const Settings& settings);

    const BusClock& bus(std::size_t index) const { return *buses_[index].clock; }
    bool has(Address address) const;
    // A register has been written; `value` is its whole content.
    void write(Address address, std::uint32_t value);

private:
    struct Prescaler {
        Address address;
        unsigned shift, width;
        std::uint32_t content = 0;
        std::uint64_t divider() const;
    };
    struct Bus {
        std::vector<Prescaler> prescalers;
        std::unique_ptr<BusClock> clock;
    };
    std::vector<Bus> buses_;
};

}  // namespace tinyformer

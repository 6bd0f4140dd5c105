// SPDX-License-Identifier: Apache-2.0
#include "clock_tree.hpp"

#include <algorithm>

namespace tinyformer {

ClockTree::ClockTree(const Settings& settings) {
    for (const auto& row : settings.table("bus")) {
        Bus bus;
        for (std::size_t column = 0; column + 2 < row.size(); column += 3) {
            bus.prescalers.push_back({static_cast<Address>(row[column]), static_cast<unsigned>(row[column + 1]),
                                      static_cast<unsigned>(row[column + 2])});
        }
        bus.clock = std::make_unique<BusClock>();
        buses_.push_back(std::move(bus));
    }
}

std::uint64_t ClockTree::Prescaler::divider() const {
    constexpr std::uint64_t kApb[8] = {1, 1, 1, 1, 2, 4, 8, 16};
    constexpr std::uint64_t kAhb[16] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 16, 64, 128, 256, 512};
    const std::uint32_t field = (content >> shift) & ((1u << width) - 1);
    return width == 4 ? kAhb[field] : kApb[field & 7];
}

bool ClockTree::has(Address address) const {
    return std::any_of(buses_.begin(), buses_.end(), [address](const Bus& bus) {
        return std::any_of(bus.prescalers.begin(), bus.prescalers.end(),
                           [address](const Prescaler& prescaler) { return prescaler.address == address; });
    });
}

void ClockTree::write(Address address, std::uint32_t value) {
    for (Bus& bus : buses_) {
        std::uint64_t above = 1, last = 1;  // dividers of the buses before, and of the bus itself
        for (Prescaler& prescaler : bus.prescalers) {
            if (prescaler.address == address) prescaler.content = value;
            above *= last;
            last = prescaler.divider();
        }
        bus.clock->divider = above * last;
        bus.clock->timer_divider = above * (last == 1 ? 1 : last / 2);
    }
}

}  // namespace tinyformer

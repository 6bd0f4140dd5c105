// SPDX-License-Identifier: Apache-2.0
#include "status_registers.hpp"

namespace tinyformer {

StatusRegisters::StatusRegisters(const Settings& settings) {
    for (const auto& row : settings.table("ready_rule")) {
        rules_.push_back({static_cast<Address>(row.at(0)), static_cast<std::uint32_t>(row.at(1)),
                          static_cast<unsigned>(row.at(2)), static_cast<std::uint32_t>(row.at(3)),
                          static_cast<std::uint32_t>(row.at(4))});
    }
    for (const auto& row : settings.table("reset_register")) {
        const auto value = static_cast<std::uint32_t>(row.at(1));
        if (value != 0) reset_values_[static_cast<Address>(row.at(0))] = value;
    }
}

std::uint32_t StatusRegisters::read(Address address, std::uint32_t stored) const {
    std::uint32_t value = stored;
    for (const Rule& rule : rules_) {
        if (rule.address == address) value = (value & ~rule.clear) | ((stored & rule.follow) << rule.shift) | rule.set;
    }
    return value;
}

}  // namespace tinyformer

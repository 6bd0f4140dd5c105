// SPDX-License-Identifier: Apache-2.0
// Registers that start-up codes poll (what is enabled is ready at once), and values that registers reset to.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "settings.hpp"
#include "types.hpp"

namespace tinyformer {

class StatusRegisters {
public:
    // Settings "ready_rule.N": address, follow, shift, set, clear; "reset_register.N": address, value.
    explicit StatusRegisters(const Settings& settings);

    // What a register reads as, given what was last written to it.
    std::uint32_t read(Address address, std::uint32_t stored) const;
    // What the registers reset to, unless it is 0.
    const std::unordered_map<Address, std::uint32_t>& reset_values() const { return reset_values_; }

private:
    struct Rule {
        Address address;
        std::uint32_t follow;  // bits whose state appears `shift` bits higher
        unsigned shift;
        std::uint32_t set;    // bits that always read as one
        std::uint32_t clear;  // bits that read as zero unless one of the above sets them
    };
    std::vector<Rule> rules_;
    std::unordered_map<Address, std::uint32_t> reset_values_;
};

}  // namespace tinyformer

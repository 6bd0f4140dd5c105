// Ready bits of RCC, PWR and FLASH that start-up codes poll: everything is ready as soon as it is enabled.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "types.hpp"

namespace tinyformer {

class ReadyBits {
public:
    // `family`: f4, f7, h7 or l4.
    explicit ReadyBits(const std::string& family);

    // What a status register reads as, given what was last written to it.
    std::uint32_t apply(Address address, std::uint32_t stored) const;
    // Registers that do not reset to 0.
    static std::uint32_t reset_value(const std::string& family, Address address);

private:
    struct Rule {
        Address address;
        std::uint32_t follow;  // bits whose state appears `shift` bits higher
        unsigned shift;
        std::uint32_t set;    // bits that always read as one
        std::uint32_t clear;  // bits that always read as zero
    };
    std::vector<Rule> rules_;
};

}  // namespace tinyformer

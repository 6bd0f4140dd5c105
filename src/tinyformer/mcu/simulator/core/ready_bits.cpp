#include "ready_bits.hpp"

namespace tinyformer {

namespace {

constexpr std::uint32_t kOscillators = (1u << 0) | (1u << 16) | (1u << 24) | (1u << 26) | (1u << 28);
constexpr std::uint32_t kOscillatorsReady = kOscillators << 1;

}  // namespace

// Reference manuals RM0090 (F4), RM0385 and RM0410 (F7), RM0433 and RM0455 (H7), RM0432 (L4+).
ReadyBits::ReadyBits(const std::string& family) {
    if (family == "f4" || family == "f7") {
        rules_ = {
            {0x40023800, kOscillators, 1, 1u << 1, kOscillatorsReady},    // RCC_CR: HSI, HSE, PLLs
            {0x40023808, 3u, 2, 0, 3u << 2},                              // RCC_CFGR: SWS follows SW
            {0x40023870, 1u, 1, 0, 0},                                    // RCC_BDCR: LSE
            {0x40023874, 1u, 1, 0, 0},                                    // RCC_CSR: LSI
            {0x40007004, 0, 0, (1u << 14) | (1u << 16) | (1u << 17), 0},  // PWR_CSR: regulator, over-drive
        };
    } else if (family == "h7") {
        rules_ = {
            {0x58024400, kOscillators | (1u << 7) | (1u << 12), 1, 1u << 2, 0},  // RCC_CR
            {0x58024400, 1u, 2, 0, 0},                                           // HSIRDY is bit 2
            {0x58024410, 7u, 3, 0, 7u << 3},                                     // RCC_CFGR: SWS follows SW
            {0x58024470, 1u, 1, 0, 0},                                           // RCC_BDCR
            {0x58024474, 1u, 1, 0, 0},                                           // RCC_CSR
            {0x58024804, 0, 0, 1u << 13, 0},                                     // PWR_CSR1: ACTVOSRDY
            {0x5802480C, 0, 0, 1u << 16, 0},                                     // PWR_CR3
            {0x58024818, 0, 0, 1u << 13, 0},                                     // PWR_D3CR: VOSRDY
        };
    } else if (family == "l4") {
        rules_ = {
            {0x40021000, 1u | (1u << 16) | (1u << 24) | (1u << 26) | (1u << 28), 1, 1u << 1,
             (1u << 17) | (1u << 25) | (1u << 27) | (1u << 29)},  // RCC_CR: MSI, HSE, PLLs
            {0x40021000, 1u << 8, 2, 0, 1u << 10},                // HSI
            {0x40021008, 3u, 2, 0, 3u << 2},                      // RCC_CFGR: SWS follows SW
            {0x40021090, 1u, 1, 0, 0},                            // RCC_BDCR
            {0x40021094, 1u, 1, 0, 0},                            // RCC_CSR
            {0x40021098, 1u, 1, 0, 0},                            // RCC_CRRCR
            {0x40007014, 0, 0, 1u << 8, ~(1u << 8)},              // PWR_SR2: REGLPS, VOSF clear
            {0x40022010, 0, 0, 0, ~0u},                           // FLASH_SR: idle
        };
    }
}

std::uint32_t ReadyBits::apply(Address address, std::uint32_t stored) const {
    std::uint32_t value = stored;
    for (const Rule& rule : rules_) {
        if (rule.address == address) value = (value & ~rule.clear) | ((stored & rule.follow) << rule.shift) | rule.set;
    }
    return value;
}

std::uint32_t ReadyBits::reset_value(const std::string& family, Address address) {
    constexpr Address kL4OptionBytes = 0x40022020;
    return family == "l4" && address == kL4OptionBytes ? 0xFFEFF8AA : 0;  // FLASH_OPTR: dual bank
}

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
// The private peripheral bus of a Cortex-M: SysTick, NVIC, SCB, DWT and ITM.
#pragma once
#include <bitset>
#include <functional>
#include <unordered_map>

#include "core.hpp"
#include "host_io.hpp"
#include "peripheral.hpp"

namespace tinyformer {

class SystemControl {
public:
    static constexpr Address kBase = 0xE0000000;
    static constexpr Address kBytes = 0x100000;
    static constexpr unsigned kSysTickException = 15, kPendSvException = 14, kFirstExternal = 16;

    SystemControl(const Core& core, HostIo* io) : core_(core), io_(*io) {}

    std::uint32_t read(Address address, Cycle now);
    void write(Address address, std::uint32_t value, Cycle now);

    // The exception that should be taken now, or 0. External interrupts come from the lines of `devices`.
    unsigned pending_exception(Cycle now, const std::vector<std::unique_ptr<Peripheral>>& devices);
    // The exception has been taken.
    void acknowledge(unsigned exception);
    // When SysTick next asks for its exception.
    Cycle next_event(Cycle now) const;
    bool enabled(unsigned irq) const { return enabled_[irq]; }
    bool any_software_pending() const { return software_pending_.any() || pendsv_; }
    Address vector_table() const { return vector_table_; }

    // Region marks of the program: (begin, number).
    std::function<void(bool, std::uint32_t)> on_region;
    // Writes that a timing model may heed.
    std::function<void(Address, std::uint32_t)> on_control;

private:
    std::uint64_t ticks(Cycle now) const {
        return reload_ == 0 ? 0 : (now - tick_start_) / (std::uint64_t{reload_} + 1);
    }
    void notice_ticks(Cycle now);
    void write_set(Address first, Address address, std::uint32_t value, bool set, std::bitset<256>* bits) const;

    const Core& core_;
    HostIo& io_;
    std::unordered_map<Address, std::uint32_t> stored_;
    Address vector_table_ = 0;
    // SysTick
    std::uint32_t tick_control_ = 0, reload_ = 0;
    Cycle tick_start_ = 0;
    std::uint64_t ticks_seen_ = 0;
    bool tick_pending_ = false, tick_flag_ = false;
    // NVIC
    std::bitset<256> enabled_, software_pending_;
    bool pendsv_ = false;
    // DWT
    Cycle counter_start_ = 0;
};

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
// A general-purpose timer that counts up from 0 to its reload value.
#pragma once
#include "peripheral.hpp"

namespace tinyformer {

class Timer : public Peripheral {
public:
    // The counter has `bits` bits.
    Timer(Address base, unsigned irq, const BusClock& clock, unsigned bits);

    std::uint32_t read(Address offset, Cycle now) override;
    void write(Address offset, std::uint32_t value, Cycle now) override;
    bool interrupt(Cycle now) override;
    Cycle next_event(Cycle now) override;
    void clock_changes(Cycle now) override;
    void clock_changed(Cycle now) override;

private:
    bool running() const { return (control_ & 1) != 0; }
    // Counts since the counter was last at 0, without wrapping.
    std::uint64_t counts(Cycle now) const;
    Cycle cycles_of(std::uint64_t counts) const { return counts * clock_.timer_divider * (Cycle{prescaler_} + 1); }
    std::uint64_t period() const { return std::uint64_t{reload_} + 1; }
    void restart(std::uint64_t counter, Cycle now);
    void notice_update(Cycle now);

    const BusClock& clock_;
    std::uint32_t mask_;
    std::uint32_t control_ = 0, enables_ = 0, prescaler_ = 0, reload_;
    bool updated_ = false;            // the update flag of the status register
    std::uint64_t held_ = 0;          // counter while stopped
    Cycle started_ = 0;               // when a running counter was at 0
    std::uint64_t periods_seen_ = 0;  // since then
};

}  // namespace tinyformer

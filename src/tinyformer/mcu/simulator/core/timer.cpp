// SPDX-License-Identifier: Apache-2.0
#include "timer.hpp"

namespace tinyformer {

namespace {

enum : Address { kCr1 = 0x00, kDier = 0x0C, kSr = 0x10, kEgr = 0x14, kCnt = 0x24, kPsc = 0x28, kArr = 0x2C };

}  // namespace

Timer::Timer(Address base, unsigned irq, const BusClock& clock, unsigned bits)
    : Peripheral(base, irq), clock_(clock), mask_(bits == 32 ? ~0u : 0xFFFFu), reload_(mask_) {}

std::uint64_t Timer::counts(Cycle now) const {
    if (!running()) return held_;
    return (now - started_) / (clock_.timer_divider * (Cycle{prescaler_} + 1));
}

void Timer::clock_changes(Cycle now) {
    notice_update(now);
    held_ = counts(now) % period();
}

void Timer::clock_changed(Cycle now) { restart(held_, now); }

void Timer::restart(std::uint64_t counter, Cycle now) {
    held_ = counter;
    const Cycle back = cycles_of(counter);
    started_ = now >= back ? now - back : 0;
    periods_seen_ = 0;
}

void Timer::notice_update(Cycle now) {
    if (!running()) return;
    const std::uint64_t periods = counts(now) / period();
    if (periods > periods_seen_) {
        periods_seen_ = periods;
        updated_ = true;
    }
}

std::uint32_t Timer::read(Address offset, Cycle now) {
    notice_update(now);
    switch (offset) {
        case kCr1:
            return control_;
        case kDier:
            return enables_;
        case kSr:
            return updated_ ? 1 : 0;
        case kCnt:
            return static_cast<std::uint32_t>(counts(now) % period()) & mask_;
        case kPsc:
            return prescaler_;
        case kArr:
            return reload_;
        default:
            return 0;
    }
}

void Timer::write(Address offset, std::uint32_t value, Cycle now) {
    notice_update(now);
    const std::uint64_t counter = counts(now) % period();
    switch (offset) {
        case kCr1:
            control_ = value;
            restart(counter, now);
            break;
        case kDier:
            enables_ = value;
            break;
        case kSr:
            updated_ = updated_ && (value & 1) != 0;
            break;
        case kEgr:
            if ((value & 1) != 0) {
                updated_ = true;
                restart(0, now);
            }
            break;
        case kCnt:
            restart(value & mask_, now);
            break;
        case kPsc:
            prescaler_ = value & 0xFFFF;
            restart(counter, now);
            break;
        case kArr:
            reload_ = value & mask_;
            restart(counter, now);
            break;
        default:
            break;
    }
}

bool Timer::interrupt(Cycle now) {
    notice_update(now);
    return updated_ && (enables_ & 1) != 0;
}

Cycle Timer::next_event(Cycle now) {
    if (!running() || (enables_ & 1) == 0) return kNever;
    return updated_ ? now : started_ + cycles_of((periods_seen_ + 1) * period());
}

}  // namespace tinyformer

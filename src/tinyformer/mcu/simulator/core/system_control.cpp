// SPDX-License-Identifier: Apache-2.0
#include "system_control.hpp"

namespace tinyformer {

namespace {

enum : Address {
    kItmPort0 = 0xE0000000,
    kItmRegionBegin = 0xE0000004,
    kItmRegionEnd = 0xE0000008,
    kItmExit = 0xE000007C,
    kDwtCycleCount = 0xE0001004,
    kSysTickControl = 0xE000E010,
    kSysTickReload = 0xE000E014,
    kSysTickValue = 0xE000E018,
    kSetEnable = 0xE000E100,
    kClearEnable = 0xE000E180,
    kSetPending = 0xE000E200,
    kClearPending = 0xE000E280,
    kCpuId = 0xE000ED00,
    kInterruptControl = 0xE000ED04,
    kVectorTable = 0xE000ED08,
    kReset = 0xE000ED0C,
    kCacheSize = 0xE000ED80,
};
constexpr Address kRegisterBank = 0x20;  // eight words of 32 interrupts each
constexpr std::uint32_t kTickEnable = 1, kTickInterrupt = 2, kTickFlag = 1u << 16;
constexpr std::uint32_t kResetKey = 0x05FA0000, kResetRequest = 1u << 2;
constexpr std::uint32_t kPendSvSet = 1u << 28, kPendSvClear = 1u << 27, kTickClear = 1u << 25, kTickSet = 1u << 26;

bool in_bank(Address address, Address first) { return address >= first && address < first + kRegisterBank; }

std::uint32_t word_of(const std::bitset<256>& bits, Address index) {
    std::uint32_t word = 0;
    for (unsigned number = 0; number < 32; ++number) {
        if (bits[index * 32 + number]) word |= 1u << number;
    }
    return word;
}

}  // namespace

void SystemControl::notice_ticks(Cycle now) {
    if ((tick_control_ & kTickEnable) == 0) return;
    const std::uint64_t passed = ticks(now);
    if (passed > ticks_seen_) {
        ticks_seen_ = passed;
        tick_flag_ = true;
        if ((tick_control_ & kTickInterrupt) != 0) tick_pending_ = true;
    }
}

std::uint32_t SystemControl::read(Address address, Cycle now) {
    const Address word = address & ~Address{3};
    notice_ticks(now);
    if (in_bank(word, kSetEnable) || in_bank(word, kClearEnable)) return word_of(enabled_, (word & 0x1F) / 4);
    if (in_bank(word, kSetPending) || in_bank(word, kClearPending))
        return word_of(software_pending_, (word & 0x1F) / 4);
    switch (word) {
        case kItmPort0:
            return 1;  // room for another character
        case kDwtCycleCount:
            return static_cast<std::uint32_t>(now - counter_start_);
        case kSysTickControl: {
            const std::uint32_t value = tick_control_ | (tick_flag_ ? kTickFlag : 0);
            tick_flag_ = false;
            return value;
        }
        case kSysTickReload:
            return reload_;
        case kSysTickValue:
            if ((tick_control_ & kTickEnable) == 0 || reload_ == 0) return 0;
            return reload_ - static_cast<std::uint32_t>((now - tick_start_) % (std::uint64_t{reload_} + 1));
        case kCpuId:
            return core_.identification;
        case kVectorTable:
            return vector_table_;
        case kCacheSize:
            return core_.cache_size;
        default:
            break;
    }
    const auto found = stored_.find(word);
    return found == stored_.end() ? 0 : found->second;
}

void SystemControl::write_set(Address first, Address address, std::uint32_t value, bool set,
                              std::bitset<256>* bits) const {
    const Address index = (address - first) / 4;
    for (unsigned number = 0; number < 32; ++number) {
        if ((value >> number) & 1) (*bits)[index * 32 + number] = set;
    }
}

void SystemControl::write(Address address, std::uint32_t value, Cycle now) {
    const Address word = address & ~Address{3};
    notice_ticks(now);
    if (in_bank(word, kSetEnable)) return write_set(kSetEnable, word, value, true, &enabled_);
    if (in_bank(word, kClearEnable)) return write_set(kClearEnable, word, value, false, &enabled_);
    if (in_bank(word, kSetPending)) return write_set(kSetPending, word, value, true, &software_pending_);
    if (in_bank(word, kClearPending)) return write_set(kClearPending, word, value, false, &software_pending_);
    stored_[word] = value;
    switch (word) {
        case kItmPort0:
            io_.print(static_cast<char>(value & 0xFF), now);
            break;
        case kItmRegionBegin:
            on_region(true, value);
            break;
        case kItmRegionEnd:
            on_region(false, value);
            break;
        case kItmExit:
            io_.stop(StopReason::Exit, static_cast<int>(value));
            break;
        case kDwtCycleCount:
            counter_start_ = now - value;
            break;
        case kSysTickControl:
            if ((value & kTickEnable) != 0 && (tick_control_ & kTickEnable) == 0) {
                tick_start_ = now;
                ticks_seen_ = 0;
            }
            tick_control_ = value & 7;
            break;
        case kSysTickReload:
            reload_ = value & 0xFFFFFF;
            ticks_seen_ = ticks(now);
            break;
        case kSysTickValue:
            tick_start_ = now;
            ticks_seen_ = 0;
            tick_flag_ = false;
            break;
        case kInterruptControl:
            if ((value & kPendSvSet) != 0) pendsv_ = true;
            if ((value & kPendSvClear) != 0) pendsv_ = false;
            if ((value & kTickSet) != 0) tick_pending_ = true;
            if ((value & kTickClear) != 0) tick_pending_ = false;
            break;
        case kVectorTable:
            vector_table_ = value & ~Address{0x7F};
            break;
        case kReset:
            if ((value & 0xFFFF0000) == kResetKey && (value & kResetRequest) != 0) io_.stop(StopReason::Reset, 0);
            break;
        default:
            on_control(word, value);
            break;
    }
}

unsigned SystemControl::pending_exception(Cycle now, const std::vector<std::unique_ptr<Peripheral>>& devices) {
    notice_ticks(now);
    if (tick_pending_) return kSysTickException;
    for (const auto& device : devices) {
        if (enabled_[device->irq()] && device->interrupt(now)) return kFirstExternal + device->irq();
    }
    if (software_pending_.any()) {
        for (unsigned number = 0; number < software_pending_.size(); ++number) {
            if (software_pending_[number] && enabled_[number]) return kFirstExternal + number;
        }
    }
    return pendsv_ ? kPendSvException : 0;
}

void SystemControl::acknowledge(unsigned exception) {
    if (exception == kSysTickException)
        tick_pending_ = false;
    else if (exception == kPendSvException)
        pendsv_ = false;
    else if (exception >= kFirstExternal)
        software_pending_[exception - kFirstExternal] = false;
}

Cycle SystemControl::next_event(Cycle now) const {
    if (tick_pending_ || any_software_pending()) return now;
    if ((tick_control_ & (kTickEnable | kTickInterrupt)) != (kTickEnable | kTickInterrupt) || reload_ == 0)
        return kNever;
    return tick_start_ + (ticks_seen_ + 1) * (std::uint64_t{reload_} + 1);
}

}  // namespace tinyformer

// SPDX-License-Identifier: Apache-2.0
#include "uart.hpp"

#include <algorithm>

namespace tinyformer {

namespace {

constexpr std::uint32_t kIdle = 1u << 4, kReceived = 1u << 5, kSent = 1u << 6, kRoom = 1u << 7;
// Interrupt enables have the bits of their flags.
constexpr std::uint32_t kHalfOversampling = 1u << 15;
constexpr std::uint32_t kReceiveByDma = 1u << 6, kSendByDma = 1u << 7;
constexpr Address kFurtherControl = 8;  // of the register with the DMA enables, from the interrupt enables'
constexpr Address kClearFlags = 0x20;   // where flags have a register to clear them; else reading the data does
constexpr unsigned kBitsPerByte = 10;   // with start and stop bit
constexpr unsigned kAttentive = 1000;   // polls without a byte before the program counts as waiting
constexpr unsigned kPatience = 20000;   // and before it is taken to wait for ever

}  // namespace

Uart::Uart(Address base, unsigned irq, const Layout& layout, const BusClock& clock, Cycle default_byte_time, HostIo* io)
    : Peripheral(base, irq), layout_(layout), clock_(clock), default_byte_time_(default_byte_time), io_(*io) {}

std::uint32_t Uart::control() const { return registers_[layout_.control / 4]; }
bool Uart::receives_by_dma() const {
    return (registers_[(layout_.control + kFurtherControl) / 4] & kReceiveByDma) != 0;
}
bool Uart::sends_by_dma() const { return (registers_[(layout_.control + kFurtherControl) / 4] & kSendByDma) != 0; }

Cycle Uart::byte_time() const {
    std::uint64_t divider = registers_[layout_.baud / 4];
    if (divider == 0) return default_byte_time_;
    if ((control() & kHalfOversampling) != 0) divider = ((divider & 0xFFF0) | ((divider & 7) << 1)) / 2;
    return std::max<Cycle>(1, kBitsPerByte * divider * clock_.divider / layout_.divisions);
}

bool Uart::available(Cycle now) { return now >= next_byte_ && io_.line.available(now); }

bool Uart::idle(Cycle now) { return idle_armed_ && now >= next_byte_ && !io_.line.available(now); }

bool Uart::polled(Cycle now) {
    if (available(now)) {
        idle_polls_ = 0;
        return true;
    }
    if (++idle_polls_ % kAttentive != 0) return false;
    if (io_.line.wait(now)) {
        idle_polls_ = 0;
    } else if (idle_polls_ >= kPatience && !io_.line.live()) {
        io_.stop(StopReason::InputExhausted, 0);
    }
    return false;
}

std::uint32_t Uart::status(Cycle now) {
    const bool ready = polled(now);
    return kRoom | kSent | (ready ? kReceived : 0) | (idle(now) ? kIdle : 0) | layout_.always_set;
}

std::uint32_t Uart::receive(Cycle now) {
    if (!available(now)) {
        if (idle(now)) idle_armed_ = false;
        return 0;
    }
    next_byte_ = now + byte_time();
    idle_armed_ = true;
    return io_.line.take(now);
}

void Uart::send(char character, Cycle now) {
    idle_polls_ = 0;
    io_.print(character, now, true);
}

std::uint32_t Uart::read(Address offset, Cycle now) {
    if (offset == layout_.status) return status(now);
    if (offset == layout_.receive) return receive(now);
    return registers_[offset / 4];
}

void Uart::write(Address offset, std::uint32_t value, Cycle now) {
    if (offset == layout_.transmit) {
        send(static_cast<char>(value & 0xFF), now);
        return;
    }
    if (offset == kClearFlags && (value & kIdle) != 0) idle_armed_ = false;
    registers_[offset / 4] = value;
    if ((control() & kReceived) != 0 || receives_by_dma()) io_.line.listen(now);
}

bool Uart::interrupt(Cycle now) {
    const std::uint32_t enabled = control();
    return ((enabled & kReceived) != 0 && available(now)) || ((enabled & kIdle) != 0 && idle(now)) ||
           (enabled & (kRoom | kSent)) != 0;
}

Cycle Uart::next_byte(Cycle now) const {
    // A terminal is looked at once in the time of a byte.
    if (io_.line.live()) return io_.line.has_bytes() ? std::max(now, next_byte_) : now + byte_time();
    const Cycle due = io_.line.has_bytes() ? now : io_.line.due(now);
    return due == kNever ? kNever : std::max(due, next_byte_);
}

Cycle Uart::next_event(Cycle now) {
    Cycle next = kNever;
    if ((control() & kReceived) != 0) next = next_byte(now);
    if ((control() & kIdle) != 0 && idle_armed_) next = std::min(next, std::max(now, next_byte_));
    return next;
}

}  // namespace tinyformer

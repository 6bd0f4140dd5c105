#include "uart.hpp"

namespace tinyformer {

namespace {

constexpr std::uint32_t kReceived = 1u << 5, kSent = 1u << 6, kRoom = 1u << 7;
constexpr std::uint32_t kTransmitterReady = 1u << 21, kReceiverReady = 1u << 22;
constexpr std::uint32_t kReceiveInterrupt = 1u << 5, kRoomInterrupt = 1u << 7, kSentInterrupt = 1u << 6;
constexpr unsigned kPatience = 20000;  // polls of an exhausted input before the program is taken to wait for ever

}  // namespace

Uart::Uart(Address base, unsigned irq, bool has_status_first, Cycle byte_time, HostIo* io)
    : Peripheral(base, irq), status_first_(has_status_first), byte_time_(byte_time), io_(*io) {}

bool Uart::available(Cycle now) const { return io_.received < io_.serial.size() && now >= next_byte_; }

std::uint32_t Uart::status(Cycle now) {
    const bool ready = available(now);
    if (!ready && io_.received >= io_.serial.size() && !io_.serial.empty() && ++idle_polls_ > kPatience) {
        io_.stop(StopReason::InputExhausted, 0);
    }
    std::uint32_t flags = kRoom | kSent | (ready ? kReceived : 0);
    if (!status_first_) flags |= kTransmitterReady | kReceiverReady;
    return flags;
}

std::uint32_t Uart::receive(Cycle now) {
    if (!available(now)) return 0;
    next_byte_ = now + byte_time_;
    return static_cast<std::uint8_t>(io_.serial[io_.received++]);
}

std::uint32_t Uart::read(Address offset, Cycle now) {
    const Address status_at = status_first_ ? 0x00 : 0x1C, data_at = status_first_ ? 0x04 : 0x24;
    if (offset == status_at) return status(now);
    if (offset == data_at) return receive(now);
    return offset < sizeof registers_ ? registers_[offset / 4] : 0;
}

void Uart::write(Address offset, std::uint32_t value, Cycle) {
    const Address data_at = status_first_ ? 0x04 : 0x28;
    if (offset == data_at) {
        idle_polls_ = 0;
        io_.print(static_cast<char>(value & 0xFF));
    } else if (offset < sizeof registers_) {
        registers_[offset / 4] = value;
    }
}

std::uint32_t Uart::control() const { return registers_[(status_first_ ? 0x0C : 0x00) / 4]; }

bool Uart::interrupt(Cycle now) {
    const std::uint32_t enabled = control();
    return ((enabled & kReceiveInterrupt) != 0 && available(now)) || (enabled & (kRoomInterrupt | kSentInterrupt)) != 0;
}

Cycle Uart::next_event(Cycle now) {
    if ((control() & kReceiveInterrupt) == 0 || io_.received >= io_.serial.size()) return kNever;
    return next_byte_ > now ? next_byte_ : now;
}

}  // namespace tinyformer

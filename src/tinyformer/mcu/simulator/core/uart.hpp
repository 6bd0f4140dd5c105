// SPDX-License-Identifier: Apache-2.0
// A serial port: sends at once, receives a byte in the time that its baud rate gives.
#pragma once
#include "peripheral.hpp"

namespace tinyformer {

class Uart : public Peripheral {
public:
    struct Layout {
        Address control, status, receive, transmit, baud;  // offsets from the base
        std::uint32_t always_set;                          // further flags of the status
        std::uint32_t divisions;                           // of the baud rate register's unit: 256 in a low-power port
    };
    // `default_byte_time`: cycles a byte while the program has set no baud rate.
    Uart(Address base, unsigned irq, const Layout& layout, const BusClock& clock, Cycle default_byte_time, HostIo* io);

    std::uint32_t read(Address offset, Cycle now) override;
    void write(Address offset, std::uint32_t value, Cycle now) override;
    bool interrupt(Cycle now) override;
    Cycle next_event(Cycle now) override;

    Address receive_address() const { return base() + layout_.receive; }
    Address transmit_address() const { return base() + layout_.transmit; }
    bool receives_by_dma() const;
    bool sends_by_dma() const;
    bool available(Cycle now);
    std::uint32_t receive(Cycle now);
    // The program looked whether there is a byte; returns whether there is.
    bool polled(Cycle now);
    void send(char character, Cycle now);
    // When the next byte can be received, or kNever.
    Cycle next_byte(Cycle now) const;

private:
    std::uint32_t status(Cycle now);
    bool idle(Cycle now);
    std::uint32_t control() const;  // the register with the interrupt enables
    Cycle byte_time() const;

    Layout layout_;
    const BusClock& clock_;
    Cycle default_byte_time_;
    HostIo& io_;
    Cycle next_byte_ = 0;
    bool idle_armed_ = false;  // bytes came, and the pause after them was not yet acknowledged
    unsigned idle_polls_ = 0;
    std::uint32_t registers_[256] = {};  // what was written
};

}  // namespace tinyformer

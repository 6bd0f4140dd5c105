// SPDX-License-Identifier: Apache-2.0
// A DMA controller as far as serial ports use it: a channel whose peripheral address is a port's data register moves
// bytes between it and memory. Which request line a channel listens to is not looked at.
#pragma once
#include "uart.hpp"

namespace tinyformer {

class DmaController : public Peripheral {
public:
    enum class Kind { Channels, Streams };  // of STM32L4 and STM32F4, F7, H7
    DmaController(Address base, Kind kind, std::size_t channels, MemoryMap* memory)
        : Peripheral(base), kind_(kind), channels_(channels), memory_(*memory) {}

    // The ports that it serves; they outlive it.
    void serve(const std::vector<Uart*>& ports) { ports_ = ports; }

    std::uint32_t read(Address offset, Cycle now) override;
    void write(Address offset, std::uint32_t value, Cycle now) override;
    void advance(Cycle now) override;
    Cycle next_action(Cycle now) override;
    bool timed() const override { return true; }

    // Whether a channel asks for its interrupt.
    bool asks(std::size_t channel) const;

private:
    struct Channel {
        std::uint32_t control = 0, count = 0, peripheral = 0, memory = 0;
        std::uint32_t reload = 0, position = 0;  // length of the transfer, bytes moved
        bool half = false, complete = false;     // flags
    };
    bool enabled(const Channel& channel) const { return (channel.control & 1) != 0; }
    std::uint32_t bit(std::uint32_t channels, std::uint32_t streams) const {
        return kind_ == Kind::Channels ? channels : streams;
    }
    bool has(const Channel& channel, std::uint32_t channels, std::uint32_t streams) const {
        return (channel.control & bit(channels, streams)) != 0;
    }
    unsigned flags_shift(std::size_t channel) const;
    Channel* channel_at(Address offset, Address* reg);
    Uart* receiver(const Channel& channel) const;
    Uart* sender(const Channel& channel) const;
    void moved(Channel* channel);

    Kind kind_;
    std::vector<Channel> channels_;
    MemoryMap& memory_;
    std::vector<Uart*> ports_;
};

// The interrupt line of a channel.
class DmaLine : public Peripheral {
public:
    DmaLine(unsigned irq, DmaController* controller, std::size_t channel)
        : Peripheral(kNoRegisters, irq), controller_(*controller), channel_(channel) {}

    bool interrupt(Cycle) override { return controller_.asks(channel_); }
    Cycle next_event(Cycle now) override { return controller_.asks(channel_) ? now : kNever; }

private:
    DmaController& controller_;
    std::size_t channel_;
};

}  // namespace tinyformer

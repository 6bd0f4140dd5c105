// SPDX-License-Identifier: Apache-2.0
// Devices on the peripheral bus that do something; all other registers read back what was written.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "clock_tree.hpp"
#include "host_io.hpp"
#include "memory_map.hpp"
#include "settings.hpp"
#include "types.hpp"

namespace tinyformer {

constexpr Cycle kNever = ~Cycle{0};
constexpr Address kNoRegisters = 0xFFFFFC00;  // base of a device without registers
constexpr unsigned kNoInterrupt = 255;
constexpr unsigned kDevicePage = 10;  // devices lie a kilobyte apart

class Peripheral {
public:
    explicit Peripheral(Address base, unsigned irq = kNoInterrupt) : base_(base), irq_(irq) {}
    virtual ~Peripheral() = default;

    // Registers by offset from the base, as whole words; `now` is the time in clock cycles.
    virtual std::uint32_t read(Address, Cycle) { return 0; }
    virtual void write(Address, std::uint32_t, Cycle) {}
    // Whether the interrupt line is up.
    virtual bool interrupt(Cycle) { return false; }
    // When the interrupt line may next go up by the passing of time alone.
    virtual Cycle next_event(Cycle) { return kNever; }
    // What the device does by itself, interrupt or not, and when it next has something to do.
    virtual void advance(Cycle) {}
    virtual Cycle next_action(Cycle) { return kNever; }
    // The clock of its bus is about to change, and has changed.
    virtual void clock_changes(Cycle) {}
    virtual void clock_changed(Cycle) {}

    // Whether it has an interrupt or acts by itself.
    virtual bool timed() const { return irq_ != kNoInterrupt; }

    Address base() const { return base_; }
    unsigned irq() const { return irq_; }

private:
    Address base_;
    unsigned irq_;
};

// Serial ports (settings "uart.N": base, irq, bus, offsets of control, status, receive, transmit and baud rate, always
// set, divisions of the baud rate), timers ("timer.N": base, irq, bus, bits), DMA controllers ("dma.N": base, 0 for
// channels or 1 for streams, irqs) and ports of pins ("gpio.N": base, given, high).
std::vector<std::unique_ptr<Peripheral>> make_peripherals(const Settings& settings, const ClockTree& clocks,
                                                          MemoryMap* memory, HostIo* io);

}  // namespace tinyformer
